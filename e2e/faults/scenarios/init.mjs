// Making a vault where there is none.
export { vaultSubject as subject } from "../vault-subject.mjs";

export const scenario = () => ({
  bare: true,
  steps: [{ name: "init", run: (world) => world.init() }],
});
