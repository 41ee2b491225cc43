import { type BackupItem, damagedBackup, ITEM, openBackup, sealBackup } from "./backup-stream.ts";
import {
  type Clock,
  decodeUtf8,
  encodeBase64,
  encodeUtf8,
  equalBytes,
  type RandomBytes,
  wipe,
} from "./bytes.ts";
import { auditPublicKey } from "./checkpoint.ts";
import { isRecordFailure, VaultError } from "./errors.ts";
import { canonicalJson } from "./json.ts";
import type { KeyProvider } from "./key-provider.ts";
import { KeyRing } from "./key-ring.ts";
import {
  COLLECTIONS,
  HEAD_FILE,
  type ManifestRoot,
  ROOT_FILE,
  serializeManifest,
  shardFile,
} from "./manifest.ts";
import {
  type Argon2id,
  type Argon2idParameters,
  DEFAULT_COSTS,
  portableArgon2id,
  SALT_BYTES,
} from "./passphrase.ts";
import { documentFile, secretFile } from "./record.ts";
import type { Session } from "./session.ts";
import { sha256 } from "./sha256.ts";
import type { Store, StoreChange } from "./store.ts";
import { createSlot, serializeVaultFile, VAULT_FILE, type VaultFile } from "./vault-file.ts";

/** What a backup holds. */
export interface BackupSummary {
  readonly vaultId: string;
  readonly createdAtMs: number;
  /** The vault's revision at that time. */
  readonly revision: number;
  /** Secrets and documents. */
  readonly records: number;
  /** The last audit entry; 0 when there is none. */
  readonly lastSeq: number;
  /** Store keys of records that were damaged when the backup was made and are not in it, sorted. */
  readonly skipped: readonly string[];
  /** What was wrong with the audit log when the backup was made, which keeps it as it was; or null. */
  readonly auditProblem: string | null;
}

/** What opens a backup. */
export interface BackupKey {
  /** Borrowed until the call has ended; then the caller wipes it. */
  readonly passphrase: Uint8Array;
  /** A faster implementation with the same results. */
  readonly argon2id?: Argon2id;
}

const LOG_PART_BYTES = 64 * 1024;
const BATCH_RECORDS = 256;
const BATCH_BYTES = 8 * 1024 * 1024;

interface Meta {
  readonly dev: boolean;
  readonly createdAtMs: number;
  readonly root: ManifestRoot;
}

/**
 * The bytes of a backup of an unlocked vault. The caller keeps changes away until it is read to its
 * end or given up; the audit log goes on, and the backup ends where it was at the beginning.
 */
export async function* backUp(
  session: Session,
  file: VaultFile,
  options: BackupKey & { readonly costs?: Omit<Argon2idParameters, "salt"> },
  random: RandomBytes,
  now: Clock,
): AsyncGenerator<Uint8Array, BackupSummary, void> {
  const { argon2id = portableArgon2id, costs = DEFAULT_COSTS, passphrase } = options;
  if (passphrase.length === 0) {
    throw new VaultError("VAULT_INVALID_INPUT", "a passphrase is not empty");
  }
  const { vaultId } = session;
  const header = {
    vaultId,
    createdAtMs: now(),
    argon2id: { salt: encodeBase64(random(SALT_BYTES)), ...costs },
  };
  const { root } = session.tree;
  const audit = await session.audit.verify();
  const log = await session.audit.snapshot();
  const skipped: string[] = [];
  let records = 0;
  const summary = (): BackupSummary => ({
    vaultId,
    createdAtMs: header.createdAtMs,
    revision: root.revision,
    records,
    lastSeq: log.lastSeq,
    skipped: skipped.toSorted(),
    auditProblem: audit.ok ? null : audit.problem,
  });
  async function* items(): AsyncGenerator<BackupItem, void, void> {
    const meta: Meta = { dev: file.dev, createdAtMs: file.createdAtMs, root };
    yield item(ITEM.meta, "", 0, encodeUtf8(canonicalJson(meta)));
    yield item(ITEM.ring, "", 0, session.ring.serialize());
    for (const { key, digest, shard } of listed(session)) {
      // A shard is taken from the tree, so that what it lists is known before it is written.
      const bytes = await readSound(session, key, digest);
      if (bytes === null) {
        skipped.push(key);
        continue;
      }
      yield item(ITEM.record, key, 0, bytes);
      if (shard === null) continue;
      for (const [entry, entryDigest] of await session.tree.shard(shard.collection, shard.prefix)) {
        if (shard.collection === "names") continue;
        const record =
          shard.collection === "secrets"
            ? secretFile(entry)
            : documentFile(shard.collection, entry);
        const recordBytes = await readSound(session, record, entryDigest);
        if (recordBytes === null) skipped.push(record);
        else {
          yield item(ITEM.record, record, 0, recordBytes);
          records += 1;
        }
      }
    }
    for (const { name, size } of log.segments) {
      for (let offset = 0; offset < size; offset += LOG_PART_BYTES) {
        const length = Math.min(LOG_PART_BYTES, size - offset);
        const bytes = await session.store.readLog(name, offset, length);
        yield item(ITEM.log, name, offset, bytes);
      }
    }
    if (log.head !== null) yield item(ITEM.head, "", 0, log.head);
    yield item(ITEM.end, "", 0, encodeUtf8(canonicalJson(summary())));
  }
  yield* sealBackup(header, items(), passphrase, argon2id, random);
  return summary();
}

function item(type: number, name: string, offset: number, bytes: Uint8Array): BackupItem {
  return { type, name, offset, bytes };
}

function listed(session: Session) {
  return COLLECTIONS.flatMap((collection) =>
    Object.entries(session.tree.collection(collection).shards).map(([prefix, digest]) => ({
      key: shardFile(collection, prefix),
      digest,
      shard: { collection, prefix },
    })),
  );
}

async function readSound(session: Session, key: string, digest: string) {
  try {
    const stored = await session.store.get(key);
    session.requireOpen();
    return stored !== null && encodeBase64(sha256(stored.bytes)) === digest ? stored.bytes : null;
  } catch (error) {
    if (!isRecordFailure(error)) throw error;
    return null;
  }
}

/**
 * Reads a whole backup and checks every byte of it. Nothing but the passphrase is needed.
 *
 * @throws {VaultError} `VAULT_OPEN_FAILED`: damage, or another passphrase.
 */
export async function verifyBackup(
  input: AsyncIterable<Uint8Array>,
  key: BackupKey,
): Promise<BackupSummary> {
  const items = readItems(input, key);
  for (;;) {
    const { done, value } = await items.next();
    if (done === true) return value;
    wipe(value.bytes);
  }
}

/** The items of a backup without its end, which is checked against them. */
async function* readItems(
  input: AsyncIterable<Uint8Array>,
  { passphrase, argon2id = portableArgon2id }: BackupKey,
): AsyncGenerator<BackupItem, BackupSummary, void> {
  let summary: BackupSummary | null = null;
  let records = 0;
  for await (const next of openBackup(input, passphrase, argon2id)) {
    if (summary !== null) throw damagedBackup("goes on after its end");
    if (next.type === ITEM.record && !next.name.startsWith("manifest/")) records += 1;
    // The first backups did not say how the log was.
    if (next.type === ITEM.end)
      summary = { auditProblem: null, ...JSON.parse(decodeUtf8(next.bytes)) };
    else yield next;
  }
  if (summary === null || summary.records !== records) throw damagedBackup("is not complete");
  return summary;
}

/**
 * Makes the vault of a backup in an empty store, under a KEK of its own: the one the key provider
 * makes, or has. Everything else is as it was, the vault's id and its audit log included.
 *
 * The vault exists once this has ended without an error, and not before. A store that holds anything
 * is left as it is.
 *
 * @throws {VaultError} `VAULT_ALREADY_INITIALIZED`: the store is not empty. `VAULT_OPEN_FAILED`:
 *   damage, or another passphrase. `VAULT_KEY_UNAVAILABLE`.
 */
export async function restoreBackup(
  input: AsyncIterable<Uint8Array>,
  options: BackupKey & {
    readonly store: Store;
    readonly keyProvider: KeyProvider;
    readonly random: RandomBytes;
    readonly now: Clock;
  },
): Promise<BackupSummary> {
  const { store, keyProvider, random, now } = options;
  await requireEmpty(store);
  const batch = new Batch(store);
  let meta: Meta | null = null;
  let ringBytes: Uint8Array | null = null;
  let ring: KeyRing | null = null;
  let kek: Uint8Array | null = null;
  try {
    const items = readItems(input, options);
    let next = await items.next();
    for (; next.done !== true; next = await items.next()) {
      const { type, name, offset, bytes } = next.value;
      if (type === ITEM.meta) meta = JSON.parse(decodeUtf8(bytes));
      else if (type === ITEM.ring) ringBytes = bytes;
      else if (type === ITEM.record) await batch.add({ key: name, bytes, expectedRevision: null });
      else if (type === ITEM.log) await store.appendLog(name, offset, bytes, "written");
      else if (type === ITEM.head) store.writeMark("head", bytes);
      else throw damagedBackup("holds something this version does not know");
    }
    const summary = next.value;
    if (meta === null || ringBytes === null) throw damagedBackup("is not complete");
    ring = KeyRing.parse(ringBytes, summary.vaultId);
    if (ring === null) throw damagedBackup("holds a malformed key ring");
    await store.syncLogs();
    kek = await keyProvider.create(random);
    const again = await obtainAgain(keyProvider, kek);
    if (!again) {
      throw new VaultError(
        "VAULT_KEY_UNAVAILABLE",
        "the key provider does not give back the key it made; nothing was restored",
      );
    }
    const nowMs = now();
    const slot = createSlot(summary.vaultId, kek, keyProvider.config, ring, random, nowMs);
    const file = serializeVaultFile(
      {
        format: "aivault",
        version: 1,
        vaultId: summary.vaultId,
        dev: meta.dev,
        createdAtMs: meta.createdAtMs,
        updatedAtMs: nowMs,
        auditPublicKey: encodeBase64(auditPublicKey(ring.auditSigningSeed)),
        slots: [slot],
      },
      ring,
    );
    const root = {
      ...meta.root,
      revision: meta.root.revision + 1,
      updatedAtMs: nowMs,
      config: encodeBase64(sha256(file)),
    };
    const manifest = serializeManifest(root, ring);
    await batch.end();
    await store.commit([
      { key: VAULT_FILE, bytes: file, expectedRevision: null },
      { key: ROOT_FILE, bytes: manifest.root, expectedRevision: null },
      { key: HEAD_FILE, bytes: manifest.head, expectedRevision: null },
    ]);
    return summary;
  } finally {
    wipe(ringBytes, kek);
    ring?.wipe();
  }
}

async function requireEmpty(store: Store): Promise<void> {
  const { items } = await store.list("", { limit: 1 });
  if (items.length === 0 && (await store.listLogs()).length === 0) return;
  throw new VaultError(
    "VAULT_ALREADY_INITIALIZED",
    `${store.location} is not empty; a backup is restored to an empty place`,
  );
}

async function obtainAgain(provider: KeyProvider, kek: Uint8Array): Promise<boolean> {
  if (provider.config.kind === "passphrase") return true;
  const again = await provider.obtain();
  try {
    return equalBytes(again, kek);
  } finally {
    wipe(again);
  }
}

/** Records on their way into the store: many to a commit, not all of them. */
class Batch {
  readonly #store: Store;
  #changes: StoreChange[] = [];
  #bytes = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  async add(change: StoreChange): Promise<void> {
    this.#changes.push(change);
    this.#bytes += change.bytes?.length ?? 0;
    if (this.#changes.length >= BATCH_RECORDS || this.#bytes >= BATCH_BYTES) await this.end();
  }

  async end(): Promise<void> {
    if (this.#changes.length > 0) await this.#store.commit(this.#changes);
    this.#changes = [];
    this.#bytes = 0;
  }
}
