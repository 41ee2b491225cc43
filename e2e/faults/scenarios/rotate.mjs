// The value of a secret replaced, twice.
import { value } from "../vault-subject.mjs";

export { vaultSubject as subject } from "../vault-subject.mjs";

const rotate = (text) => ({
  name: `rotate to ${text}`,
  run: async (world) => {
    const id = await world.find("A_KEY");
    await world.change((tx) => tx.rotateSecret(id, value(text)));
  },
});

export const scenario = () => ({
  async setup(world) {
    await world.change((tx) => tx.createSecret({ name: "A_KEY", value: value("one") }));
    await world.change((tx) => tx.createSecret({ name: "OTHER_KEY", value: value("other") }));
  },
  steps: [rotate("two"), rotate("three")],
});
