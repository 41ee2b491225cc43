// Audit entries: written when acknowledged, on disk after a flush.
export { vaultSubject as subject } from "../vault-subject.mjs";

const append = (number) => ({
  name: `append ${number}`,
  lasts: "process",
  run: (world) => world.vault.audit.append({ kind: "test.happened", number }),
});
const flush = { name: "flush", run: (world) => world.vault.audit.flush() };

export const scenario = () => ({
  setup: (world) => append(0).run(world),
  steps: [append(1), append(2), flush, append(3), flush, append(4)],
});
