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
import { encodeUtf8 } from "./bytes.ts";
import { DOCUMENT_KINDS } from "./identifiers.ts";
import { MemoryStore } from "./memory-store.ts";
import {
  environmentKeyProvider,
  fileKeyProvider,
  openFileStore,
  systemRandom,
} from "./node/index.ts";
import { type Argon2id, passphraseKeyProvider } from "./passphrase.ts";
import type { StoreChange } from "./store.ts";
import { Vault } from "./vault.ts";

const code = (expected: string) => expect.objectContaining({ code: expected });
const hex = (key: Uint8Array) => Buffer.from(key).toString("hex");
// The derivation itself is tested against published vectors; here its cost would only be waited for.
const quick: Argon2id = async (passphrase, salt) =>
  Uint8Array.from(
    { length: 32 },
    (_, i) => (passphrase[i % passphrase.length] ?? 0) ^ (salt[i % 16] ?? 0),
  );
const withPassphrase = (text: string) =>
  passphraseKeyProvider(encodeUtf8(text), { argon2id: quick });

describe("rotateMaster", () => {
  it("moves from a key file to a passphrase, to another, and back to a file", async () => {
    const store = new MemoryStore();
    const directory = temporaryDirectory();
    const file = fileKeyProvider(join(directory, "a.key"));
    const vault = await createVault(store, file);
    const { secretId } = await addSecret(vault, "A");
    for (const provider of [withPassphrase("one"), withPassphrase("two")]) {
      expect(await vault.rotateMaster({ provider })).toMatchObject({ confirmed: true, skipped: 0 });
      expect(vault.status().keyProvider.kind).toBe("passphrase");
    }
    vault.lock();
    await expect(vault.unlock(file)).rejects.toEqual(code("VAULT_KEY_MISMATCH"));
    await expect(vault.unlock(withPassphrase("one"))).rejects.toEqual(code("VAULT_KEY_MISMATCH"));
    await vault.unlock(withPassphrase("two"));
    const other = fileKeyProvider(join(directory, "b.key"));
    await vault.rotateMaster({ provider: other });
    vault.lock();
    await vault.unlock(other);
    expect(await readSecret(vault, secretId)).toBe(CANARY);
    expect(await vault.verify()).toMatchObject({ ok: true });
  });

  it("G20: keeps every record of every kind, however often, and leaves no old key", async () => {
    const store = new MemoryStore();
    let vault = await createVault(store, withPassphrase("0"));
    const { secretId } = await addSecret(vault, "A");
    // More than one batch of the kinds at both ends: the last batch of all is the one that ends it.
    const documents = DOCUMENT_KINDS.flatMap((kind, index) => {
      const count = index === 0 || index === DOCUMENT_KINDS.length - 1 ? 70 : 1;
      return Array.from({ length: count }, (_, n) => ({ kind, id: `d${n}` }));
    });
    await vault.transaction(async (tx) => {
      for (const { kind, id } of documents) await tx.putDocument(kind, id, { of: `${kind} ${id}` });
    });
    for (const text of ["1", "2", "3"]) {
      const { rewrapped, skipped } = await vault.rotateMaster({ provider: withPassphrase(text) });
      expect({ rewrapped, skipped }).toEqual({ rewrapped: documents.length + 1, skipped: 0 });
      await vault.close();
      vault = await openVault(store, withPassphrase(text));
      for (const { kind, id } of documents) {
        expect((await vault.getDocument(kind, id))?.value).toEqual({ of: `${kind} ${id}` });
      }
      expect(await readSecret(vault, secretId)).toBe(CANARY);
      expect(await vault.verify()).toMatchObject({ ok: true });
    }
  });

  it("accepts the old key of an environment variable until the new one was used", async () => {
    const store = new MemoryStore();
    const [oldKey, newKey] = [systemRandom(32), Buffer.from(systemRandom(32))];
    const environment = { KEK: hex(oldKey) };
    const provider = environmentKeyProvider("KEK", environment);
    let vault = await createVault(store, provider);
    const { secretId } = await addSecret(vault, "A");
    expect(await vault.rotateMaster({ provider, newKey })).toMatchObject({ confirmed: false });
    expect(vault.status().previousKeyProvider).toEqual({ kind: "env", variable: "KEK" });
    await vault.close();
    vault = await openVault(store, provider);
    expect(await readSecret(vault, secretId)).toBe(CANARY);
    await vault.close();
    environment.KEK = hex(newKey);
    vault = await openVault(store, provider);
    expect(vault.status().previousKeyProvider).toBeNull();
    expect(await readSecret(vault, secretId)).toBe(CANARY);
    vault.lock();
    environment.KEK = hex(oldKey);
    await expect(vault.unlock(provider)).rejects.toEqual(code("VAULT_KEY_MISMATCH"));
  });

  it("refuses the key that the vault has already", async () => {
    const provider = constantKeyProvider();
    const vault = await createVault(new MemoryStore(), provider);
    const again = vault.rotateMaster({ provider, newKey: provider.key });
    await expect(again).rejects.toEqual(code("VAULT_INVALID_INPUT"));
  });

  it("keeps the old key for a record that cannot be opened, and lets go of it later", async () => {
    const store = new MemoryStore();
    const provider = constantKeyProvider();
    const vault = await createVault(store, provider);
    const { secretId } = await addSecret(vault, "A");
    await addSecret(vault, "B");
    const key = `secrets/${secretId}.json`;
    const good = await store.get(key);
    await store.commit([{ key, bytes: encodeUtf8("{}\n") }]);
    vault.lock();
    await vault.unlock(provider);
    expect(await vault.rotateMaster({ provider })).toMatchObject({ rewrapped: 1, skipped: 1 });
    expect(vault.status().quarantined).toEqual([key]);
    await store.commit([{ key, bytes: good?.bytes ?? null }]);
    vault.lock();
    await vault.unlock(provider);
    expect(await readSecret(vault, secretId)).toBe(CANARY);
    expect((await store.get("vault.json"))?.bytes.length).toBeLessThan(900);
    expect(await vault.verify()).toMatchObject({ ok: true, secrets: 2 });
  });

  it("G20: cut off at any commit it goes on at the next unlock, and one key opens the vault", async () => {
    class Cut extends MemoryStore {
      left = Number.POSITIVE_INFINITY;
      override async commit(changes: readonly StoreChange[]) {
        if (this.left <= 0) throw new Error("cut off");
        this.left -= 1;
        return super.commit(changes);
      }
    }
    let completed = false;
    for (let commits = 0; !completed; commits += 1) {
      const store = new Cut();
      const provider = constantKeyProvider();
      const vault = await createVault(store, provider);
      await vault.transaction(async (tx) => {
        for (let index = 0; index < 130; index += 1) {
          await tx.createSecret({ name: `K${index}`, value: encodeUtf8(`v${index}`) });
        }
        await tx.putDocument("policy", "p", {});
      });
      store.left = commits;
      completed = await vault.rotateMaster({ provider }).then(
        () => true,
        () => false,
      );
      vault.lock();
      store.left = Number.POSITIVE_INFINITY;
      const again = await openVault(store, provider);
      expect(await again.verify()).toMatchObject({ ok: true, secrets: 130, documents: 1 });
      expect(again.status().previousKeyProvider).toBeNull();
      expect(await provider.obtainStaged?.()).toSatisfy((key) => commits === 0 || key === null);
    }
  }, 180_000);

  it("leaves reading undisturbed", async () => {
    const provider = constantKeyProvider();
    const vault = await createVault(await openFileStore(temporaryDirectory()), provider);
    const ids: string[] = [];
    await vault.transaction(async (tx) => {
      for (let index = 0; index < 100; index += 1) {
        const { secretId } = await tx.createSecret({
          name: `K${index}`,
          value: encodeUtf8(CANARY),
        });
        ids.push(secretId);
      }
    });
    let rotating = true;
    const rotation = vault.rotateMaster({ provider }).finally(() => {
      rotating = false;
    });
    let reads = 0;
    while (rotating) {
      expect(await readSecret(vault, ids[reads % ids.length] as string)).toBe(CANARY);
      reads += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await rotation;
    expect(reads).toBeGreaterThan(20);
    expect(vault.status().quarantined).toEqual([]);
    await vault.close();
  });
});

describe("passphraseKeyProvider", () => {
  it("stores its costs, refuses weak ones, and says when the vault has no passphrase", async () => {
    const store = new MemoryStore();
    await createVault(store, withPassphrase("correct horse"));
    const vault = await Vault.open({ store, random: systemRandom, now: handClock() });
    expect(vault.status().keyProvider).toMatchObject({
      kind: "passphrase",
      argon2id: { memoryKib: 65_536, passes: 3, lanes: 1 },
    });
    await expect(vault.unlock(withPassphrase("wrong"))).rejects.toEqual(code("VAULT_KEY_MISMATCH"));
    await vault.unlock(withPassphrase("correct horse"));
    const weak = passphraseKeyProvider(encodeUtf8("x"), {
      costs: { memoryKib: 1024, passes: 3, lanes: 1 },
      argon2id: quick,
    });
    await expect(createVault(new MemoryStore(), weak)).rejects.toEqual(
      code("VAULT_KEY_UNAVAILABLE"),
    );
    const other = new MemoryStore();
    await createVault(other);
    await expect(openVault(other, withPassphrase("x"))).rejects.toEqual(code("VAULT_KEY_MISMATCH"));
  });

  it("derives with Argon2id of 64 MiB unless told otherwise", async () => {
    const provider = passphraseKeyProvider(encodeUtf8("passphrase"));
    const key = await provider.create((length) => new Uint8Array(length).fill(1));
    expect(await provider.obtain(provider.config)).toEqual(key);
    expect(key).toHaveLength(32);
  }, 180_000);
});
