// A secret deleted and then forgotten.
import { value } from "../vault-subject.mjs";

export { vaultSubject as subject } from "../vault-subject.mjs";

let id;

export const scenario = () => ({
  async setup(world) {
    await world.change((tx) => tx.createSecret({ name: "A_KEY", value: value("one") }));
    await world.change((tx) => tx.createSecret({ name: "OTHER_KEY", value: value("other") }));
  },
  steps: [
    {
      name: "delete",
      run: async (world) => {
        id ??= await world.find("A_KEY");
        await world.change((tx) => tx.deleteSecret(id));
      },
    },
    { name: "purge", run: (world) => world.change((tx) => tx.purgeSecret(id)) },
  ],
});
