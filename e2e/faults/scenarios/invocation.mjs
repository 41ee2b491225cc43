// One invocation, and the next: the decision on record before the provider is asked, the use counted, the
// outcome on record before the last byte is let go. `invocation:disk` with an audit log that is on disk
// when it is acknowledged.
import { value } from "../vault-subject.mjs";

export { vaultSubject as subject } from "../vault-subject.mjs";

export const scenario = (durability) => {
  const lasts = durability === "disk" ? "disk" : "process";
  const entry = (number) => ({
    name: number % 2 === 1 ? "decision" : "outcome",
    lasts,
    run: (world) => world.vault.audit.append({ kind: "test.happened", number }),
  });
  const count = (used) => ({
    name: "count",
    run: (world) => world.change((tx) => tx.putDocument("state", "limit:chat", { used })),
  });
  const use = {
    name: "use",
    lasts: "process",
    run: async (world) => {
      const id = await world.find("A_KEY");
      await world.vault.useSecret(id, () => {});
    },
  };
  return {
    async setup(world) {
      await world.change((tx) => tx.createSecret({ name: "A_KEY", value: value("one") }));
      if (durability === "disk") await world.vault.setAuditDurability("disk");
      await entry(0).run(world);
    },
    steps: [entry(1), count(1), use, entry(2), entry(3), count(2), use, entry(4)],
  };
};
