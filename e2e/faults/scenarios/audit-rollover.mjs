// Audit entries across midnight, where one file ends and another begins.
export { vaultSubject as subject } from "../vault-subject.mjs";

const append = (number) => ({
  name: `append ${number}`,
  lasts: "process",
  run: (world) => world.vault.audit.append({ kind: "test.happened", number }),
});
const flush = { name: "flush", run: (world) => world.vault.audit.flush() };

const nextDay = (number) => ({
  ...append(number),
  async run(world) {
    world.passDays(1);
    await append(number).run(world);
  },
});

export const scenario = () => ({
  setup: (world) => append(0).run(world),
  steps: [append(1), nextDay(2), append(3), flush, nextDay(4), flush],
});
