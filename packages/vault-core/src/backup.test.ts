import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  addSecret,
  CANARY,
  constantKeyProvider,
  createVault,
  handClock,
  openVault,
  readSecret,
  temporaryDirectory,
} from "../test/support.ts";
import { restoreBackup, verifyBackup } from "./backup.ts";
import { concatBytes, encodeUtf8 } from "./bytes.ts";
import { MemoryStore } from "./memory-store.ts";
import {
  createBackupFile,
  fileKeyProvider,
  openFileStore,
  restoreBackupFile,
  systemRandom,
  verifyBackupFile,
} from "./node/index.ts";
import type { Argon2id } from "./passphrase.ts";
import { sha256 } from "./sha256.ts";
import type { Vault } from "./vault.ts";

const code = (expected: string) => expect.objectContaining({ code: expected });
const passphrase = encodeUtf8("correct horse battery staple");
/** Stands in for a second of Argon2id where thousands of backups are opened. */
const quick: Argon2id = async (text, salt) => sha256(concatBytes(text, salt));
const key = { passphrase, argon2id: quick };
const effects = { random: systemRandom, now: handClock() };

async function collect(vault: Vault): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of vault.backup(key)) pieces.push(piece);
  return concatBytes(...pieces);
}

async function* inPieces(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function filled(secrets = 3) {
  const store = new MemoryStore();
  const vault = await createVault(store);
  const ids: string[] = [];
  for (let index = 0; index < secrets; index += 1) {
    ids.push((await addSecret(vault, `KEY_${index}`, `${CANARY}-${index}`)).secretId);
  }
  await vault.transaction((tx) => tx.putDocument("policy", "p", { allow: ["a"] }));
  await vault.audit.append({ kind: "test" });
  return { store, vault, ids };
}

describe("backup", () => {
  it("is restored under another key with everything in it, and the log verifies", async () => {
    const { vault, ids } = await filled(70);
    const bytes = await collect(vault);
    expect(await verifyBackup(inPieces(bytes), key)).toMatchObject({
      vaultId: vault.status().vaultId,
      records: 71,
      lastSeq: 2,
      skipped: [],
      auditProblem: null,
    });
    const store = new MemoryStore();
    const keyProvider = constantKeyProvider(99);
    await restoreBackup(inPieces(bytes), { ...key, ...effects, store, keyProvider });
    await expect(openVault(store)).rejects.toEqual(code("VAULT_KEY_MISMATCH"));
    const restored = await openVault(store, keyProvider);
    expect(await readSecret(restored, ids[1] as string)).toBe(`${CANARY}-1`);
    expect((await restored.getDocument("policy", "p"))?.value).toEqual({ allow: ["a"] });
    expect(await restored.verify()).toMatchObject({ ok: true, secrets: 70, documents: 1 });
    expect(await restored.audit.verify()).toEqual({ ok: true, entries: 2, gaps: [] });
    expect((await restored.audit.append({ kind: "more" })).seq).toBe(3);
    expect(restored.status().vaultId).toBe(vault.status().vaultId);
  });

  it("G2: holds no value in clear", async () => {
    const { vault } = await filled();
    const text = Buffer.from(await collect(vault)).toString("latin1");
    expect(text).not.toContain(CANARY);
    expect(text).not.toContain("KEY_1");
  });

  it("G11: a change of any byte, any truncation and anything added is found", async () => {
    const { vault } = await filled(1);
    const bytes = await collect(vault);
    const damaged = expect.objectContaining({ name: "VaultError" });
    let found = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = bytes.slice();
      changed[at] = (changed[at] as number) ^ (1 << (at % 8));
      await expect(verifyBackup(inPieces(changed, 1 << 16), key)).rejects.toEqual(damaged);
      found += 1;
    }
    for (let length = 0; length < bytes.length; length += 7) {
      const cut = verifyBackup(inPieces(bytes.subarray(0, length), 1 << 16), key);
      await expect(cut).rejects.toEqual(damaged);
      found += 1;
    }
    const longer = verifyBackup(inPieces(concatBytes(bytes, Uint8Array.of(0))), key);
    await expect(longer).rejects.toEqual(damaged);
    process.stderr.write(`backup: ${found} damages, all found\n`);
  }, 180_000);

  it("G11: parts cannot be left out, repeated or swapped", async () => {
    const { vault } = await filled();
    await vault.transaction((tx) =>
      tx.createSecret({ name: "BIG", value: new Uint8Array(300_000).fill(65) }),
    );
    const pieces: Uint8Array[] = [];
    for await (const piece of vault.backup(key)) pieces.push(piece);
    expect(pieces.length).toBeGreaterThan(5);
    const [header, a, b, ...rest] = pieces as [Uint8Array, Uint8Array, Uint8Array];
    for (const order of [
      [header, b, a, ...rest],
      [header, a, ...rest],
      [header, a, a, b, ...rest],
    ]) {
      const bad = verifyBackup(inPieces(concatBytes(...order)), key);
      await expect(bad).rejects.toEqual(code("VAULT_OPEN_FAILED"));
    }
  });

  it("refuses another passphrase, and costs that would exhaust the machine", async () => {
    const { vault } = await filled(1);
    const bytes = await collect(vault);
    const wrong = { ...key, passphrase: encodeUtf8("wrong") };
    await expect(verifyBackup(inPieces(bytes), wrong)).rejects.toEqual(code("VAULT_OPEN_FAILED"));
    const text = Buffer.from(bytes)
      .toString("latin1")
      .replace('"memoryKib":65536', '"memoryKib":99999');
    const costly = Buffer.from(text.replace("99999", "00001"), "latin1");
    await expect(verifyBackup(inPieces(costly), key)).rejects.toThrow();
  });

  it("leaves a store alone that is not empty, and makes no vault of a damaged backup", async () => {
    const { vault, store } = await filled(1);
    const bytes = await collect(vault);
    const keyProvider = constantKeyProvider(9);
    const onto = restoreBackup(inPieces(bytes), { ...key, ...effects, store, keyProvider });
    await expect(onto).rejects.toEqual(code("VAULT_ALREADY_INITIALIZED"));
    const empty = new MemoryStore();
    const cut = inPieces(bytes.subarray(0, -1));
    const options = { ...key, ...effects, store: empty, keyProvider };
    await expect(restoreBackup(cut, options)).rejects.toEqual(code("VAULT_OPEN_FAILED"));
    expect(await empty.get("vault.json")).toBeNull();
  });

  it("holds changes back only until it is read or given up", async () => {
    const { vault } = await filled(1);
    const pieces = vault.backup(key);
    await pieces.next();
    let changed = false;
    const change = addSecret(vault, "LATER").then(() => {
      changed = true;
    });
    await vault.audit.append({ kind: "meanwhile" });
    expect(changed).toBe(false);
    await pieces.return(undefined as never);
    await change;
    vault.lock();
    await expect(vault.backup(key).next()).rejects.toEqual(code("VAULT_LOCKED"));
  });

  it("leaves a damaged record out and names it", async () => {
    const { vault, store, ids } = await filled(2);
    await store.commit([{ key: `secrets/${ids[0]}.json`, bytes: encodeUtf8("{}\n") }]);
    const bytes = await collect(vault);
    const summary = await verifyBackup(inPieces(bytes), key);
    expect(summary).toMatchObject({ records: 2, skipped: [`secrets/${ids[0]}.json`] });
  });
});

/** Changes a byte in the middle of the only day of a log. */
async function damageLog(store: MemoryStore): Promise<void> {
  const [{ name, size }] = (await store.listLogs()) as [{ name: string; size: number }];
  const bytes = await store.readLog(name, 0, size);
  bytes[30] = (bytes[30] as number) ^ 1;
  await store.truncateLog(name, 0);
  store.appendLog(name, 0, bytes, "written");
}

describe("the audit log in a backup", () => {
  it("G18: is restored as it was when it was damaged already, and that is said", async () => {
    const { vault, store, ids } = await filled(1);
    await damageLog(store);
    const file = join(temporaryDirectory(), "backup");
    writeFileSync(file, await collect(vault));
    expect(await verifyBackupFile(file, key)).toMatchObject({
      auditProblem: expect.stringContaining(".jsonl"),
    });
    const keyProvider = constantKeyProvider(8);
    const summary = await restoreBackupFile(file, `${file}.d`, { ...key, keyProvider });
    expect(summary.auditProblem).not.toBeNull();
    const restored = await openVault(await openFileStore(`${file}.d`), keyProvider);
    expect(await readSecret(restored, ids[0] as string)).toBe(`${CANARY}-0`);
    expect(await restored.audit.verify()).toMatchObject({ ok: false });
    await restored.close();
  });

  it("G18: is not restored when it was sound and is not any more", async () => {
    const { vault, store } = await filled(1);
    const pieces = [];
    for await (const piece of vault.backup(key)) {
      if (pieces.push(piece) === 1) await damageLog(store);
    }
    const file = join(temporaryDirectory(), "backup");
    writeFileSync(file, concatBytes(...pieces));
    expect(await verifyBackupFile(file, key)).toMatchObject({ auditProblem: null });
    const keyProvider = constantKeyProvider(8);
    const restore = restoreBackupFile(file, `${file}.d`, { ...key, keyProvider });
    await expect(restore).rejects.toEqual(code("VAULT_TAMPERED"));
    expect(existsSync(`${file}.d`)).toBe(false);
  });
});

describe("backup files", () => {
  it("are made whole, restored beside, and never put over anything unasked", async () => {
    const directory = temporaryDirectory();
    const place = (name: string) => join(directory, name);
    const file = place("vault.backup");
    const vault = await createVault(
      await openFileStore(place("a")),
      fileKeyProvider(place("a.key")),
    );
    const { secretId } = await addSecret(vault, "KEY");
    await createBackupFile(vault, file, { passphrase });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const again = createBackupFile(vault, file, key);
    await expect(again).rejects.toEqual(code("VAULT_ALREADY_INITIALIZED"));
    expect(await verifyBackupFile(file, { passphrase })).toMatchObject({ records: 1 });
    await createBackupFile(vault, file, { ...key, overwrite: true });

    const keyProvider = fileKeyProvider(place("b.key"));
    await restoreBackupFile(file, place("b"), { ...key, keyProvider });
    const onto = restoreBackupFile(file, place("b"), { ...key, keyProvider });
    await expect(onto).rejects.toEqual(code("VAULT_ALREADY_INITIALIZED"));
    const busy = restoreBackupFile(file, place("a"), { ...key, keyProvider, overwrite: true });
    await expect(busy).rejects.toEqual(code("VAULT_BUSY"));
    await restoreBackupFile(file, place("b"), { ...key, keyProvider, overwrite: true });
    const restored = await openVault(await openFileStore(place("b")), keyProvider);
    expect(await readSecret(restored, secretId)).toBe(CANARY);
    expect(await restored.audit.verify()).toMatchObject({ ok: true });
    await restored.close();
    await vault.close();

    writeFileSync(file, readFileSync(file).subarray(0, -9));
    const damaged = restoreBackupFile(file, place("c"), { ...key, keyProvider });
    await expect(damaged).rejects.toEqual(code("VAULT_OPEN_FAILED"));
    expect(existsSync(place("c"))).toBe(false);
    const names = readdirSync(directory).map((name) => name.replace(/replaced-\d+/, "replaced"));
    expect(names.sort()).toEqual(["a", "a.key", "b", "b.key", "b.replaced", "vault.backup"]);
  }, 180_000);
});
