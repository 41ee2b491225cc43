// Audit entries that are on disk when they are acknowledged, from the moment that this was asked for.
export { vaultSubject as subject } from "../vault-subject.mjs";

const append = (number) => ({
  name: `append ${number}`,
  run: (world) => world.vault.audit.append({ kind: "test.happened", number }),
});

const durable = {
  name: "ask for disk",
  run: (world) => world.vault.setAuditDurability("disk"),
};

export const scenario = () => ({
  observe: ({ vault }) => vault.auditDurability,
  setup: (world) => append(0).run(world),
  steps: [{ ...append(1), lasts: "process" }, durable, append(2), append(3)],
});
