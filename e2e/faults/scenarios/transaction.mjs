// Several records of several kinds in one change, which is whole or not there.
import { value } from "../vault-subject.mjs";

export { vaultSubject as subject } from "../vault-subject.mjs";

export const scenario = () => ({
  async setup(world) {
    await world.change((tx) => tx.createSecret({ name: "A_KEY", value: value("one") }));
    await world.change((tx) => tx.createSecret({ name: "OLD_KEY", value: value("old") }));
    await world.change((tx) => tx.putDocument("credential", "old", { secret: "OLD_KEY" }));
  },
  steps: [
    {
      name: "many changes at once",
      async run(world) {
        const a = await world.find("A_KEY");
        const old = await world.find("OLD_KEY");
        await world.change(async (tx) => {
          await tx.createSecret({ name: "B_KEY", value: value("b") });
          await tx.rotateSecret(a, value("two"));
          await tx.deleteSecret(old);
          await tx.createSecret({ name: "OLD_KEY", value: value("reused") });
          await tx.putDocument("credential", "new", { secret: "B_KEY" });
          await tx.putDocument("policy", "new", { allow: ["new"] });
          await tx.deleteDocument("credential", "old");
        });
      },
    },
  ],
});
