// A backup restored where there is no vault; with `restore:over`, in place of one, which keeps another
// name; with `restore:within`, under a key file below the vault's own directory. See restore-subject.mjs.
export { restoreSubject as subject } from "../restore-subject.mjs";

export const scenario = (how) => ({
  over: how === "over",
  within: how === "within",
  steps: [{ name: "restore", run: (world) => world.restore() }],
  restored: ({ states }) => states.at(-1).vault,
});
