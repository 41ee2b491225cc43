// Old days of the audit log dropped, signed statements before and after, and entries that follow.
export { vaultSubject as subject } from "../vault-subject.mjs";

const append = async (world, number) => {
  await world.vault.audit.append({ kind: "test.happened", number });
  await world.vault.audit.flush();
};

// The vault is made a day before the steps are taken, and its clock runs ahead of theirs.
const drop = {
  name: "drop",
  run: (world) => world.vault.dropAuditBefore(world.now() + 86_400_000),
};
const checkpoint = { name: "checkpoint", run: (world) => world.vault.audit.checkpoint() };

export const scenario = () => ({
  async setup(world) {
    for (const number of [1, 2, 3]) {
      await append(world, number);
      world.passDays(1);
    }
    await append(world, 4);
  },
  steps: [
    checkpoint,
    drop,
    { name: "append 5", run: (world) => append(world, 5) },
    checkpoint,
    { name: "append 6", run: (world) => append(world, 6) },
  ],
});
