export const seededFaults = [];
