import { decodeBase64, decodeUtf8, encodeBase64, encodeUtf8, equalBytes } from "./bytes.ts";
import { VaultError } from "./errors.ts";
import { DOCUMENT_KINDS } from "./identifiers.ts";
import {
  canonicalJson,
  decodeJsonFile,
  encodeJsonFile,
  isJsonObject,
  type JsonValue,
} from "./json.ts";
import type { KeyRing } from "./key-ring.ts";
import { FORMAT_VERSION } from "./labels.ts";
import { sha256 } from "./sha256.ts";
import type { Store, StoreChange } from "./store.ts";

// The manifest says what the vault consists of: a hash tree whose root carries a MAC and a revision
// that only grows. Leaves are the SHA-256 of every record file; shards hold them, spread by the
// first hexadecimal digits of the record's key; the root holds the SHA-256 of every shard.
// G11: a file that was edited, swapped, truncated, removed or put back from an older copy no longer
// matches its leaf, its shard or the root. The head repeats the root's revision and digest in a
// second file, so that an older root alone, or an older head alone, does not fit either.

/** What the manifest lists. `names` maps a keyed digest of scope and name to a secret id. */
export const COLLECTIONS = ["secrets", "names", ...DOCUMENT_KINDS] as const;

/** One of {@link COLLECTIONS}. */
export type Collection = (typeof COLLECTIONS)[number];

/** Where the root of the manifest is. */
export const ROOT_FILE = "manifest/root.json";
/** Where its second witness is. */
export const HEAD_FILE = "manifest/head.json";

// 64 entries of about 90 bytes keep a small vault's writes near 6 KiB; 256 shards of 400 entries
// hold 100,000 secrets in shards of 36 KiB and the root at 15 KiB.
const SPLIT_AT = [64, 1024] as const;
const DEPTH_MAX = SPLIT_AT.length;

/** The shards of one collection. */
export interface CollectionRoot {
  /** Leading hexadecimal digits of a key that choose its shard: 0 (one shard), 1 or 2. */
  readonly depth: number;
  /** Entries in all shards. */
  readonly count: number;
  /** Base64 of the SHA-256 of each shard's file, by prefix; empty shards have no file. */
  readonly shards: { readonly [prefix: string]: string };
}

/** Which part of a rotation is still to do. */
export interface RewrapProgress {
  /** Where to go on; null when every record was visited but the old key could not be retired. */
  readonly collection: Collection | null;
  /** Entries up to this key are done. */
  readonly after: string;
  /** Records that could not be opened and therefore still need the old key. */
  readonly skipped: number;
}

/** The content of manifest/root.json without its MAC. */
export interface ManifestRoot {
  readonly version: 1;
  readonly vaultId: string;
  /** Counts commits from 1. */
  readonly revision: number;
  readonly updatedAtMs: number;
  /** Which vault key the MAC is under. */
  readonly keyId: string;
  /** Base64 of the SHA-256 of vault.json. */
  readonly config: string;
  readonly collections: { readonly [name: string]: CollectionRoot };
  readonly audit: {
    readonly durability: "written" | "disk";
    /** False until the first entry is written. */
    readonly started: boolean;
    /** The first entry that retention has kept, and base64 of the MAC it is chained to. */
    readonly firstSeq: number;
    readonly previousMac: string;
  };
  readonly rewrap: RewrapProgress | null;
}

function damaged(subject: string, problem: string): VaultError {
  return new VaultError("VAULT_TAMPERED", `\`${subject}\` ${problem}; restore it from a backup`, {
    subject,
  });
}

/** The bytes of root.json and of head.json for one revision. */
export function serializeManifest(
  root: ManifestRoot,
  ring: KeyRing,
): { root: Uint8Array; head: Uint8Array } {
  const key = ring.current;
  const rootMac = key.manifestRoot.compute([encodeUtf8(canonicalJson(root))]);
  const rootBytes = encodeJsonFile({ ...root, mac: encodeBase64(rootMac) });
  const head = {
    version: FORMAT_VERSION,
    vaultId: root.vaultId,
    revision: root.revision,
    keyId: key.id,
    root: encodeBase64(sha256(rootBytes)),
  };
  const headMac = key.manifestHead.compute([encodeUtf8(canonicalJson(head))]);
  return { root: rootBytes, head: encodeJsonFile({ ...head, mac: encodeBase64(headMac) }) };
}

/**
 * Reads and checks the root and its head.
 *
 * @param configDigest - Base64 of the SHA-256 of vault.json as it is stored.
 * @returns The root, and the store revisions that the next commit expects.
 * @throws {VaultError} `VAULT_TAMPERED`, naming the file that does not fit.
 */
export async function loadManifest(
  store: Store,
  ring: KeyRing,
  vaultId: string,
  configDigest: string,
): Promise<{ root: ManifestRoot; rootRevision: string; headRevision: string }> {
  const [rootRecord, headRecord] = [await store.get(ROOT_FILE), await store.get(HEAD_FILE)];
  if (rootRecord === null) throw damaged(ROOT_FILE, "is missing");
  if (headRecord === null) throw damaged(HEAD_FILE, "is missing");
  const root = parseAuthenticated(rootRecord.bytes, ROOT_FILE, vaultId, ring, "manifestRoot");
  const head = parseAuthenticated(headRecord.bytes, HEAD_FILE, vaultId, ring, "manifestHead");
  const rootRevision = root["revision"] as number;
  const headRevision = head["revision"] as number;
  if (rootRevision < headRevision) {
    throw damaged(
      ROOT_FILE,
      `was put back from revision ${rootRevision}, the vault is at ${headRevision}`,
    );
  }
  if (headRevision < rootRevision) {
    throw damaged(
      HEAD_FILE,
      `was put back from revision ${headRevision}, the vault is at ${rootRevision}`,
    );
  }
  if (head["root"] !== encodeBase64(sha256(rootRecord.bytes))) {
    throw damaged(ROOT_FILE, "is not the one its head names");
  }
  if (root["config"] !== configDigest) {
    throw damaged("vault.json", "is not the one that belongs to this revision");
  }
  if (root["keyId"] !== ring.currentId) throw damaged("vault.json", "names another current key");
  return {
    root: root as unknown as ManifestRoot,
    rootRevision: rootRecord.revision,
    headRevision: headRecord.revision,
  };
}

function parseAuthenticated(
  bytes: Uint8Array,
  subject: string,
  vaultId: string,
  ring: KeyRing,
  purpose: "manifestRoot" | "manifestHead",
): { readonly [key: string]: JsonValue } {
  const value = decodeJsonFile(bytes);
  if (!isJsonObject(value)) throw damaged(subject, "is damaged or truncated");
  const { mac, ...rest } = value;
  const key = ring.vaultKey(`${rest["keyId"]}`);
  const expected = key?.[purpose].compute([encodeUtf8(canonicalJson(rest))]);
  const actual = typeof mac === "string" ? decodeBase64(mac) : null;
  if (expected === undefined || actual === null || !equalBytes(actual, expected)) {
    throw damaged(subject, "does not authenticate");
  }
  // What carries our MAC was written by this code, for this vault; its shape needs no second proof.
  if (rest["vaultId"] !== vaultId) throw damaged(subject, "belongs to another vault");
  return rest;
}

/** A collection without entries. */
export const EMPTY_COLLECTION: CollectionRoot = { depth: 0, count: 0, shards: {} };

/** The store key of a shard. */
export function shardFile(collection: Collection, prefix: string): string {
  return `manifest/${collection}/${prefix === "" ? "all" : prefix}.json`;
}

type Entries = ReadonlyMap<string, string>;

/**
 * The bytes of a shard, in the form of every JSON file here. Its keys and values are hexadecimal,
 * ids and base64, which JSON writes as they are; a bulk change writes hundreds of shards.
 *
 * @param entries - In key order.
 */
function serializeShard(collection: Collection, prefix: string, entries: Entries): Uint8Array {
  let text = "";
  for (const [key, value] of entries) text += `${text === "" ? "" : ","}"${key}":"${value}"`;
  return encodeUtf8(
    `{"collection":"${collection}","entries":{${text}},"prefix":"${prefix}","version":${FORMAT_VERSION}}\n`,
  );
}

/**
 * Reads the hash tree below a root. Shards are checked against the root's digest as they are read
 * and then kept, the least recently used going first.
 */
export class ManifestTree {
  readonly #store: Store;
  readonly #cache: ShardCache;
  readonly root: ManifestRoot;

  constructor(store: Store, root: ManifestRoot, cache: ShardCache) {
    this.#store = store;
    this.root = root;
    this.#cache = cache;
  }

  /** The shards of a collection. */
  collection(name: Collection): CollectionRoot {
    return this.root.collections[name] ?? EMPTY_COLLECTION;
  }

  /** The value of an entry, or null. @throws {VaultError} `VAULT_TAMPERED`: its shard. */
  async get(name: Collection, key: string): Promise<string | null> {
    const { depth } = this.collection(name);
    return (await this.shard(name, key.slice(0, depth))).get(key) ?? null;
  }

  /** The value of an entry whose shard was read before; null where only {@link get} can tell. */
  peek(name: Collection, key: string): string | null {
    const { depth, shards } = this.collection(name);
    const prefix = key.slice(0, depth);
    const digest = shards[prefix];
    if (digest === undefined) return null;
    return this.#cache.get(shardFile(name, prefix), digest)?.get(key) ?? null;
  }

  /** Entries after `after` in key order, at most `limit`, and whether there are more. */
  async page(
    name: Collection,
    after: string,
    limit: number,
  ): Promise<{ entries: [key: string, value: string][]; more: boolean }> {
    const { depth, shards } = this.collection(name);
    const entries: [string, string][] = [];
    for (const prefix of Object.keys(shards).sort()) {
      if (prefix < after.slice(0, depth)) continue;
      for (const entry of await this.shard(name, prefix)) {
        if (entry[0] <= after) continue;
        if (entries.length === limit) return { entries, more: true };
        entries.push(entry);
      }
    }
    return { entries, more: false };
  }

  /** The entries of one shard in key order. */
  async shard(name: Collection, prefix: string): Promise<Entries> {
    const digest = this.collection(name).shards[prefix];
    if (digest === undefined) return new Map();
    const key = shardFile(name, prefix);
    const known = this.#cache.get(key, digest);
    if (known !== null) return known;
    const record = await this.#store.get(key);
    if (record === null) throw damaged(key, "is missing");
    if (encodeBase64(sha256(record.bytes)) !== digest) throw damaged(key, "was changed");
    // What has this digest was written by serializeShard; its form needs no second proof.
    const value: { entries: Record<string, string> } = JSON.parse(decodeUtf8(record.bytes));
    const entries = new Map(Object.entries(value.entries));
    this.#cache.put(key, digest, entries);
    return entries;
  }

  /** Keeps a shard that is about to be committed, for when a root lists it by this digest. */
  remember(key: string, digest: string, entries: Entries): void {
    this.#cache.put(key, digest, entries);
  }

  /** Starts a change of the tree. */
  edit(): ManifestEdit {
    return new ManifestEdit(this);
  }

  /** The tree after a change was committed. */
  withRoot(root: ManifestRoot): ManifestTree {
    return new ManifestTree(this.#store, root, this.#cache);
  }
}

/** Shards that were read and checked, at most about `entriesMax` entries in all. */
export class ShardCache {
  readonly #shards = new Map<string, { digest: string; entries: Entries }>();
  #entries = 0;
  readonly #entriesMax: number;

  constructor(entriesMax = 40_000) {
    this.#entriesMax = entriesMax;
  }

  get(key: string, digest: string): Entries | null {
    const shard = this.#shards.get(key);
    if (shard === undefined || shard.digest !== digest) return null;
    this.#shards.delete(key);
    this.#shards.set(key, shard);
    return shard.entries;
  }

  put(key: string, digest: string, entries: Entries): void {
    this.#entries += entries.size - (this.#shards.get(key)?.entries.size ?? 0);
    this.#shards.delete(key);
    this.#shards.set(key, { digest, entries });
    for (const [oldest, shard] of this.#shards) {
      if (this.#entries <= this.#entriesMax || oldest === key) break;
      this.#shards.delete(oldest);
      this.#entries -= shard.entries.size;
    }
  }
}

/** Changes to the tree, collected until {@link finish}. Nothing is visible to others before. */
export class ManifestEdit {
  readonly #tree: ManifestTree;
  readonly #shards = new Map<Collection, Map<string, Map<string, string>>>();
  readonly #shape = new Map<Collection, { depth: number; count: number }>();
  /** Files of shards that a split has replaced. */
  readonly #obsolete = new Set<string>();

  constructor(tree: ManifestTree) {
    this.#tree = tree;
  }

  /** The value of an entry as this change leaves it, or null. */
  async get(name: Collection, key: string): Promise<string | null> {
    const { depth } = this.#shapeOf(name);
    const changed = this.#shards.get(name)?.get(key.slice(0, depth));
    if (changed !== undefined) return changed.get(key) ?? null;
    return this.#tree.get(name, key);
  }

  /** Adds or replaces an entry. */
  async set(name: Collection, key: string, value: string): Promise<void> {
    const shard = await this.#open(name, key);
    const shape = this.#shapeOf(name);
    if (!shard.has(key)) {
      shape.count += 1;
      this.#shape.set(name, shape);
    }
    shard.set(key, value);
    const split = SPLIT_AT[shape.depth];
    if (split !== undefined && shape.count > split) await this.#split(name, shape);
  }

  /** Removes an entry, if it is there. */
  async delete(name: Collection, key: string): Promise<void> {
    const shard = await this.#open(name, key);
    if (!shard.delete(key)) return;
    const shape = this.#shapeOf(name);
    shape.count -= 1;
    this.#shape.set(name, shape);
  }

  /** Writes for the changed shards, and the collections as the new root lists them. */
  finish(): { changes: StoreChange[]; collections: { [name: string]: CollectionRoot } } {
    const changes = new Map<string, StoreChange>();
    for (const key of this.#obsolete) changes.set(key, { key, bytes: null });
    const collections = { ...this.#tree.root.collections };
    for (const [name, shards] of this.#shards) {
      const { depth, count } = this.#shapeOf(name);
      const before = this.#tree.collection(name);
      const digests = depth === before.depth ? { ...before.shards } : {};
      for (const [prefix, entries] of shards) {
        const key = shardFile(name, prefix);
        if (entries.size === 0) {
          if (digests[prefix] !== undefined) changes.set(key, { key, bytes: null });
          delete digests[prefix];
          continue;
        }
        const sorted = new Map([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
        const bytes = serializeShard(name, prefix, sorted);
        const digest = encodeBase64(sha256(bytes));
        digests[prefix] = digest;
        this.#tree.remember(key, digest, sorted);
        changes.set(key, { key, bytes });
      }
      collections[name] = { depth, count, shards: digests };
    }
    return { changes: [...changes.values()], collections };
  }

  #shapeOf(name: Collection): { depth: number; count: number } {
    const { depth, count } = this.#tree.collection(name);
    return this.#shape.get(name) ?? { depth, count };
  }

  async #open(name: Collection, key: string): Promise<Map<string, string>> {
    const prefix = key.slice(0, this.#shapeOf(name).depth);
    let shards = this.#shards.get(name);
    if (shards === undefined) {
      shards = new Map();
      this.#shards.set(name, shards);
    }
    const known = shards.get(prefix);
    if (known !== undefined) return known;
    const copy = new Map(await this.#tree.shard(name, prefix));
    shards.set(prefix, copy);
    return copy;
  }

  /** Spreads a collection over 16 times as many shards. It never shrinks back. */
  async #split(name: Collection, shape: { depth: number; count: number }): Promise<void> {
    const before = this.#tree.collection(name);
    const changed = this.#shards.get(name) ?? new Map<string, Map<string, string>>();
    const depth = Math.min(shape.depth + 1, DEPTH_MAX);
    const spread = new Map<string, Map<string, string>>();
    const prefixes = new Set([...Object.keys(before.shards), ...changed.keys()]);
    for (const prefix of prefixes) {
      if (prefix.length !== shape.depth) continue;
      const entries = changed.get(prefix) ?? (await this.#tree.shard(name, prefix));
      for (const [key, value] of entries) {
        const target = key.slice(0, depth);
        const shard = spread.get(target) ?? new Map<string, string>();
        shard.set(key, value);
        spread.set(target, shard);
      }
    }
    if (shape.depth === before.depth) {
      for (const prefix of Object.keys(before.shards)) this.#obsolete.add(shardFile(name, prefix));
    }
    this.#shards.set(name, spread);
    this.#shape.set(name, { depth, count: shape.count });
  }
}
