// Metadata changed: a name and an alias.
import { value } from "../vault-subject.mjs";

export { vaultSubject as subject } from "../vault-subject.mjs";

export const scenario = () => ({
  setup: (world) => world.change((tx) => tx.createSecret({ name: "OLD_KEY", value: value("old") })),
  steps: [
    {
      name: "rename",
      run: async (world) => {
        const id = await world.find("OLD_KEY");
        await world.change((tx) => tx.updateSecret(id, { name: "NEW_KEY", aliases: ["OLD_KEY"] }));
      },
    },
  ],
});
