// A backup restored where there is no vault; with `restore:over`, in place of one, which keeps another
// name. See restore-subject.mjs.
export { restoreSubject as subject } from "../restore-subject.mjs";

export const scenario = (over) => ({
  over: over === "over",
  steps: [{ name: "restore", run: (world) => world.restore() }],
  restored: ({ states }) => states.at(-1).vault,
});
