// A backup made of a vault that is in use, and made again in place of the first. What it holds is seen by
// restoring it elsewhere.
import fs from "node:fs";
import path from "node:path";
import { backupKey } from "../backup-key.mjs";
import { describe, fixedProvider, value } from "../vault-subject.mjs";

export { vaultSubject as subject } from "../vault-subject.mjs";

const file = ({ root }) => path.join(root, "backups", "vault.backup");

const backUp = (world, overwrite) =>
  world.core.createBackupFile(world.vault, file(world), { ...backupKey(), overwrite });

// The secrets of the backup, in a vault that is made of it in memory; null for no backup.
async function observe(world) {
  if (!fs.existsSync(file(world))) return null;
  const { core } = world;
  const keyProvider = fixedProvider({ kind: "file", path: "/nowhere" }, Buffer.alloc(32, 7));
  const effects = { store: new core.MemoryStore(), random: core.systemRandom, now: () => 1 };
  await core.restoreBackup(fs.createReadStream(file(world)), {
    ...backupKey(),
    ...effects,
    keyProvider,
  });
  const vault = await core.Vault.open(effects);
  try {
    await vault.unlock(keyProvider);
    return await describe({ vault, scenario: {} });
  } finally {
    await vault.close();
  }
}

export const scenario = () => ({
  observe,
  async setup(world) {
    fs.mkdirSync(path.dirname(file(world)), { mode: 0o700 });
    await world.change((tx) => tx.createSecret({ name: "A_KEY", value: value("one") }));
  },
  steps: [
    { name: "back up", run: (world) => backUp(world, false) },
    {
      name: "rotate",
      run: async (world) => {
        const id = await world.find("A_KEY");
        await world.change((tx) => tx.rotateSecret(id, value("two")));
      },
    },
    { name: "back up again", run: (world) => backUp(world, true) },
  ],
  // The next backup takes away what one that was interrupted has left. What was there is put back,
  // because it is looked at once more.
  async finish(world) {
    const kept = fs.existsSync(file(world)) ? fs.readFileSync(file(world)) : null;
    await backUp(world, true);
    if (kept) fs.writeFileSync(file(world), kept);
    else fs.rmSync(file(world));
  },
});
