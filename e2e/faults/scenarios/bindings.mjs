// A secret bound to a credential in a scope, bound again to another, and unbound, as `bind` and `unbind`
// do it: the documents and the entries that tell of them in one change each.
import { value } from "../vault-subject.mjs";

export { vaultSubject as subject } from "../vault-subject.mjs";

const binding = (credential) => ({ scope: "CANARY-7f3a9c", provider: "openai", credential });

const bind = (id, credential) => ({
  name: `bind ${id} to ${credential}`,
  run: (world) =>
    world.change(async (tx) => {
      await tx.putDocument("binding", id, binding(credential));
      await world.vault.audit.append({ kind: "binding.changed", id });
    }),
});

const unbind = (id) => ({
  name: `unbind ${id}`,
  run: (world) =>
    world.change(async (tx) => {
      await tx.deleteDocument("binding", id);
      await world.vault.audit.append({ kind: "binding.deleted", id });
    }),
});

export const scenario = () => ({
  async setup(world) {
    await world.change((tx) => tx.createSecret({ name: "A_KEY", value: value("one") }));
    await world.change((tx) => tx.putDocument("credential", "work", { secret: "A_KEY" }));
    await bind("global", "home").run(world);
  },
  steps: [bind("workspace:w", "work"), bind("global", "work"), unbind("workspace:w")],
});
