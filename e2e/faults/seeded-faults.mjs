// Mistakes that somebody could make in the store. Each is a change of the sources' text; `where` lists
// the scenarios and kinds of fault in which the harness must find it, in the order they are tried.

const store = "node/file-store.ts";
const fileSystem = "node/file-system.ts";
const logs = "node/log-files.ts";
const keyFile = "node/key-file.ts";
const backupFile = "node/backup-file.ts";
const nothing = "";

export const seededFaults = [
  {
    name: "new files are not synced",
    patches: [
      {
        file: fileSystem,
        from: "    await attempt(({ file }) => file.sync(), open);\n",
        to: nothing,
      },
    ],
    where: [["create", "power"]],
  },
  {
    name: "directories are not synced",
    patches: [
      {
        file: fileSystem,
        from: '  if (process.platform === "win32") return;\n  const directory',
        to: '  if (process.platform !== "none") return;\n  const directory',
      },
    ],
    where: [["create", "power"]],
  },
  {
    name: "the journal is synced after it has its name",
    patches: [
      {
        file: store,
        from: 'import { rename, unlink } from "node:fs/promises";',
        to: 'import { open, rename, unlink, writeFile } from "node:fs/promises";',
      },
      {
        file: store,
        from: "      await writeNewFile(temporary, bytes);\n      await rename(temporary, path);\n      renamed = true;\n",
        to: `      await writeFile(temporary, bytes, { mode: 0o600, flag: "wx" });
      await rename(temporary, path);
      renamed = true;
      const handle = await open(path, "r");
      await handle.sync();
      await handle.close();
`,
      },
    ],
    where: [["create", "power"]],
  },
  {
    name: "the name of the journal is not synced",
    patches: [
      {
        file: store,
        from: "      renamed = true;\n      await syncDirectory(this.location);\n",
        to: "      renamed = true;\n",
      },
    ],
    where: [
      ["create", "power"],
      ["transaction", "power"],
    ],
  },
  {
    name: "the journal is written in place",
    patches: [
      {
        file: store,
        from: "      await writeNewFile(temporary, bytes);\n      await rename(temporary, path);\n      renamed = true;\n",
        to: "      await unlink(path).catch(() => {});\n      await writeNewFile(path, bytes);\n      renamed = true;\n",
      },
    ],
    where: [["create", "kill"]],
  },
  {
    name: "the journal goes before the records are in place",
    patches: [
      {
        file: store,
        from: "      for (let first = 0; first < changes.length; first += PLACED_AT_ONCE) {\n",
        to: "      await unlink(join(this.location, JOURNAL));\n      for (let first = 0; first < changes.length; first += PLACED_AT_ONCE) {\n",
      },
      {
        file: store,
        from: "map(syncDirectory));\n      await unlink(join(this.location, JOURNAL));\n",
        to: "map(syncDirectory));\n",
      },
    ],
    where: [["create", "stopped"]],
  },
  {
    name: "the journal goes before the directories are synced",
    patches: [
      {
        file: store,
        from: "      await Promise.all([...directories].map(syncDirectory));\n      await unlink(join(this.location, JOURNAL));\n",
        to: "      await unlink(join(this.location, JOURNAL));\n      await Promise.all([...directories].map(syncDirectory));\n",
      },
    ],
    where: [["create", "power"]],
  },
  {
    name: "the journal that a crash left is not applied",
    patches: [
      {
        file: store,
        from: "      this.#loadJournal();\n      await this.#applyPending();\n    } catch",
        to: "    } catch",
      },
    ],
    where: [["create", "stopped"]],
  },
  {
    name: "only the first record of a journal is applied",
    patches: [
      {
        file: store,
        from: "for (const change of changes) {\n      if (!KEY",
        to: "for (const change of changes.slice(0, 1)) {\n      if (!KEY",
      },
    ],
    where: [["create", "stopped"]],
  },
  {
    name: "a failed sync of a file is ignored",
    patches: [
      { file: fileSystem, from: "file.sync(), open);", to: "file.sync().catch(() => {}), open);" },
    ],
    where: [["create", "refused"]],
  },
  {
    name: "the names of temporary files come again, and leftovers stay",
    patches: [
      { file: store, from: "      this.#collectTemporaries();\n", to: nothing },
      {
        file: store,
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of the sources
        from: 'return join(this.#temporary, `${process.pid}-${randomBytes(8).toString("hex")}.tmp`);',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of the sources
        to: "return join(this.#temporary, `${++this.#named}-0000000000000000.tmp`);",
      },
      { file: store, from: "  #suspect = false;\n", to: "  #suspect = false;\n  #named = 0;\n" },
    ],
    where: [["create", "stopped"]],
  },
  {
    name: "leftovers are not collected",
    patches: [{ file: store, from: "      this.#collectTemporaries();\n", to: nothing }],
    where: [["create", "stopped"]],
  },
  {
    name: "temporary files are made elsewhere",
    patches: [
      {
        file: store,
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of the sources
        from: "return join(this.#temporary, `${process.pid}",
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of the sources
        to: "return join(this.location, `.${process.pid}",
      },
    ],
    where: [["create", "stopped"]],
  },
  {
    name: "temporary files are open to others at first",
    patches: [
      {
        file: fileSystem,
        from: "O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);",
        to: "O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);",
      },
      {
        file: fileSystem,
        from: "    await attempt(({ file }) => file.sync(), open);\n",
        to: "    await attempt(({ file }) => file.chmod(0o600), open);\n    await attempt(({ file }) => file.sync(), open);\n",
      },
    ],
    where: [["create", "stopped"]],
  },
  {
    name: "the manifest is committed after the records",
    patches: [
      {
        file: "vault.ts",
        from: "    const committing = this.#store.commit([\n      ...changes,\n",
        to: "    if (changes.length > 0) await this.#store.commit(changes);\n    const committing = this.#store.commit([\n",
      },
    ],
    where: [
      ["create", "stopped"],
      ["rotate", "stopped"],
    ],
  },
  {
    name: "the key file is replaced before the vault depends on the new key",
    patches: [
      {
        file: "vault.ts",
        from: "      await this.#commitFile(session, { slots: [slot, ...keptSlots] }, ring, {",
        to: "      if (staging) await provider.promote?.();\n      await this.#commitFile(session, { slots: [slot, ...keptSlots] }, ring, {",
      },
    ],
    where: [["rotate-master:1", "stopped"]],
  },
  {
    name: "the vault depends on a new key whose name is not synced",
    patches: [
      {
        file: fileSystem,
        from: "  await rename(from, target);\n  await syncDirectory(dirname(target));\n",
        to: "  await rename(from, target);\n",
      },
    ],
    where: [["rotate-master:1", "power"]],
  },
  {
    name: "the staged key is the present one already",
    patches: [
      {
        file: keyFile,
        from: 'await writeKeyFile(next, key, "replace");',
        to: 'await writeKeyFile(file, key, "replace");\n      await writeKeyFile(next, key, "replace");',
      },
    ],
    where: [["rotate-master:1", "stopped"]],
  },
  {
    name: "an audit entry is acknowledged before it is written",
    patches: [
      {
        file: logs,
        from: "    try {\n      let done = 0;\n      while (done < bytes.length) {\n        done += writeSync(log.descriptor, bytes, done, bytes.length - done, offset + done);\n      }\n    } catch (error) {\n      try {",
        to: "    try {\n      setImmediate(() => writeSync(log.descriptor, bytes, 0, bytes.length, offset));\n    } catch (error) {\n      try {",
      },
    ],
    where: [["audit", "stopped"]],
  },
  {
    name: "a flush of the audit log does not sync it",
    patches: [{ file: logs, from: "        await fdatasyncAsync(log.descriptor);\n", to: nothing }],
    where: [["audit", "power"]],
  },
  {
    name: "audit entries are taken for synced once they are written",
    patches: [
      {
        file: logs,
        from: "    log.size = offset + bytes.length;\n",
        to: "    log.size = offset + bytes.length;\n    log.synced = log.size;\n",
      },
    ],
    where: [["audit", "power"]],
  },
  {
    name: "the name of a new audit file is not synced",
    patches: [
      {
        file: logs,
        from: "    this.#directoryDirty = true;\n    const created",
        to: "    const created",
      },
    ],
    where: [["audit-rollover", "power"]],
  },
  {
    name: "a torn last line of the audit log stays",
    patches: [
      {
        file: "audit-log.ts",
        from: "      await this.#store.truncateLog(tail.name, tail.size);\n",
        to: nothing,
      },
    ],
    where: [["audit", "stopped"]],
  },
];

const like = (name) => seededFaults.find((fault) => fault.name === name).patches;

// The same and other mistakes, where other commands must show them.
seededFaults.push(
  {
    name: "the records of one change are committed one by one",
    patches: [
      {
        file: "vault.ts",
        from: "    const committing = this.#store.commit([\n      ...changes,\n",
        to: "    for (const change of changes) await this.#store.commit([change]);\n    const committing = this.#store.commit([\n",
      },
    ],
    where: [["oauth", "stopped"]],
  },
  {
    name: "of a revoked token only the first record is applied",
    patches: like("only the first record of a journal is applied"),
    where: [["tokens", "stopped"]],
  },
  {
    name: "a binding's journal goes before it is in place",
    patches: like("the journal goes before the records are in place"),
    where: [["bindings", "stopped"]],
  },
  {
    name: "a decision is acknowledged before it is written",
    patches: like("an audit entry is acknowledged before it is written"),
    where: [["invocation", "stopped"]],
  },
  {
    name: "a decision that is to be on disk is only written",
    patches: like("audit entries are taken for synced once they are written"),
    where: [["invocation:disk", "power"]],
  },
  {
    name: "a backup has its name before it is whole",
    patches: [
      {
        file: backupFile,
        from: "          await file.close();\n          await giveName(temporary, target, options.overwrite === true);\n",
        to: "          await file.close();\n",
      },
      {
        file: backupFile,
        from: "    const pieces = vault.backup(",
        to: "    await giveName(temporary, target, options.overwrite === true);\n    const pieces = vault.backup(",
      },
    ],
    where: [["backup", "stopped"]],
  },
  {
    name: "a backup is not synced",
    patches: [{ file: backupFile, from: "          await file.sync();\n", to: nothing }],
    where: [["backup", "power"]],
  },
  {
    name: "what a killed backup left stays",
    patches: [
      {
        file: backupFile,
        from: "  collectSiblings(target);\n  const temporary",
        to: "  const temporary",
      },
    ],
    where: [["backup", "stopped"]],
  },
  {
    name: "a backup is restored in place",
    patches: [
      {
        file: backupFile,
        from: 'const staging = temporarySibling(target, "restoring");',
        to: "const staging = target;",
      },
      { file: backupFile, from: "    await takePlace(staging, target);\n", to: nothing },
    ],
    where: [["restore", "stopped"]],
  },
  {
    name: "a restored vault takes its place unasked",
    patches: [
      {
        file: backupFile,
        from: "await requireReplaceable(target, options.overwrite === true);",
        to: "await requireReplaceable(target, true);",
      },
    ],
    where: [["restore:over", "stopped"]],
  },
  {
    name: "the vault that gives way is removed first",
    patches: [
      {
        file: backupFile,
        from: "    await renameDurably(target, replaced);\n",
        to: "    await rm(target, { recursive: true, force: true });\n",
      },
    ],
    where: [["restore:over", "stopped"]],
  },
  {
    name: "the vault that gives way has its new name only in memory",
    patches: [
      {
        file: backupFile,
        from: "import { link, open, rm, unlink } from",
        to: "import { link, open, rename, rm, unlink } from",
      },
      {
        file: backupFile,
        from: "    await renameDurably(target, replaced);\n",
        to: "    await rename(target, replaced);\n",
      },
    ],
    where: [["restore:over", "power"]],
  },
);
