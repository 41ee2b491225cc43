import type { AuditEntry, AuditEvent } from "./audit-entry.ts";
import { type AuditLog, ChainedAuditLog, genesisMac } from "./audit-log.ts";
import { type BackupKey, type BackupSummary, backUp } from "./backup.ts";
import {
  type Clock,
  decodeBase64,
  encodeBase64,
  encodeHex,
  equalBytes,
  type RandomBytes,
  wipe,
} from "./bytes.ts";
import { auditPublicKey } from "./checkpoint.ts";
import { isDamage, isRecordFailure, VaultError } from "./errors.ts";
import {
  type DocumentKind,
  requireDocumentId,
  requireDocumentKind,
  requireName,
  requireSecretId,
} from "./identifiers.ts";
import type { KeyProvider, KeyProviderConfig } from "./key-provider.ts";
import { KeyRing } from "./key-ring.ts";
import {
  HEAD_FILE,
  loadManifest,
  type ManifestRoot,
  ManifestTree,
  ROOT_FILE,
  ShardCache,
  serializeManifest,
} from "./manifest.ts";
import type { Argon2idParameters } from "./passphrase.ts";
import { documentFile, documentHandle, nameEntry, openSecret, secretFile } from "./record.ts";
import { firstRewrapProgress, type RewrapBatch, rewrapBatch } from "./rewrap.ts";
import { parseScope, type Scope, sameScope } from "./scope.ts";
import type { Page, SealedDocument, SecretMetadata } from "./secret-metadata.ts";
import { lockedError, Session } from "./session.ts";
import { sha256 } from "./sha256.ts";
import type { LogDurability, Store, StoreChange } from "./store.ts";
import { deletedError, notFound, Transaction, type VaultTransaction } from "./transaction.ts";
import {
  createSlot,
  type KeySlot,
  openSlot,
  parseVaultFile,
  resealSlot,
  serializeVaultFile,
  slotAccepts,
  slotKey,
  VAULT_FILE,
  type VaultFile,
  verifyVaultFile,
} from "./vault-file.ts";
import { type VaultVerification, verifyRecords } from "./verify.ts";

/** The effects a vault needs. */
export interface VaultOptions {
  readonly store: Store;
  readonly random: RandomBytes;
  readonly now: Clock;
}

/** What can be said about a vault without any key. */
export interface VaultStatus {
  readonly vaultId: string;
  /** Authenticated only once the vault is unlocked. */
  readonly dev: boolean;
  readonly locked: boolean;
  readonly formatVersion: 1;
  /** The preferred provider. Authenticated only once the vault is unlocked. */
  readonly keyProvider: KeyProviderConfig;
  /** Counts commits; 0 while locked. */
  readonly revision: number;
  /**
   * Store keys of records that were refused or could not be read since the vault was unlocked, and
   * have not been read since, sorted.
   */
  readonly quarantined: readonly string[];
  /** Set while the vault still accepts the KEK before a rotation; see {@link Vault.rotateMaster}. */
  readonly previousKeyProvider: KeyProviderConfig | null;
}

/** What a rotation did. */
export interface RotationResult {
  /** Records that now depend on the new key alone. */
  readonly rewrapped: number;
  /** Records that could not be opened; the old vault key stays in the ring for their sake. */
  readonly skipped: number;
  /** False when the provider did not hand back the new key yet: the old one is accepted until it does. */
  readonly confirmed: boolean;
}

const LIST_LIMIT = 100;
const LIST_LIMIT_MAX = 1000;

/**
 * A vault: sealed secrets and documents, and the audit log, over a store.
 *
 * It opens locked. Metadata and documents are sealed too, so reading anything needs the key.
 * One process owns an unlocked vault at a time; the store's lock sees to that.
 */
export class Vault {
  readonly #store: Store;
  readonly #random: RandomBytes;
  readonly #now: Clock;
  #file: VaultFile;
  #session: Session | null = null;
  readonly #quarantined = new Set<string>();
  /** Changes run one at a time. */
  #changes: Promise<unknown> = Promise.resolve();
  /** The commit in flight, during which a reader may see some of its files. */
  #committing: Promise<unknown> | null = null;
  /** A commit failed half-known: what is stored must be read again before it is trusted. */
  #stale = false;
  readonly #audit: AuditLog;

  private constructor(options: VaultOptions, file: VaultFile) {
    this.#store = options.store;
    this.#random = options.random;
    this.#now = options.now;
    this.#file = file;
    this.#audit = {
      append: (event: AuditEvent): Promise<AuditEntry> =>
        this.#session === null ? Promise.reject(lockedError()) : this.#session.audit.append(event),
      flush: async () => this.#requireSession().audit.flush(),
      read: async (options) => this.#requireSession().audit.read(options),
      verify: async () => this.#requireSession().audit.verify(),
      checkpoint: () => this.#exclusive(async () => (await this.#settled()).audit.checkpoint()),
      lines: () => this.#requireSession().audit.lines(),
    };
  }

  /**
   * Makes a new vault and unlocks it.
   *
   * @throws {VaultError} `VAULT_ALREADY_INITIALIZED`; `VAULT_TAMPERED`: the store holds records but
   *   no vault.json, which is not a place to begin anew; `VAULT_KEY_UNAVAILABLE`.
   */
  static async create(
    options: VaultOptions & {
      readonly keyProvider: KeyProvider;
      /** Seals the development flag for the vault's whole life (G24). Default: false. */
      readonly dev?: boolean;
    },
  ): Promise<Vault> {
    const { store, random, now, keyProvider, dev = false } = options;
    if ((await store.get(VAULT_FILE)) !== null) {
      throw new VaultError(
        "VAULT_ALREADY_INITIALIZED",
        `there is a vault in ${store.location} already`,
      );
    }
    await refuseRemains(store);
    const vaultId = encodeHex(random(16));
    const nowMs = now();
    const kek = await keyProvider.create(random);
    const ring = KeyRing.create(vaultId, random, nowMs);
    try {
      await requireReadBack(keyProvider, kek);
      const slot = createSlot(vaultId, kek, keyProvider.config, ring, random, nowMs);
      const fileBytes = serializeVaultFile(
        {
          format: "aivault",
          version: 1,
          vaultId,
          dev,
          createdAtMs: nowMs,
          updatedAtMs: nowMs,
          auditPublicKey: encodeBase64(auditPublicKey(ring.auditSigningSeed)),
          slots: [slot],
        },
        ring,
      );
      const manifest = serializeManifest(
        {
          version: 1,
          vaultId,
          revision: 1,
          updatedAtMs: nowMs,
          keyId: ring.currentId,
          config: encodeBase64(sha256(fileBytes)),
          collections: {},
          audit: {
            durability: "written",
            started: false,
            firstSeq: 1,
            previousMac: encodeBase64(genesisMac(ring)),
          },
          rewrap: null,
        },
        ring,
      );
      // One transaction: a killed process leaves either no vault or a whole one (G20).
      await store.commit([
        { key: VAULT_FILE, bytes: fileBytes, expectedRevision: null },
        { key: ROOT_FILE, bytes: manifest.root, expectedRevision: null },
        { key: HEAD_FILE, bytes: manifest.head, expectedRevision: null },
      ]);
      const vault = new Vault(options, parseVaultFile(fileBytes));
      await vault.#begin(kek, openSlot(vaultId, slot, kek), slot);
      return vault;
    } finally {
      wipe(kek);
      ring.wipe();
    }
  }

  /**
   * Opens a vault, locked.
   *
   * @throws {VaultError} `VAULT_NOT_INITIALIZED`, `VAULT_LEGACY_FORMAT`,
   *   `VAULT_FORMAT_UNSUPPORTED`, `VAULT_TAMPERED`: vault.json is damaged, or missing although
   *   records exist.
   */
  static async open(options: VaultOptions): Promise<Vault> {
    return new Vault(options, (await readVaultFile(options.store)).file);
  }

  status(): VaultStatus {
    const { vaultId, dev, slots } = this.#file;
    return {
      vaultId,
      dev,
      locked: this.#session === null,
      formatVersion: 1,
      keyProvider: (slots[0] as KeySlot).provider,
      previousKeyProvider: slots[1]?.provider ?? null,
      revision: this.#session?.tree.root.revision ?? 0,
      quarantined: [...this.#quarantined].sort(),
    };
  }

  /** As in {@link status}, for whoever asks at every request. */
  get locked(): boolean {
    return this.#session === null;
  }

  /** As in {@link status}. */
  get revision(): number {
    return this.#session?.tree.root.revision ?? 0;
  }

  /** How the key provider's stored configuration reads; a provider derives or finds its key by it. */
  get keyProviderConfig(): KeyProviderConfig {
    return this.status().keyProvider;
  }

  /** Ed25519, 32 bytes: checks this vault's audit checkpoints, with no other secret. */
  get auditPublicKey(): Uint8Array {
    return decodeBase64(this.#file.auditPublicKey) as Uint8Array;
  }

  /**
   * Obtains the key, checks it and everything it authenticates, and finishes an interrupted change.
   * Unlocking an unlocked vault only checks the key.
   *
   * @throws {VaultError} `VAULT_KEY_MISMATCH`: a well-formed key of another vault; nothing was
   *   written. `VAULT_KEY_UNAVAILABLE`. `VAULT_TAMPERED`, naming the file.
   */
  unlock(keyProvider: KeyProvider): Promise<void> {
    return this.#exclusive(async () => {
      const { file } = await readVaultFile(this.#store);
      // V2: a key that does not fit is refused here, before anything is written.
      const { kek, slot, staged } = await findKey(file, keyProvider);
      try {
        if (this.#session !== null) return;
        this.#file = file;
        this.#quarantined.clear();
        await this.#begin(kek, openSlot(file.vaultId, slot, kek), slot);
      } finally {
        wipe(kek);
      }
      // The vault already depends on the staged key: a rotation was cut off before the provider
      // could take it on.
      if (staged) await keyProvider.promote?.();
      if (this.#store.readOnly) return;
      if (!staged) await discardStaged(keyProvider, file);
      await this.#settleKeys(slot);
    });
  }

  /** Forgets all keys. Uses in progress end normally. */
  lock(): void {
    const session = this.#session;
    this.#session = null;
    session?.close();
  }

  /** Locks, lets a commit in flight end, and closes the store. */
  async close(): Promise<void> {
    await this.#changes.catch(() => {});
    const session = this.#session;
    this.#session = null;
    try {
      await session?.audit.close();
    } finally {
      session?.close();
      await this.#store.close();
    }
  }

  /** @throws {VaultError} `VAULT_SECRET_NOT_FOUND`, `VAULT_LOCKED`, `VAULT_TAMPERED`. */
  async getSecret(secretId: string): Promise<SecretMetadata> {
    requireSecretId(secretId);
    return this.#read(async (session) => {
      const { metadata } = await loadSecret(session, secretId);
      this.#noteSound(secretFile(secretId));
      return metadata;
    });
  }

  /** The secret that has this name or alias in exactly this scope, or null. */
  async findSecret(name: string, scope: Scope): Promise<SecretMetadata | null> {
    requireName(name);
    const parsed = parseScope(scope);
    return this.#read(async (session) => {
      const secretId = await session.tree.get("names", nameEntry(session.ring, parsed, name));
      return secretId === null ? null : (await loadSecret(session, secretId)).metadata;
    });
  }

  /**
   * Secrets in id order. A secret that is damaged or cannot be read is left out, and
   * named by {@link status}.
   *
   * @param options - `limit`: default 100, at most 1000. `scope`: only this scope, which reads the
   *   metadata of every secret on the way.
   */
  async listSecrets(
    options: {
      readonly after?: string;
      readonly limit?: number;
      readonly scope?: Scope;
      readonly includeDeleted?: boolean;
    } = {},
  ): Promise<Page<SecretMetadata>> {
    const { includeDeleted = false } = options;
    const scope = options.scope === undefined ? null : parseScope(options.scope);
    return this.#list("secrets", options, async (session, secretId, digest) => {
      const { metadata } = await session.loadSecret(secretId, digest);
      const wanted =
        (includeDeleted || metadata.deletedAtMs === null) &&
        (scope === null || sameScope(scope, metadata.scope));
      return wanted ? metadata : null;
    });
  }

  /**
   * Lends a secret's value to a callback and wipes it when the callback has settled.
   *
   * G23, V1: the value is never returned. Copying it, or making a string of it, puts it beyond reach of
   * the wipe.
   *
   * @throws {VaultError} `VAULT_SECRET_NOT_FOUND`, `VAULT_SECRET_DELETED`, `VAULT_LOCKED`,
   *   `VAULT_TAMPERED`, `VAULT_OPEN_FAILED`.
   */
  async useSecret<T>(
    secretId: string,
    use: (value: Uint8Array, metadata: SecretMetadata) => T | Promise<T>,
  ): Promise<T> {
    requireSecretId(secretId);
    const { value, metadata } = this.#openCached(secretId) ?? (await this.#openStored(secretId));
    try {
      return await use(value, metadata);
    } finally {
      wipe(value);
    }
  }

  /** What was read before and is still what the manifest says; null sends one the long way. */
  #openCached(secretId: string): { value: Uint8Array; metadata: SecretMetadata } | null {
    const session = this.#session;
    if (session === null || this.#stale || this.#committing !== null) return null;
    const loaded = session.cachedSecret(secretId, session.tree.peek("secrets", secretId));
    if (loaded === null || loaded.metadata.deletedAtMs !== null) return null;
    const { record, metadata } = loaded;
    try {
      return { value: openSecret(record, metadata, session.vaultId, session.ring), metadata };
    } catch {
      // What is wrong with it is found again, and noted, where it is read anew.
      return null;
    }
  }

  #openStored(secretId: string): Promise<{ value: Uint8Array; metadata: SecretMetadata }> {
    return this.#read(async (session) => {
      const loaded = await loadSecret(session, secretId);
      if (loaded.metadata.deletedAtMs !== null) throw deletedError(secretId);
      const { record, metadata } = loaded;
      session.requireOpen();
      const value = openSecret(record, metadata, session.vaultId, session.ring);
      this.#noteSound(secretFile(secretId));
      return { value, metadata };
    });
  }

  /** The document, or null. @throws {VaultError} `VAULT_LOCKED`, `VAULT_TAMPERED`. */
  async getDocument(kind: DocumentKind, id: string): Promise<SealedDocument | null> {
    requireDocumentKind(kind);
    requireDocumentId(id);
    return this.#read(async (session) => {
      const handle = documentHandle(session.ring, kind, id);
      const digest = await session.tree.get(kind, handle);
      if (digest === null) return null;
      const { document } = await session.loadDocument(kind, handle, digest);
      this.#noteSound(documentFile(kind, handle));
      return document;
    });
  }

  /**
   * Documents of a kind, in an order that is stable but not that of their ids. One that is
   * damaged or cannot be read is left out, and named by {@link status}.
   */
  async listDocuments(
    kind: DocumentKind,
    options: { readonly after?: string; readonly limit?: number } = {},
  ): Promise<Page<SealedDocument>> {
    requireDocumentKind(kind);
    return this.#list(kind, options, async (session, handle, digest) => {
      return (await session.loadDocument(kind, handle, digest)).document;
    });
  }

  /**
   * Makes a change: all of it or none, as one revision. Changes run one after another; do not start
   * one inside another's callback, it would wait for itself.
   *
   * @param change - What it throws is thrown on, and nothing is changed.
   * @throws {VaultError} `VAULT_LOCKED`, `VAULT_STORE_FULL`, `VAULT_STORE_FAILED`, and what the
   *   methods of the transaction throw.
   */
  transaction<T>(change: (tx: VaultTransaction) => Promise<T>): Promise<T> {
    return this.#exclusive(async () => {
      const session = await this.#settled();
      const tx = new Transaction(session, this.#random, this.#now);
      try {
        let result: T;
        try {
          result = await change(tx);
        } finally {
          await tx.end();
        }
        session.requireOpen();
        const finished = tx.finish();
        if (finished !== null) {
          await this.#commit(session, finished.changes, { collections: finished.collections });
        }
        return result;
      } catch (error) {
        this.#noteDamage(error, session);
        throw error;
      }
    });
  }

  /**
   * Replaces the KEK, and with it the vault key that every record depends on.
   *
   * The new key, wrapped by the new KEK, becomes the vault's in one commit; then records are
   * rewrapped in batches, between which others read and write; the old key goes last. Cut off
   * anywhere, the vault opens and the next unlock goes on. A record that cannot be opened keeps the
   * old key alive, so that a copy of it from a backup still can.
   *
   * @param options - `provider`: where the new KEK is to be. `newKey`: the new KEK, 32 bytes,
   *   borrowed, for a provider that cannot make or hold one by itself (an environment variable);
   *   until the provider hands it back, the vault accepts both the old KEK and the new.
   * @throws {VaultError} `VAULT_LOCKED`, `VAULT_KEY_UNAVAILABLE`, `VAULT_INVALID_INPUT`: the new key
   *   is the present one.
   */
  async rotateMaster(options: {
    readonly provider: KeyProvider;
    readonly newKey?: Uint8Array;
  }): Promise<RotationResult> {
    const confirmed = await this.#exclusive(() => this.#replaceKek(options));
    const { rewrapped, skipped } = await this.#rewrap();
    return { rewrapped, skipped, confirmed };
  }

  /**
   * Reads the whole vault from the store and opens everything in it. Changes wait meanwhile. The
   * audit log has a verification of its own.
   *
   * @throws {VaultError} `VAULT_LOCKED`, and the store's failures; damage is in the answer.
   */
  verify(): Promise<VaultVerification> {
    return this.#exclusive(async () => {
      const verification = await verifyRecords(await this.#settled());
      for (const { subject } of verification.problems) this.#quarantined.add(subject);
      return verification;
    });
  }

  /**
   * A copy of the whole vault, keys and audit log included, sealed under a passphrase: the bytes of
   * one file, in pieces, and when it has ended what it holds. Changes wait until it was read to its
   * end, or given up; the audit log goes on meanwhile.
   *
   * A damaged record is left out and named.
   *
   * @param options - `passphrase`: borrowed until the end. `costs`: of Argon2id; default
   *   {@link DEFAULT_COSTS}.
   * @throws {VaultError} `VAULT_LOCKED`, and the store's failures.
   * @see docs/format.md#backup
   */
  async *backup(
    options: BackupKey & { readonly costs?: Omit<Argon2idParameters, "salt"> },
  ): AsyncGenerator<Uint8Array, BackupSummary, void> {
    let release = (): void => {};
    const turn = new Promise<Session>((resolve, reject) => {
      this.#exclusive(async () => {
        const session = await this.#settled();
        await new Promise<void>((end) => {
          release = end;
          resolve(session);
        });
      }).catch(reject);
    });
    const session = await turn;
    try {
      return yield* backUp(session, this.#file, options, this.#random, this.#now);
    } finally {
      release();
    }
  }

  /** How durable an audit entry is before {@link AuditLog.append} resolves; sealed in the vault. */
  get auditDurability(): LogDurability {
    return this.#requireSession().tree.root.audit.durability;
  }

  /** Changes {@link auditDurability}. With "disk", all that was appended before is on the disk, too, after this. */
  setAuditDurability(durability: LogDurability): Promise<void> {
    return this.#exclusive(async () => {
      const session = await this.#settled();
      const { audit } = session.tree.root;
      // G18: an entry that must last is not worth much while one before it can go. So the setting follows
      // what was written before it, and what is written meanwhile follows the setting.
      const settle = async () => {
        if (durability === "disk") await session.audit.flush();
      };
      await settle();
      if (audit.durability !== durability) {
        await this.#commit(session, [], { audit: { ...audit, durability } });
        session.audit.durability = durability;
      }
      await settle();
    });
  }

  /**
   * Drops whole days of the audit log from before a time. What is kept verifies as before: the
   * manifest seals where it begins, and a signed checkpoint says so to auditors. The present day
   * always stays.
   *
   * @returns How many entries were dropped.
   * @throws {VaultError} `VAULT_TAMPERED`: the log does not verify; nothing was dropped.
   */
  dropAuditBefore(beforeMs: number): Promise<number> {
    return this.#exclusive(async () => {
      const session = await this.#settled();
      const { audit } = session.tree.root;
      const anchor = await session.audit.prepareDrop(Math.floor(beforeMs / 86_400_000));
      if (anchor === null) return 0;
      const { firstSeq, previousMac } = anchor;
      const sealed = { ...audit, firstSeq, previousMac: encodeBase64(previousMac) };
      await this.#commit(session, [], { audit: sealed });
      await session.audit.drop(anchor);
      return firstSeq - audit.firstSeq;
    });
  }

  /** The audit log. Its methods throw `VAULT_LOCKED` while the vault is locked. */
  get audit(): AuditLog {
    return this.#audit;
  }

  async #begin(kek: Uint8Array, ring: KeyRing, slot: KeySlot): Promise<void> {
    const { vaultId } = this.#file;
    let audit: ChainedAuditLog | null = null;
    try {
      verifyVaultFile(this.#file, ring);
      const digest = encodeBase64(sha256((await requireRecord(this.#store, VAULT_FILE)).bytes));
      const loaded = await loadManifest(this.#store, ring, vaultId, digest);
      const { root, rootRevision, headRevision } = loaded;
      audit = await ChainedAuditLog.open(
        this.#store,
        ring,
        this.#now,
        {
          firstSeq: root.audit.firstSeq,
          previousMac: decodeBase64(root.audit.previousMac) as Uint8Array,
        },
        { durability: root.audit.durability, started: root.audit.started },
      );
      const session = new Session({
        store: this.#store,
        vaultId,
        ring,
        tree: new ManifestTree(this.#store, root, new ShardCache()),
        rootRevision,
        headRevision,
        audit,
      });
      session.slotKeys.set(slot.kekId, slotKey(vaultId, kek));
      this.#stale = false;
      if (!root.audit.started && !this.#store.readOnly) {
        if (audit.seq === 0) await audit.append({ kind: "vault.created", vaultId });
        await this.#commit(session, [], { audit: { ...root.audit, started: true } });
      }
      this.#session = session;
    } catch (error) {
      audit?.wipe();
      ring.wipe();
      throw error;
    }
  }

  /** After an unlock: forgets a replaced KEK once the new one was used, and goes on rewrapping. */
  async #settleKeys(used: KeySlot): Promise<void> {
    const session = await this.#settled();
    const [preferred] = this.#file.slots;
    if (this.#file.slots.length > 1 && preferred?.kekId === used.kekId) {
      await this.#commitFile(session, { slots: [preferred] }, session.ring, {});
    }
    if (session.tree.root.rewrap !== null || session.ring.vaultKeyCount > 1) {
      const { rewrap } = session.tree.root;
      if (rewrap === null || rewrap.collection === null) {
        await this.#commit(session, [], { rewrap: firstRewrapProgress() });
      }
      for (let step = await this.#rewrapStep(session); step !== null; ) {
        step = await this.#rewrapStep(session);
      }
    }
  }

  async #replaceKek(options: {
    readonly provider: KeyProvider;
    readonly newKey?: Uint8Array;
  }): Promise<boolean> {
    const session = await this.#settled();
    const { provider, newKey } = options;
    const { vaultId, slots } = this.#file;
    const present = slots[0] as KeySlot;
    // A provider that holds the present key is asked for a second one beside it.
    const staging =
      newKey === undefined &&
      provider.stage !== undefined &&
      (await holdsKey(provider, vaultId, slots));
    const kek =
      newKey === undefined
        ? staging
          ? await (provider.stage as NonNullable<KeyProvider["stage"]>)(this.#random)
          : await provider.create(this.#random)
        : // `slice` of Node's Buffer is a view, which the wipe below would take for our own.
          Uint8Array.from(newKey);
    try {
      if (kek.length !== 32) throw new RangeError("a KEK has 32 bytes");
      if (slots.some((slot) => slotAccepts(vaultId, slot, kek))) {
        throw new VaultError(
          "VAULT_INVALID_INPUT",
          "the new key is the present key; rotation needs another",
        );
      }
      const confirmed = await handsBack(provider, kek, staging);
      if (!confirmed && newKey === undefined) {
        throw new VaultError(
          "VAULT_KEY_UNAVAILABLE",
          "the key provider does not give back the key it made",
        );
      }
      const ring = session.ring.withNewVaultKey(this.#random, this.#now());
      const slot = createSlot(vaultId, kek, provider.config, ring, this.#random, this.#now());
      // Verified before anything depends on it: the slot opens with the new key.
      openSlot(vaultId, slot, kek).wipe();
      const oldKey = session.slotKeys.get(present.kekId);
      const keptSlots =
        confirmed || oldKey === undefined
          ? []
          : [resealSlot(vaultId, present, oldKey, ring, this.#random)];
      session.slotKeys.set(slot.kekId, slotKey(vaultId, kek));
      await this.#commitFile(session, { slots: [slot, ...keptSlots] }, ring, {
        rewrap: firstRewrapProgress(),
      });
      if (staging) await provider.promote?.();
      return confirmed;
    } finally {
      wipe(kek);
    }
  }

  async #rewrap(): Promise<{ rewrapped: number; skipped: number }> {
    let rewrapped = 0;
    for (;;) {
      const step = await this.#exclusive(async () => {
        const session = await this.#settled();
        return this.#rewrapStep(session);
      });
      if (step === null) {
        return { rewrapped, skipped: this.#requireSession().tree.root.rewrap?.skipped ?? 0 };
      }
      rewrapped += step.rewrapped;
    }
  }

  /** Rewraps one batch, or retires the old key after the last. Null when nothing is left to do. */
  async #rewrapStep(session: Session): Promise<{ rewrapped: number } | null> {
    const progress = session.tree.root.rewrap;
    if (progress === null || progress.collection === null) return null;
    const batch = await rewrapBatch(session, progress, this.#random, (error) =>
      this.#noteDamage(error, session),
    );
    if (batch.progress.collection !== null) {
      await this.#commit(session, batch.changes, {
        collections: batch.collections,
        rewrap: batch.progress,
      });
      return { rewrapped: batch.rewrapped };
    }
    await this.#retireOldKeys(session, batch);
    return { rewrapped: batch.rewrapped };
  }

  /** Commits the last batch, and with it that nothing is under an old key any more. */
  async #retireOldKeys(session: Session, last: RewrapBatch): Promise<void> {
    const { changes, collections, progress } = last;
    const { vaultId, slots } = this.#file;
    const keys = slots.map(({ kekId }) => session.slotKeys.get(kekId));
    // A slot whose KEK this session has not seen cannot be given the smaller ring. The old key then
    // stays until that KEK unlocks the vault.
    const sealable = keys.every((key) => key !== undefined);
    if (progress.skipped > 0 || !sealable) {
      await this.#commit(session, changes, { collections, rewrap: progress });
      return;
    }
    const ring = session.ring.withoutOldVaultKeys();
    const resealed = slots.map((slot, index) =>
      resealSlot(vaultId, slot, keys[index] as Uint8Array, ring, this.#random),
    );
    await this.#commitFile(
      session,
      { slots: resealed },
      ring,
      { collections, rewrap: null },
      changes,
    );
  }

  /** Commits a new vault.json with the manifest that names it, and takes on its ring. */
  async #commitFile(
    session: Session,
    change: Pick<VaultFile, "slots">,
    ring: KeyRing,
    rootChange: Partial<ManifestRoot>,
    changes: readonly StoreChange[] = [],
  ): Promise<void> {
    const { mac: _mac, ...before } = this.#file;
    const bytes = serializeVaultFile({ ...before, ...change, updatedAtMs: this.#now() }, ring);
    const previousRing = session.ring;
    session.ring = ring;
    try {
      await this.#commit(session, [...changes, { key: VAULT_FILE, bytes }], {
        ...rootChange,
        config: encodeBase64(sha256(bytes)),
      });
    } catch (error) {
      // The store may have kept what it could not confirm. Then the new ring is the one that fits.
      const stored = await this.#store.get(VAULT_FILE).catch(() => null);
      if (stored === null || !equalBytes(stored.bytes, bytes)) {
        session.ring = previousRing;
        if (ring !== previousRing) ring.wipe();
        throw error;
      }
    }
    this.#file = parseVaultFile(bytes);
    for (const kekId of session.slotKeys.keys()) {
      if (!this.#file.slots.some((slot) => slot.kekId === kekId)) {
        wipe(session.slotKeys.get(kekId));
        session.slotKeys.delete(kekId);
      }
    }
    if (ring !== previousRing) previousRing.wipe();
  }

  async #commit(
    session: Session,
    changes: readonly StoreChange[],
    rootChange: Partial<ManifestRoot>,
  ): Promise<void> {
    const root: ManifestRoot = {
      ...session.tree.root,
      ...rootChange,
      revision: session.tree.root.revision + 1,
      updatedAtMs: this.#now(),
      keyId: session.ring.currentId,
    };
    const manifest = serializeManifest(root, session.ring);
    const committing = this.#store.commit([
      ...changes,
      { key: ROOT_FILE, bytes: manifest.root, expectedRevision: session.rootRevision },
      { key: HEAD_FILE, bytes: manifest.head, expectedRevision: session.headRevision },
    ]);
    this.#committing = committing;
    try {
      const revisions = await committing;
      session.tree = session.tree.withRoot(root);
      session.rootRevision = revisions.at(-2) as string;
      session.headRevision = revisions.at(-1) as string;
    } catch (error) {
      this.#stale = true;
      throw error;
    } finally {
      this.#committing = null;
    }
  }

  #requireSession(): Session {
    if (this.#session === null) throw lockedError();
    return this.#session;
  }

  /** The session, its view of the store brought up to date after a commit that failed. */
  async #settled(): Promise<Session> {
    const session = this.#requireSession();
    if (!this.#stale) return session;
    const record = await requireRecord(this.#store, VAULT_FILE);
    const digest = encodeBase64(sha256(record.bytes));
    const loaded = await loadManifest(this.#store, session.ring, session.vaultId, digest);
    session.requireOpen();
    session.tree = session.tree.withRoot(loaded.root);
    session.rootRevision = loaded.rootRevision;
    session.headRevision = loaded.headRevision;
    this.#stale = false;
    return session;
  }

  #exclusive<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#changes.then(run, run);
    this.#changes = result.catch(() => {});
    return result;
  }

  /**
   * Reads from the committed state. A read that overlaps a commit may see files of both revisions
   * and is repeated; what still does not fit afterwards is damage.
   */
  async #read<T>(read: (session: Session) => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt += 1) {
      const session = await this.#settled();
      const { tree } = session;
      try {
        return await read(session);
      } catch (error) {
        session.requireOpen();
        const moved = this.#committing !== null || session.tree !== tree || this.#stale;
        if (attempt < READ_ATTEMPTS && moved && isDamage(error)) {
          await this.#committing?.catch(() => {});
          continue;
        }
        this.#noteDamage(error, session);
        throw error;
      }
    }
  }

  async #list<T>(
    collection: "secrets" | DocumentKind,
    options: { readonly after?: string; readonly limit?: number },
    load: (session: Session, key: string, digest: string) => Promise<T | null>,
  ): Promise<Page<T>> {
    const { after = "", limit = LIST_LIMIT } = options;
    if (!Number.isInteger(limit) || limit < 1 || limit > LIST_LIMIT_MAX) {
      throw new VaultError("VAULT_INVALID_INPUT", `a page has 1 to ${LIST_LIMIT_MAX} items`);
    }
    const items: T[] = [];
    let last = after;
    for (;;) {
      const { entries, more } = await this.#read((session) =>
        session.tree.page(collection, last, limit - items.length),
      );
      for (const [key] of entries) {
        last = key;
        const item = await this.#readListed(collection, key, load);
        if (item !== null) items.push(item);
      }
      if (!more) return { items, next: null };
      if (items.length >= limit) return { items, next: last };
    }
  }

  /** One listed item; null when it is not wanted, is gone by now, or is damaged. */
  async #readListed<T>(
    collection: "secrets" | DocumentKind,
    key: string,
    load: (session: Session, key: string, digest: string) => Promise<T | null>,
  ): Promise<T | null> {
    try {
      return await this.#read(async (session) => {
        const digest = await session.tree.get(collection, key);
        if (digest === null) return null;
        const item = await load(session, key, digest);
        this.#noteSound(collection === "secrets" ? secretFile(key) : documentFile(collection, key));
        return item;
      });
    } catch (error) {
      // One bad record is reported by status, it does not hide the others (W-C2).
      if (isRecordFailure(error)) return null;
      throw error;
    }
  }

  #noteDamage(error: unknown, session: Session): void {
    if (isRecordFailure(error) && error.subject !== null && !session.closed) {
      this.#quarantined.add(error.subject);
    }
  }

  /** A record that was put back, or whose medium works again, leaves the quarantine. */
  #noteSound(subject: string): void {
    if (this.#quarantined.size > 0) this.#quarantined.delete(subject);
  }
}

const READ_ATTEMPTS = 20;

async function loadSecret(session: Session, secretId: string) {
  const digest = await session.tree.get("secrets", secretId);
  if (digest === null) throw notFound(secretId);
  return session.loadSecret(secretId, digest);
}

async function requireRecord(store: Store, key: string) {
  const record = await store.get(key);
  if (record === null) {
    throw new VaultError("VAULT_TAMPERED", `\`${key}\` is missing; restore it from a backup`, {
      subject: key,
    });
  }
  return record;
}

async function readVaultFile(store: Store): Promise<{ file: VaultFile }> {
  const record = await store.get(VAULT_FILE);
  if (record !== null) return { file: parseVaultFile(record.bytes) };
  await refuseRemains(store);
  throw new VaultError(
    "VAULT_NOT_INITIALIZED",
    `there is no vault in ${store.location}; run \`aivault init\``,
  );
}

/** Records without a vault.json are a damaged vault, never a new one. */
async function refuseRemains(store: Store): Promise<void> {
  let remains = (await store.listLogs()).length > 0;
  for (const prefix of ["secrets/", "documents/", "manifest/"]) {
    remains ||= (await store.list(prefix, { limit: 1 })).items.length > 0;
  }
  if (!remains) return;
  throw new VaultError(
    "VAULT_TAMPERED",
    `\`${VAULT_FILE}\` is missing from ${store.location}, but records are there; restore it from a backup`,
    { subject: VAULT_FILE },
  );
}

/** The KEK that one of the slots accepts. The caller wipes it. */
async function findKey(
  file: VaultFile,
  provider: KeyProvider,
): Promise<{ kek: Uint8Array; slot: KeySlot; staged: boolean }> {
  const { vaultId, slots } = file;
  for (const slot of slots) {
    const kek = await provider.obtain(slot.provider);
    for (const candidate of slots) {
      if (slotAccepts(vaultId, candidate, kek)) return { kek, slot: candidate, staged: false };
    }
    wipe(kek);
    // Only a passphrase gives another key with another slot's parameters.
    if (slot.provider.kind !== "passphrase") break;
  }
  const staged = (await provider.obtainStaged?.()) ?? null;
  if (staged !== null) {
    const slot = slots.find((candidate) => slotAccepts(vaultId, candidate, staged));
    if (slot !== undefined) return { kek: staged, slot, staged: true };
    wipe(staged);
  }
  throw new VaultError(
    "VAULT_KEY_MISMATCH",
    `this key does not open vault ${vaultId}; it needs the key from its \`${(slots[0] as KeySlot).provider.kind}\` provider`,
  );
}

/**
 * Removes the staged key of a rotation that was cut off before the vault came to depend on it. One
 * that some slot accepts stays.
 */
async function discardStaged(provider: KeyProvider, { vaultId, slots }: VaultFile): Promise<void> {
  if (provider.discardStaged === undefined) return;
  let staged: Uint8Array | null = null;
  try {
    staged = (await provider.obtainStaged?.()) ?? null;
    const needed = staged;
    if (needed !== null && slots.some((slot) => slotAccepts(vaultId, slot, needed))) return;
    await provider.discardStaged();
  } catch {
    // The vault opens without it. The next unlock, or the next rotation, tries again.
  } finally {
    wipe(staged);
  }
}

async function requireReadBack(provider: KeyProvider, kek: Uint8Array): Promise<void> {
  if (!(await handsBack(provider, kek, false))) {
    throw new VaultError(
      "VAULT_KEY_UNAVAILABLE",
      "the key provider does not give back the key it made; nothing was created",
    );
  }
}

async function handsBack(
  provider: KeyProvider,
  kek: Uint8Array,
  staged: boolean,
): Promise<boolean> {
  // A passphrase is not stored anywhere; deriving again would only cost another second.
  if (provider.config.kind === "passphrase") return true;
  let again: Uint8Array | null = null;
  try {
    again = staged ? ((await provider.obtainStaged?.()) ?? null) : await provider.obtain();
    return again !== null && equalBytes(again, kek);
  } catch {
    return false;
  } finally {
    wipe(again);
  }
}

async function holdsKey(
  provider: KeyProvider,
  vaultId: string,
  slots: readonly KeySlot[],
): Promise<boolean> {
  let kek: Uint8Array;
  try {
    kek = await provider.obtain();
  } catch {
    return false;
  }
  try {
    return slots.some((slot) => slotAccepts(vaultId, slot, kek));
  } finally {
    wipe(kek);
  }
}
