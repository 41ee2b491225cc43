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
import { isVaultError, VaultError } from "./errors.ts";
import { MemoryStore } from "./memory-store.ts";
import { openFileStore, systemRandom } from "./node/index.ts";
import type { Store } from "./store.ts";
import { Vault } from "./vault.ts";

const code = (expected: string) => expect.objectContaining({ code: expected });

const stores: [string, () => Promise<Store>][] = [
  ["MemoryStore", async () => new MemoryStore()],
  ["FileStore", async () => openFileStore(temporaryDirectory())],
];

describe.each(stores)("Vault over %s", (_name, openStore) => {
  it("lends a value to a callback and wipes the buffer afterwards", async () => {
    const vault = await createVault(await openStore());
    const { secretId } = await addSecret(vault, "OPENAI_API_KEY");
    let lent: Uint8Array | null = null;
    const result = await vault.useSecret(secretId, async (value, metadata) => {
      lent = value;
      expect(metadata.name).toBe("OPENAI_API_KEY");
      return new TextDecoder().decode(value);
    });
    expect(result).toBe(CANARY);
    expect(lent).toEqual(new Uint8Array(CANARY.length));
    await vault.close();
  });

  it("finds a secret by name and by alias, in its own scope only", async () => {
    const vault = await createVault(await openStore());
    const scope = { kind: "workspace", workspaceId: "w1" } as const;
    const created = await vault.transaction((tx) =>
      tx.createSecret({ name: "KEY", aliases: ["OLD_KEY"], scope, value: encodeUtf8("v") }),
    );
    expect(await vault.findSecret("KEY", scope)).toEqual(created);
    expect(await vault.findSecret("OLD_KEY", scope)).toEqual(created);
    expect(await vault.findSecret("KEY", { kind: "global" })).toBeNull();
    await vault.close();
  });

  it("refuses a second secret whose name or alias is taken", async () => {
    const vault = await createVault(await openStore());
    const value = encodeUtf8("v");
    await vault.transaction((tx) => tx.createSecret({ name: "A", aliases: ["B"], value }));
    for (const input of [{ name: "A" }, { name: "B" }, { name: "C", aliases: ["A"] }]) {
      await expect(vault.transaction((tx) => tx.createSecret({ ...input, value }))).rejects.toEqual(
        code("VAULT_SECRET_EXISTS"),
      );
    }
    await vault.transaction((tx) =>
      tx.createSecret({ name: "A", value, scope: { kind: "workspace", workspaceId: "w" } }),
    );
    await vault.close();
  });

  it("rotates, deletes and purges, and frees the name of what is deleted", async () => {
    const vault = await createVault(await openStore());
    const { secretId } = await addSecret(vault, "A");
    const rotated = await vault.transaction((tx) => tx.rotateSecret(secretId, encodeUtf8("new")));
    expect(rotated.valueVersion).toBe(2);
    expect(await readSecret(vault, secretId)).toBe("new");
    const deleted = await vault.transaction((tx) => tx.deleteSecret(secretId));
    expect(deleted.deletedAtMs).not.toBeNull();
    await expect(readSecret(vault, secretId)).rejects.toEqual(code("VAULT_SECRET_DELETED"));
    expect(await vault.findSecret("A", { kind: "global" })).toBeNull();
    const again = await addSecret(vault, "A", "other");
    expect(again.secretId).not.toBe(secretId);
    expect((await vault.listSecrets()).items).toEqual([again]);
    expect((await vault.listSecrets({ includeDeleted: true })).items).toHaveLength(2);
    await vault.transaction((tx) => tx.purgeSecret(secretId));
    await expect(vault.getSecret(secretId)).rejects.toEqual(code("VAULT_SECRET_NOT_FOUND"));
    await vault.close();
  });

  it("renames, pins once, attaches and detaches", async () => {
    const vault = await createVault(await openStore());
    const { secretId } = await addSecret(vault, "A");
    const group = { workspaceId: "w", groupId: "g" };
    await vault.transaction(async (tx) => {
      await tx.updateSecret(secretId, { name: "B", pinnedProvider: "openai" });
      await tx.attachGroup(secretId, group);
      await tx.attachGroup(secretId, group);
    });
    const metadata = await vault.getSecret(secretId);
    expect(metadata).toMatchObject({
      name: "B",
      pinnedProvider: "openai",
      attachedGroups: [group],
    });
    expect(await readSecret(vault, secretId)).toBe(CANARY);
    await expect(
      vault.transaction((tx) => tx.updateSecret(secretId, { pinnedProvider: "github" })),
    ).rejects.toEqual(code("VAULT_INVALID_INPUT"));
    await vault.transaction((tx) => tx.detachGroup(secretId, group));
    expect((await vault.getSecret(secretId)).attachedGroups).toEqual([]);
    expect(await vault.findSecret("A", { kind: "global" })).toBeNull();
    await vault.close();
  });

  it("keeps documents by revision", async () => {
    const vault = await createVault(await openStore());
    const put = (value: number, expectedRevision?: number | null) =>
      vault.transaction((tx) =>
        tx.putDocument(
          "policy",
          "openai/chat",
          { value },
          expectedRevision === undefined ? {} : { expectedRevision },
        ),
      );
    expect((await put(1, null)).revision).toBe(1);
    await expect(put(2, null)).rejects.toEqual(code("VAULT_REVISION_CONFLICT"));
    expect((await put(2, 1)).revision).toBe(2);
    await expect(put(3, 1)).rejects.toEqual(code("VAULT_REVISION_CONFLICT"));
    expect((await vault.getDocument("policy", "openai/chat"))?.value).toEqual({ value: 2 });
    expect(await vault.getDocument("credential", "openai/chat")).toBeNull();
    expect((await vault.listDocuments("policy")).items).toHaveLength(1);
    expect(await vault.transaction((tx) => tx.deleteDocument("policy", "openai/chat"))).toBe(true);
    expect(await vault.transaction((tx) => tx.deleteDocument("policy", "openai/chat"))).toBe(false);
    await vault.close();
  });

  it("changes nothing when a transaction throws", async () => {
    const vault = await createVault(await openStore());
    const before = vault.status().revision;
    await expect(
      vault.transaction(async (tx) => {
        await tx.createSecret({ name: "A", value: encodeUtf8("v") });
        await tx.putDocument("policy", "p", {});
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    expect(vault.status().revision).toBe(before);
    expect((await vault.listSecrets()).items).toEqual([]);
    await vault.close();
  });

  it("pages through many secrets in id order, each once", async () => {
    const vault = await createVault(await openStore());
    await vault.transaction(async (tx) => {
      for (let index = 0; index < 300; index += 1) {
        await tx.createSecret({ name: `K${index}`, value: encodeUtf8("v") });
      }
    });
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const page = await vault.listSecrets({ limit: 70, ...(after !== undefined && { after }) });
      seen.push(...page.items.map(({ secretId }) => secretId));
      after = page.next ?? undefined;
    } while (after !== undefined);
    expect(seen).toHaveLength(300);
    expect(seen).toEqual([...new Set(seen)].sort());
    expect((await vault.findSecret("K123", { kind: "global" }))?.name).toBe("K123");
    await vault.close();
  });

  it("serves readers while it is being written", async () => {
    const vault = await createVault(await openStore());
    const { secretId } = await addSecret(vault, "A", "v0");
    let reads = 0;
    let writing = true;
    const reader = (async () => {
      while (writing) {
        expect(await readSecret(vault, secretId)).toMatch(/^v\d+$/);
        reads += 1;
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    for (let version = 1; version <= 20; version += 1) {
      await vault.transaction((tx) => tx.rotateSecret(secretId, encodeUtf8(`v${version}`)));
    }
    writing = false;
    await reader;
    expect(reads).toBeGreaterThan(0);
    expect(vault.status().quarantined).toEqual([]);
    await vault.close();
  });

  it("rotates the master key, after which only the new key opens it", async () => {
    const store = await openStore();
    const provider = constantKeyProvider();
    const oldKey = provider.key.slice();
    const vault = await createVault(store, provider);
    const ids: string[] = [];
    for (let index = 0; index < 5; index += 1)
      ids.push((await addSecret(vault, `K${index}`)).secretId);
    await vault.transaction((tx) => tx.putDocument("policy", "p", { a: 1 }));
    const result = await vault.rotateMaster({ provider });
    expect(result).toEqual({ rewrapped: 6, skipped: 0, confirmed: true });
    expect(provider.key).not.toEqual(oldKey);
    vault.lock();
    await expect(
      vault.unlock({ ...constantKeyProvider(), obtainStaged: async () => null }),
    ).rejects.toEqual(code("VAULT_KEY_MISMATCH"));
    await vault.unlock(provider);
    for (const id of ids) expect(await readSecret(vault, id)).toBe(CANARY);
    expect((await vault.getDocument("policy", "p"))?.value).toEqual({ a: 1 });
    expect(await vault.audit.verify()).toMatchObject({ ok: true });
    await vault.close();
  });

  it("G19: a locked vault executes nothing", async () => {
    const vault = await createVault(await openStore());
    const { secretId } = await addSecret(vault, "A");
    vault.lock();
    expect(vault.status().locked).toBe(true);
    const locked = code("VAULT_LOCKED");
    await expect(vault.useSecret(secretId, () => 1)).rejects.toEqual(locked);
    await expect(vault.getSecret(secretId)).rejects.toEqual(locked);
    await expect(vault.findSecret("A", { kind: "global" })).rejects.toEqual(locked);
    await expect(vault.listSecrets()).rejects.toEqual(locked);
    await expect(vault.listDocuments("policy")).rejects.toEqual(locked);
    await expect(vault.transaction(async () => 1)).rejects.toEqual(locked);
    await expect(vault.audit.append({ kind: "x" })).rejects.toEqual(locked);
    await expect(vault.audit.read()).rejects.toEqual(locked);
    await vault.unlock(constantKeyProvider());
    expect(await readSecret(vault, secretId)).toBe(CANARY);
    await vault.close();
  });

  it("refuses a well-formed key of another vault before writing anything", async () => {
    const store = await openStore();
    const vault = await createVault(store);
    vault.lock();
    const before = await store.get("manifest/root.json");
    await expect(vault.unlock(constantKeyProvider(8))).rejects.toEqual(code("VAULT_KEY_MISMATCH"));
    expect(await store.get("manifest/root.json")).toEqual(before);
    expect(vault.status().locked).toBe(true);
    await vault.close();
  });
});

describe("Vault", () => {
  it("opens again after it was closed, with everything in it", async () => {
    const directory = temporaryDirectory();
    let vault = await createVault(await openFileStore(directory));
    const { secretId } = await addSecret(vault, "A");
    await vault.close();
    vault = await openVault(await openFileStore(directory));
    expect(await readSecret(vault, secretId)).toBe(CANARY);
    expect(await vault.audit.verify()).toEqual({ ok: true, entries: 1, gaps: [] });
    await vault.close();
  });

  it("is not there before it is created, and is not created twice", async () => {
    const store = new MemoryStore();
    const options = { store, random: systemRandom, now: handClock() };
    await expect(Vault.open(options)).rejects.toEqual(code("VAULT_NOT_INITIALIZED"));
    await createVault(store);
    await expect(createVault(store)).rejects.toEqual(code("VAULT_ALREADY_INITIALIZED"));
  });

  it("recognises a vault of the earlier aivault", async () => {
    const store = new MemoryStore();
    const legacy = {
      version: 1,
      createdAtMs: 1,
      updatedAtMs: 1,
      provider: { type: "file", path: "/k" },
      kekId: "00",
    };
    await store.commit([{ key: "vault.json", bytes: encodeUtf8(JSON.stringify(legacy, null, 2)) }]);
    const opened = Vault.open({ store, random: systemRandom, now: handClock() });
    await expect(opened).rejects.toEqual(code("VAULT_LEGACY_FORMAT"));
  });

  it("G2: nothing at rest shows a value, a name or a policy", async () => {
    const store = new MemoryStore();
    const vault = await createVault(store);
    await addSecret(vault, "VERY_RECOGNISABLE_NAME");
    await vault.transaction((tx) =>
      tx.putDocument("policy", "recognisable-policy", { host: "recognisable.example" }),
    );
    let seen = "";
    for (const key of (await store.list("")).items) {
      seen += `${key} ${new TextDecoder().decode((await store.get(key))?.bytes)}\n`;
    }
    expect(seen).toContain("vault.json");
    expect(seen).not.toMatch(/canary|recognisable/i);
    expect(seen).not.toContain(Buffer.from(CANARY).toString("base64").slice(4, 24));
  });

  it("G3: no error carries a value", async () => {
    const vault = await createVault(new MemoryStore());
    const value = encodeUtf8(CANARY);
    const attempts = [
      () => vault.transaction((tx) => tx.createSecret({ name: " bad", value })),
      () => vault.transaction((tx) => tx.rotateSecret("nope", value)),
      () => vault.transaction((tx) => tx.createSecret({ name: "x".repeat(200), value })),
      () => vault.useSecret("00000000-0000-4000-8000-000000000000", () => 1),
    ];
    for (const attempt of attempts) {
      const error: unknown = await attempt().catch((thrown: unknown) => thrown);
      expect(isVaultError(error)).toBe(true);
      const text = `${(error as Error).stack} ${JSON.stringify(error)}`;
      expect(text).not.toContain(CANARY);
    }
  });

  it("G23: locking wipes the keys that the vault holds", async () => {
    const held: Uint8Array[] = [];
    const random = (length: number) => {
      const bytes = systemRandom(length);
      held.push(bytes);
      return bytes;
    };
    const provider = constantKeyProvider();
    const kek = provider.key.slice();
    const lent: Uint8Array[] = [];
    provider.create = async () => {
      lent.push(kek);
      return kek;
    };
    const vault = await Vault.create({
      store: new MemoryStore(),
      random,
      now: handClock(),
      keyProvider: provider,
    });
    await addSecret(vault, "A");
    vault.lock();
    // Key-sized randoms are the ring's keys and the DEK; nonces have 24 bytes, ids 16.
    const keys = held.filter(({ length }) => length === 32);
    expect(keys.length).toBeGreaterThanOrEqual(5);
    for (const key of [...keys, ...lent]) expect(key).toEqual(new Uint8Array(32));
  });

  it("W-C2: a record the medium does not give back hides no other, and is not used", async () => {
    let broken = "";
    class Unreadable extends MemoryStore {
      override async get(key: string) {
        if (key !== broken) return super.get(key);
        throw new VaultError("VAULT_STORE_FAILED", "cannot read it (EIO)", { subject: key });
      }
    }
    const store = new Unreadable();
    const vault = await createVault(store);
    const { secretId } = await addSecret(vault, "A");
    await addSecret(vault, "B");
    vault.lock();
    broken = `secrets/${secretId}.json`;
    const again = await openVault(store);
    expect((await again.listSecrets()).items.map(({ name }) => name)).toEqual(["B"]);
    expect(again.status().quarantined).toEqual([broken]);
    await expect(readSecret(again, secretId)).rejects.toEqual(code("VAULT_STORE_FAILED"));
    expect(await again.verify()).toMatchObject({ ok: false, problems: [{ subject: broken }] });
    expect(await again.rotateMaster({ provider: constantKeyProvider(8) })).toMatchObject({
      skipped: 1,
    });
    broken = "";
    expect(await readSecret(again, secretId)).toBe(CANARY);
    expect(again.status().quarantined).toEqual([]);
  });

  it("names the quarantined record and serves the others", async () => {
    const store = new MemoryStore();
    const vault = await createVault(store);
    const bad = await addSecret(vault, "BAD");
    const good = await addSecret(vault, "GOOD");
    await vault.close();
    const key = `secrets/${bad.secretId}.json`;
    await store.commit([{ key, bytes: encodeUtf8("{}\n") }]);
    const reopened = await openVault(store);
    expect((await reopened.listSecrets()).items).toEqual([good]);
    expect(reopened.status().quarantined).toEqual([key]);
    await expect(readSecret(reopened, bad.secretId)).rejects.toMatchObject({
      code: "VAULT_TAMPERED",
      subject: key,
    });
    expect(await readSecret(reopened, good.secretId)).toBe(CANARY);
  });
});
