// Imported for what Node's module loader needs the first time it reads a file.
export {};
