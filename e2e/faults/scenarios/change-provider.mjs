// The key of the vault replaced by one that another provider holds: another key file, or with
// `change-provider:env` a variable that the operator sets, which may come later than the change.
import path from "node:path";
import { environmentKey, value } from "../vault-subject.mjs";

export { vaultSubject as subject } from "../vault-subject.mjs";

const toFile = {
  name: "change to another key file",
  run(world) {
    const file = path.join(path.dirname(world.keyProvider.config.path), "second.key");
    return world.vault.rotateMaster({ provider: world.core.fileKeyProvider(file) });
  },
};

const toEnvironment = {
  name: "change to a variable",
  run(world) {
    const provider = world.core.environmentKeyProvider("FAULTS_KEK", {});
    return world.vault.rotateMaster({ provider, newKey: new Uint8Array(environmentKey) });
  },
};

export const scenario = (to) => ({
  // Until the variable is seen with the new key in it, both keys open the vault.
  countKeys: to !== "env",
  // A key made for a change that never happened is swept up when that provider is next used.
  mayLeave: /^keys\/\.second\.key\./,
  setup: (world) => world.change((tx) => tx.createSecret({ name: "A_KEY", value: value("one") })),
  steps: [to === "env" ? toEnvironment : toFile],
});
