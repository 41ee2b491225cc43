// Secrets created, beside one that is there.
import { value } from "../vault-subject.mjs";

export { vaultSubject as subject } from "../vault-subject.mjs";

const create = (name, more = {}) => ({
  name: `create ${name}`,
  run: (world) => world.change((tx) => tx.createSecret({ name, value: value(name), ...more })),
});

export const scenario = () => ({
  setup: (world) => create("OLD_KEY").run(world),
  steps: [
    create("FIRST_KEY"),
    create("SECOND_KEY", { aliases: ["ALSO_SECOND"], pinnedProvider: "openai" }),
  ],
});
