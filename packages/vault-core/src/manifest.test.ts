import { describe, expect, it } from "vitest";
import { encodeBase64, encodeHex, encodeUtf8 } from "./bytes.ts";
import { canonicalJson, encodeJsonFile } from "./json.ts";
import { KeyRing } from "./key-ring.ts";
import {
  COLLECTIONS,
  HEAD_FILE,
  loadManifest,
  type ManifestRoot,
  ManifestTree,
  ROOT_FILE,
  ShardCache,
  serializeManifest,
  shardFile,
} from "./manifest.ts";
import { MemoryStore } from "./memory-store.ts";
import { systemRandom } from "./node/index.ts";
import { sha256 } from "./sha256.ts";
import type { StoredRecord } from "./store.ts";

const VAULT = "00112233445566778899aabbccddeeff";
const ring = KeyRing.create(VAULT, systemRandom, 1);
const root: ManifestRoot = {
  version: 1,
  vaultId: VAULT,
  revision: 7,
  updatedAtMs: 1,
  keyId: ring.currentId,
  config: "config-digest",
  collections: {},
  audit: { durability: "written", started: false, firstSeq: 1, previousMac: "" },
  rewrap: null,
};

const tampered = (subject: string, message: string) =>
  expect.objectContaining({
    code: "VAULT_TAMPERED",
    subject,
    message: expect.stringContaining(message),
  });

async function storeOf(files: Record<string, Uint8Array | null>): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const [key, bytes] of Object.entries(files)) await store.commit([{ key, bytes }]);
  return store;
}

/** What a store with this root and this head loads as. */
async function load(
  rootBytes: Uint8Array | null,
  headBytes: Uint8Array | null,
  { keys = ring, vaultId = VAULT, config = "config-digest" } = {},
) {
  const store = await storeOf({ [ROOT_FILE]: rootBytes, [HEAD_FILE]: headBytes });
  return loadManifest(store, keys, vaultId, config);
}

/** A file with a member changed and its MAC computed anew, as only the vault can. */
function resigned(
  bytes: Uint8Array,
  purpose: "manifestRoot" | "manifestHead",
  changes: object,
): Uint8Array {
  const { mac: _mac, ...rest } = JSON.parse(new TextDecoder().decode(bytes));
  const changed = { ...rest, ...changes };
  const mac = ring.current[purpose].compute([encodeUtf8(canonicalJson(changed))]);
  return encodeJsonFile({ ...changed, mac: encodeBase64(mac) });
}

const changed = (bytes: Uint8Array, changes: object): Uint8Array =>
  encodeJsonFile({ ...JSON.parse(new TextDecoder().decode(bytes)), ...changes });

describe("loadManifest", () => {
  const written = serializeManifest(root, ring);
  const older = serializeManifest({ ...root, revision: 6 }, ring);
  const twin = serializeManifest({ ...root, updatedAtMs: 2 }, ring);

  it("reads the root that was written, with the revisions that the next commit expects", async () => {
    const loaded = await load(written.root, written.head);
    expect(loaded).toEqual({ root, rootRevision: "1", headRevision: "2" });
  });

  it("G11: says which of root and head is missing", async () => {
    await expect(load(null, written.head)).rejects.toEqual(tampered(ROOT_FILE, "is missing"));
    await expect(load(written.root, null)).rejects.toEqual(tampered(HEAD_FILE, "is missing"));
  });

  it("G11: says which of them was put back from an older copy", async () => {
    await expect(load(older.root, written.head)).rejects.toEqual(
      tampered(ROOT_FILE, "was put back from revision 6, the vault is at 7; restore it"),
    );
    await expect(load(written.root, older.head)).rejects.toEqual(
      tampered(HEAD_FILE, "was put back from revision 6, the vault is at 7; restore it"),
    );
  });

  it("G11: refuses another root of the same revision", async () => {
    await expect(load(twin.root, written.head)).rejects.toEqual(
      tampered(ROOT_FILE, "is not the one its head names"),
    );
  });

  it("G11: refuses a vault.json that belongs to another revision", async () => {
    await expect(load(written.root, written.head, { config: "other" })).rejects.toEqual(
      tampered("vault.json", "is not the one that belongs to this revision"),
    );
  });

  it("G11: refuses what was sealed under a vault key that is no longer the current one", async () => {
    const next = ring.withNewVaultKey(systemRandom, 2);
    await expect(load(written.root, written.head, { keys: next })).rejects.toEqual(
      tampered("vault.json", "names another current key"),
    );
  });

  it("G11: believes neither without a right MAC", async () => {
    const wrong = [
      { revision: 8 },
      { extra: 1 },
      { mac: encodeBase64(new Uint8Array(32)) },
      { mac: "?" },
      { mac: [JSON.parse(new TextDecoder().decode(written.root)).mac] },
      { mac: [JSON.parse(new TextDecoder().decode(written.head)).mac] },
      { mac: undefined },
      { mac: 1 },
      { keyId: "00".repeat(16) },
      { keyId: undefined },
    ];
    for (const changes of wrong) {
      await expect(load(changed(written.root, changes), written.head)).rejects.toEqual(
        tampered(ROOT_FILE, "does not authenticate"),
      );
      await expect(load(written.root, changed(written.head, changes))).rejects.toEqual(
        tampered(HEAD_FILE, "does not authenticate"),
      );
    }
    const other = KeyRing.create(VAULT, systemRandom, 1);
    await expect(load(written.root, written.head, { keys: other })).rejects.toEqual(
      tampered(ROOT_FILE, "does not authenticate"),
    );
  });

  it("G11: does not take the one for the other", async () => {
    await expect(load(written.head, written.head)).rejects.toEqual(
      tampered(ROOT_FILE, "does not authenticate"),
    );
    await expect(load(written.root, written.root)).rejects.toEqual(
      tampered(HEAD_FILE, "does not authenticate"),
    );
  });

  it("G11: refuses those of another vault that has the same keys", async () => {
    const refused = (subject: string) => tampered(subject, "belongs to another vault");
    const strange = { vaultId: "ff".repeat(16) };
    await expect(
      load(resigned(written.root, "manifestRoot", strange), written.head),
    ).rejects.toEqual(refused(ROOT_FILE));
    await expect(
      load(written.root, resigned(written.head, "manifestHead", strange)),
    ).rejects.toEqual(refused(HEAD_FILE));
  });

  it("G11: refuses what is damaged or cut short", async () => {
    for (const text of ["", "{", "[]\n", "null\n"]) {
      await expect(load(encodeUtf8(text), written.head)).rejects.toEqual(
        tampered(ROOT_FILE, "is damaged or truncated"),
      );
      await expect(load(written.root, encodeUtf8(text))).rejects.toEqual(
        tampered(HEAD_FILE, "is damaged or truncated"),
      );
    }
  });
});

/** A tree in a store, to which changes are committed as a vault does. */
class Trial {
  readonly store = new MemoryStore();
  cache = new ShardCache();
  root: ManifestRoot = root;
  tree = new ManifestTree(this.store, this.root, this.cache);
  changes: readonly { key: string; bytes: Uint8Array | null }[] = [];

  async edit(change: (edit: ReturnType<ManifestTree["edit"]>) => Promise<void>): Promise<void> {
    const edit = this.tree.edit();
    await change(edit);
    const { changes, collections } = edit.finish();
    this.changes = changes;
    await this.store.commit(changes);
    this.root = { ...this.root, collections };
    this.tree = this.tree.withRoot(this.root);
  }

  /** The same from the store alone. */
  reread(): ManifestTree {
    return new ManifestTree(this.store, this.root, new ShardCache());
  }

  files(): Promise<readonly string[]> {
    return this.store.list("").then(({ items }) => items);
  }
}

async function filled(count: number): Promise<Trial> {
  const trial = new Trial();
  await trial.edit(async (edit) => {
    for (let n = 0; n < count; n += 1) await edit.set("secrets", spread(n), `value ${n}`);
  });
  return trial;
}

/** Keys that fall evenly on all shards, in no order. */
const spread = (n: number) => encodeHex(sha256(encodeUtf8(`${n}`)).subarray(0, 16));

describe("ManifestTree", () => {
  it("lists secrets, names and every kind of document", () => {
    expect(COLLECTIONS).toEqual([
      "secrets",
      "names",
      "credential",
      "capability",
      "policy",
      "binding",
      "token",
      "settings",
      "provider",
      "state",
    ]);
    expect([ROOT_FILE, HEAD_FILE]).toEqual(["manifest/root.json", "manifest/head.json"]);
    expect(shardFile("secrets", "")).toBe("manifest/secrets/all.json");
    expect(shardFile("policy", "a0")).toBe("manifest/policy/a0.json");
  });

  it("writes a shard as the JSON of its collection, prefix and entries, in order", async () => {
    const trial = new Trial();
    await trial.edit(async (edit) => {
      await edit.set("policy", "b", "2");
      await edit.set("policy", "a", "1");
    });
    const bytes = (await trial.store.get("manifest/policy/all.json"))?.bytes as Uint8Array;
    expect(new TextDecoder().decode(bytes)).toBe(
      '{"collection":"policy","entries":{"a":"1","b":"2"},"prefix":"","version":1}\n',
    );
    expect(bytes).toEqual(encodeJsonFile(JSON.parse(new TextDecoder().decode(bytes))));
    expect(trial.root.collections).toEqual({
      policy: { depth: 0, count: 2, shards: { "": encodeBase64(sha256(bytes)) } },
    });
  });

  it("has nothing where nothing was put", async () => {
    const { tree } = new Trial();
    expect(tree.collection("names")).toEqual({ depth: 0, count: 0, shards: {} });
    expect(await tree.get("names", "a")).toBeNull();
    expect(tree.peek("names", "a")).toBeNull();
    expect(await tree.shard("names", "")).toEqual(new Map());
    expect(await tree.page("names", "", 10)).toEqual({ entries: [], more: false });
  });

  it("replaces and removes entries, and counts each once", async () => {
    const trial = new Trial();
    await trial.edit(async (edit) => {
      await edit.set("names", "a", "1");
      await edit.set("names", "a", "2");
      await edit.set("names", "b", "3");
      await edit.delete("names", "absent");
      expect(await edit.get("names", "a")).toBe("2");
      expect(await edit.get("names", "absent")).toBeNull();
      expect(await edit.get("secrets", "a")).toBeNull();
    });
    expect(trial.root.collections["names"]?.count).toBe(2);
    await trial.edit(async (edit) => {
      expect(await edit.get("names", "b")).toBe("3");
      await edit.delete("names", "a");
      await edit.delete("names", "a");
      expect(await edit.get("names", "a")).toBeNull();
    });
    expect(trial.root.collections["names"]?.count).toBe(1);
    expect(await trial.reread().get("names", "a")).toBeNull();
    expect(await trial.reread().get("names", "b")).toBe("3");
  });

  it("leaves the collections alone that a change does not touch", async () => {
    const trial = await filled(3);
    const before = trial.root.collections["secrets"];
    await trial.edit((edit) => edit.set("names", "a", "1"));
    expect(trial.root.collections["secrets"]).toEqual(before);
    expect(trial.changes.map(({ key }) => key)).toEqual(["manifest/names/all.json"]);
    expect(await trial.reread().get("secrets", spread(2))).toBe("value 2");
  });

  it("reads a shard once", async () => {
    const trial = await filled(3);
    const tree = trial.reread();
    await tree.get("secrets", spread(0));
    await trial.store.commit([{ key: "manifest/secrets/all.json", bytes: null }]);
    expect(await tree.get("secrets", spread(1))).toBe("value 1");
  });

  it("splits twice in one change without bringing back what the change removed", async () => {
    const trial = await filled(60);
    await trial.edit(async (edit) => {
      await edit.set("secrets", spread(0), "new");
      await edit.delete("secrets", spread(1));
      for (let n = 60; n < 70; n += 1) await edit.set("secrets", spread(n), `value ${n}`);
      await edit.delete("secrets", spread(2));
      await edit.set("secrets", spread(3), "newer");
      for (let n = 70; n < 1030; n += 1) await edit.set("secrets", spread(n), `value ${n}`);
    });
    expect(trial.root.collections["secrets"]).toMatchObject({ depth: 2, count: 1028 });
    const tree = trial.reread();
    const found = await Promise.all([0, 1, 2, 3, 4].map((n) => tree.get("secrets", spread(n))));
    expect(found).toEqual(["new", null, null, "newer", "value 4"]);
    expect(await trial.files()).not.toContain("manifest/secrets/all.json");
  });

  it("shows a change to nobody before it is committed", async () => {
    const trial = await filled(1);
    const edit = trial.tree.edit();
    await edit.set("secrets", spread(0), "new");
    await edit.set("secrets", spread(1), "more");
    expect(await trial.tree.get("secrets", spread(0))).toBe("value 0");
    expect(await trial.tree.get("secrets", spread(1))).toBeNull();
  });

  it("has no file for a shard without entries", async () => {
    const trial = new Trial();
    await trial.edit(async (edit) => {
      await edit.set("names", "a", "1");
      await edit.delete("names", "a");
    });
    expect(trial.changes).toEqual([]);
    expect(trial.root.collections["names"]).toEqual({ depth: 0, count: 0, shards: {} });
    await trial.edit((edit) => edit.set("names", "a", "1"));
    await trial.edit((edit) => edit.delete("names", "a"));
    expect(trial.changes).toEqual([{ key: "manifest/names/all.json", bytes: null }]);
    expect(trial.root.collections["names"]).toEqual({ depth: 0, count: 0, shards: {} });
    expect(await trial.files()).toEqual([]);
  });

  it("splits by the first digit beyond 64 entries, and keeps every entry", async () => {
    const trial = await filled(64);
    expect(trial.root.collections["secrets"]).toMatchObject({ depth: 0, count: 64 });
    expect(await trial.files()).toEqual(["manifest/secrets/all.json"]);
    // An entry that is replaced is none more.
    await trial.edit((edit) => edit.set("secrets", spread(3), "value 3"));
    expect(trial.root.collections["secrets"]?.depth).toBe(0);
    await trial.edit((edit) => edit.set("secrets", spread(64), "value 64"));
    expect(trial.root.collections["secrets"]).toMatchObject({ depth: 1, count: 65 });
    const files = await trial.files();
    expect(files).not.toContain("manifest/secrets/all.json");
    expect(files).toEqual(
      Object.keys(trial.root.collections["secrets"]?.shards ?? {}).map(
        (prefix) => `manifest/secrets/${prefix}.json`,
      ),
    );
    for (let n = 0; n <= 64; n += 1) {
      expect(await trial.reread().get("secrets", spread(n))).toBe(`value ${n}`);
    }
  });

  it("rewrites only the shards of what changed", async () => {
    const trial = await filled(80);
    await trial.edit((edit) => edit.set("secrets", spread(5), "new"));
    expect(trial.changes.map(({ key }) => key)).toEqual([
      `manifest/secrets/${spread(5).slice(0, 1)}.json`,
    ]);
    expect(await trial.reread().get("secrets", spread(6))).toBe("value 6");
  });

  it("splits again beyond 1024 entries, once, in one change and across two", async () => {
    const trial = await filled(1024);
    expect(trial.root.collections["secrets"]).toMatchObject({ depth: 1, count: 1024 });
    await trial.edit(async (edit) => {
      await edit.delete("secrets", spread(0));
      await edit.set("secrets", spread(0), "value 0");
      await edit.set("secrets", spread(1024), "value 1024");
      expect(await edit.get("secrets", spread(77))).toBe("value 77");
      expect(await edit.get("secrets", spread(1024))).toBe("value 1024");
    });
    const { depth, count, shards = {} } = trial.root.collections["secrets"] ?? {};
    expect({ depth, count }).toEqual({ depth: 2, count: 1025 });
    expect(Object.keys(shards).every((prefix) => prefix.length === 2)).toBe(true);
    expect(await trial.files()).toEqual(
      Object.keys(shards)
        .sort()
        .map((prefix) => `manifest/secrets/${prefix}.json`),
    );
    for (let n = 0; n <= 1024; n += 1) {
      expect(await trial.tree.get("secrets", spread(n))).toBe(`value ${n}`);
    }
    // From nothing to two digits in a single change; the tree is the same.
    const other = await filled(1025);
    expect(other.root.collections).toEqual(trial.root.collections);
    expect(await other.files()).toEqual(await trial.files());
    // And it stays so, however many go.
    await other.edit(async (edit) => {
      for (let n = 0; n < 1000; n += 1) await edit.delete("secrets", spread(n));
    });
    expect(other.root.collections["secrets"]).toMatchObject({ depth: 2, count: 25 });
    expect(await other.reread().get("secrets", spread(1010))).toBe("value 1010");
  });

  it.each([3, 100, 1100])("pages through %i entries in order, each once", async (count) => {
    const trial = await filled(count);
    const all = Array.from({ length: count }, (_, n) => spread(n)).sort();
    const tree = trial.reread();
    expect(await tree.page("secrets", "", count)).toMatchObject({ more: false });
    const seen: string[] = [];
    for (let more = true; more; ) {
      const page = await tree.page("secrets", seen.at(-1) ?? "", 97);
      expect(page.entries.length).toBe(Math.min(97, count - seen.length));
      seen.push(...page.entries.map(([key]) => key));
      more = page.more;
      expect(more).toBe(seen.length < count);
    }
    expect(seen).toEqual(all);
    // From a key that is not there, too, and with its value.
    const [first] = (await tree.page("secrets", `${all[0]}0`, 1)).entries;
    expect(first?.[0]).toBe(all[1]);
    expect(first?.[1]).toMatch(/^value \d+$/);
  });

  it("G11: uses no shard that is missing or not the one the root names", async () => {
    const trial = await filled(2);
    const file = "manifest/secrets/all.json";
    const record = (await trial.store.get(file)) as StoredRecord;
    for (const [bytes, message] of [
      [null, "is missing"],
      [encodeUtf8("{}\n"), "was changed"],
      [record.bytes.with(30, 0x40), "was changed"],
    ] as const) {
      await trial.store.commit([{ key: file, bytes }]);
      const tree = trial.reread();
      for (const read of [
        () => tree.get("secrets", spread(0)),
        () => tree.page("secrets", "", 9),
        () => tree.edit().set("secrets", spread(0), "x"),
      ]) {
        await expect(read()).rejects.toEqual(tampered(file, message));
      }
    }
  });

  it("peeks at what was read, and at nothing that an older root lists", async () => {
    const trial = await filled(100);
    const tree = trial.reread();
    expect(tree.peek("secrets", spread(1))).toBeNull();
    await tree.get("secrets", spread(1));
    expect(tree.peek("secrets", spread(1))).toBe("value 1");
    expect(tree.peek("secrets", spread(1).slice(0, 1).padEnd(32, "0"))).toBeNull();
    expect(tree.peek("names", spread(1))).toBeNull();
    const { tree: before } = trial;
    await trial.edit((edit) => edit.set("secrets", spread(1), "new"));
    // What was committed just now is known without reading it.
    expect(trial.tree.peek("secrets", spread(1))).toBe("new");
    expect(before.peek("secrets", spread(1))).toBeNull();
  });
});

describe("ShardCache", () => {
  const entries = (count: number) =>
    new Map(Array.from({ length: count }, (_, n) => [`${n}`, ""] as const));

  it("gives a shard by its key and digest only", () => {
    const cache = new ShardCache();
    const kept = entries(1);
    cache.put("a", "1", kept);
    expect(cache.get("a", "1")).toBe(kept);
    expect(cache.get("a", "2")).toBeNull();
    expect(cache.get("b", "1")).toBeNull();
    // Asking for another digest of it does not lose the one that is there.
    expect(cache.get("a", "1")).toBe(kept);
  });

  it("drops the least recently used beyond its bound, never the newest", () => {
    const cache = new ShardCache(10);
    const held = () => ["a", "b", "c", "d"].filter((key) => cache.get(key, "1") !== null);
    for (const key of ["a", "b"]) cache.put(key, "1", entries(5));
    expect(held()).toEqual(["a", "b"]);
    cache.get("a", "1");
    cache.put("c", "1", entries(1));
    expect(held()).toEqual(["a", "c"]);
    cache.put("d", "1", entries(50));
    expect(held()).toEqual(["d"]);
  });

  it("counts a shard that is replaced once", () => {
    const cache = new ShardCache(10);
    cache.put("a", "1", entries(4));
    for (let n = 0; n < 5; n += 1) cache.put("b", `${n}`, entries(6));
    expect(cache.get("a", "1")).not.toBeNull();
    expect(cache.get("b", "4")).not.toBeNull();
    expect(cache.get("b", "3")).toBeNull();
    cache.put("b", "5", entries(7));
    expect(cache.get("a", "1")).toBeNull();
    cache.put("c", "1", entries(3));
    expect(cache.get("b", "5")).not.toBeNull();
  });

  it("of no entries holds nothing but what was read last", () => {
    const cache = new ShardCache(0);
    cache.put("a", "1", entries(1));
    cache.put("b", "1", entries(1));
    expect(cache.get("a", "1")).toBeNull();
    expect(cache.get("b", "1")).not.toBeNull();
  });
});
