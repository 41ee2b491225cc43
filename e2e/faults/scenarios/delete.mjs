// A secret shredded, and its name used again.
import { value } from "../vault-subject.mjs";

export { vaultSubject as subject } from "../vault-subject.mjs";

export const scenario = () => ({
  setup: (world) => world.change((tx) => tx.createSecret({ name: "A_KEY", value: value("one") })),
  steps: [
    {
      name: "delete",
      run: async (world) => {
        const id = await world.find("A_KEY");
        await world.change((tx) => tx.deleteSecret(id));
      },
    },
    {
      name: "create again",
      run: (world) => world.change((tx) => tx.createSecret({ name: "A_KEY", value: value("two") })),
    },
  ],
});
