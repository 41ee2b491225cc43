// A backup that is restored: before, there is no vault, or another; after, the restored one, and the
// other beside it under the name it was given. Whatever stops it, one of them is there and whole (G20).
import fs from "node:fs";
import path from "node:path";
import { backupKey } from "./backup-key.mjs";
import {
  describe,
  files,
  inspectFiles,
  newWorld,
  value,
  vaultDirectory,
} from "./vault-subject.mjs";

const backupFile = (root) => path.join(root, "vault.backup");
const isThere = (directory) => fs.existsSync(directory) && fs.readdirSync(directory).length > 0;

async function restore({ root, scenario }, overwrite = scenario.over) {
  const world = await newWorld(root, scenario, "restore", { directory: null });
  const { core } = world;
  const told = path.dirname(path.dirname(world.keyProvider.config.path));
  const keyProvider = scenario.within
    ? core.fileKeyProvider(path.join(told, "vault", "keys", "kek.key"))
    : world.keyProvider;
  const options = { ...backupKey(), keyProvider, overwrite };
  await core.restoreBackupFile(backupFile(root), vaultDirectory(root), options);
}

// What the vault in a directory holds; null for none. `look` sees it open.
async function contents({ root, scenario }, directory, look) {
  if (!isThere(directory)) return null;
  const world = await newWorld(root, scenario, "look", { dayOffset: 2, directory });
  try {
    await world.open();
    await look?.(world.vault);
    return await describe(world);
  } finally {
    await world.close();
  }
}

// The vault, and those that had to give way to it. One that was moved, with nothing in its place yet, is
// the vault: an operator who is told so moves it back.
async function describeAll(world, look) {
  const { root } = world;
  const moved = fs.readdirSync(root).filter((name) => name.startsWith("vault.replaced-"));
  const others = [];
  for (const name of moved.sort()) others.push(await contents(world, path.join(root, name)));
  const vault = await contents(world, vaultDirectory(root), look);
  if (vault === null && others.length > 0) return { vault: others.pop(), others };
  return { vault, others };
}

async function requireSound(vault, verdict) {
  const { quarantined } = vault.status();
  if (quarantined.length > 0) verdict.problems.push(`quarantined: ${quarantined.join(", ")}`);
  const audit = await vault.audit.verify();
  if (!audit.ok) verdict.problems.push(`audit: ${audit.problem} at ${audit.firstBrokenSeq}`);
  const { ok, problems } = await vault.verify();
  if (!ok) verdict.problems.push(...problems.map((one) => `${one.subject}: ${one.problem}`));
}

export const restoreSubject = {
  async create(root, scenario) {
    const world = await newWorld(root, scenario, "create", { dayOffset: -1 });
    await world.init();
    await world.change((tx) => tx.createSecret({ name: "A_KEY", value: value("one") }));
    await world.change((tx) => tx.putDocument("credential", "openai", { secret: "A_KEY" }));
    await world.vault.audit.append({ kind: "test.happened", number: 1 });
    await world.core.createBackupFile(world.vault, backupFile(root), backupKey());
    const id = await world.find("A_KEY");
    await world.change((tx) => tx.rotateSecret(id, value("two")));
    await world.close();
    if (scenario.over) return;
    for (const name of ["vault", "keys"]) fs.rmSync(path.join(root, name), { recursive: true });
  },

  async start(root, scenario) {
    const world = { root, scenario };
    return { ...world, restore: () => restore(world) };
  },

  async stop() {},
  describe: (world) => describeAll(world),

  async recover(root, scenario) {
    await contents({ root, scenario }, vaultDirectory(root));
  },

  async judge(root, scenario, verdict) {
    const world = { root, scenario };
    inspectFiles(root, verdict);
    const found = await describeAll(world, (vault) => requireSound(vault, verdict));
    if (!verdict.found(found)) return;
    // Nothing is overwritten by someone who did not say so.
    if (isThere(vaultDirectory(root))) {
      const refusal = await restore(world, false).then(
        () => null,
        (error) => error.code,
      );
      if (refusal !== "VAULT_ALREADY_INITIALIZED") {
        verdict.problems.push(`restoring over a vault unasked: ${refusal ?? "it did"}`);
      }
      if (JSON.stringify(await describeAll(world)) !== JSON.stringify(found)) {
        verdict.problems.push("a restore that was refused changed something");
      }
    }
    // What was interrupted can be done again, and takes away what it left.
    await restore(world, true);
    const look = (one) => requireSound(one, verdict);
    const vault = await contents(world, vaultDirectory(root), look);
    if (JSON.stringify(vault) !== JSON.stringify(scenario.restored(verdict))) {
      verdict.problems.push("restoring again does not bring back what was backed up");
    }
    inspectFiles(root, verdict);
    for (const { full } of files(root)) {
      const name = path.relative(root, full);
      if (/\.tmp$|\.restoring$|\.next$/.test(name)) verdict.problems.push(`${name} is still there`);
    }
  },
};
