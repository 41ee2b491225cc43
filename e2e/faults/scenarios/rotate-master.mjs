// The key of the whole vault replaced, with so many secrets under it: `rotate-master:10`.
import { value } from "../vault-subject.mjs";

export { vaultSubject as subject } from "../vault-subject.mjs";

export const scenario = (count = "1") => ({
  countKeys: true,
  setup: (world) =>
    world.change(async (tx) => {
      for (let i = 0; i < Number(count); i++) {
        await tx.createSecret({ name: `KEY_${i}`, value: value(`secret ${i}`) });
      }
      // One of the kinds that are rewrapped on the way, and one of the kind that ends it.
      await tx.putDocument("credential", "openai", { secret: "KEY_0" });
      await tx.putDocument("state", "limit", { used: 1 });
    }),
  steps: [
    {
      name: "rotate-master",
      run: (world) => world.vault.rotateMaster({ provider: world.keyProvider }),
    },
  ],
});
