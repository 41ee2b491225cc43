import { type Clock, encodeBase64, encodeUtf8, type RandomBytes, wipe } from "./bytes.ts";
import { isVaultError, VaultError } from "./errors.ts";
import {
  createSecretId,
  type DocumentKind,
  requireDocumentId,
  requireDocumentKind,
  requireIdentifier,
  requireName,
  requireSecretId,
} from "./identifiers.ts";
import { canonicalJson, type JsonValue } from "./json.ts";
import type { CollectionRoot, ManifestEdit } from "./manifest.ts";
import {
  documentFile,
  documentHandle,
  nameEntry,
  openSecret,
  rewrapSecret,
  type SecretRecord,
  sealDocument,
  sealSecret,
  secretFile,
  serializeDocumentRecord,
  serializeSecretRecord,
  shredSecret,
} from "./record.ts";
import {
  GLOBAL_SCOPE,
  type GroupReference,
  parseGroupReference,
  parseScope,
  type Scope,
} from "./scope.ts";
import type { SealedDocument, SecretMetadata } from "./secret-metadata.ts";
import type { LoadedSecret, Session } from "./session.ts";
import { sha256 } from "./sha256.ts";
import type { StoreChange } from "./store.ts";

/** Bytes of the largest secret value. */
export const VALUE_BYTES_MAX = 1024 * 1024;
/** Bytes of the largest document, as canonical JSON. */
export const DOCUMENT_BYTES_MAX = 4 * 1024 * 1024;
const ALIASES_MAX = 32;
const GROUPS_MAX = 1024;

/** What a new secret is made of. */
export interface NewSecret {
  readonly name: string;
  /** 1 byte to 1 MiB. Borrowed: the caller wipes it. */
  readonly value: Uint8Array;
  readonly aliases?: readonly string[];
  /** Default: global. */
  readonly scope?: Scope;
  /** Default: not pinned. */
  readonly pinnedProvider?: string | null;
}

/** What may change about a secret besides its value. */
export interface SecretChange {
  readonly name?: string;
  /** Replaces all aliases. */
  readonly aliases?: readonly string[];
  /** Pins an unpinned secret. A pin never changes afterwards. */
  readonly pinnedProvider?: string;
}

/**
 * The reads and writes of one change. It sees its own writes; nobody else does before the change
 * is committed. Every method throws `VAULT_INVALID_INPUT` for malformed ids, names and scopes.
 */
export interface VaultTransaction {
  /** @throws {VaultError} `VAULT_SECRET_EXISTS`: the name or an alias is taken in this scope. */
  createSecret(input: NewSecret): Promise<SecretMetadata>;
  /** @throws {VaultError} `VAULT_SECRET_EXISTS`, `VAULT_SECRET_NOT_FOUND`, `VAULT_SECRET_DELETED`. */
  updateSecret(secretId: string, change: SecretChange): Promise<SecretMetadata>;
  /** Gives a secret a new value under a fresh DEK. @param value - Borrowed. */
  rotateSecret(secretId: string, value: Uint8Array): Promise<SecretMetadata>;
  /** Removes the value and its DEK for good; the metadata stays, the name is free again. */
  deleteSecret(secretId: string): Promise<SecretMetadata>;
  /** Removes every trace of a secret, deleted or not. */
  purgeSecret(secretId: string): Promise<void>;
  attachGroup(secretId: string, group: GroupReference): Promise<SecretMetadata>;
  detachGroup(secretId: string, group: GroupReference): Promise<SecretMetadata>;
  getSecret(secretId: string): Promise<SecretMetadata>;
  findSecret(name: string, scope: Scope): Promise<SecretMetadata | null>;
  getDocument(kind: DocumentKind, id: string): Promise<SealedDocument | null>;
  /**
   * @param options - `expectedRevision`: the revision that must be stored now; null: there must be
   *   none; left out: do not care.
   * @throws {VaultError} `VAULT_REVISION_CONFLICT`.
   */
  putDocument(
    kind: DocumentKind,
    id: string,
    value: JsonValue,
    options?: { readonly expectedRevision?: number | null },
  ): Promise<SealedDocument>;
  /** @returns Whether there was one. */
  deleteDocument(kind: DocumentKind, id: string): Promise<boolean>;
}

/** A change being put together. */
export class Transaction implements VaultTransaction {
  readonly #session: Session;
  readonly #random: RandomBytes;
  readonly #now: Clock;
  readonly #edit: ManifestEdit;
  readonly #changes = new Map<string, StoreChange>();
  readonly #secrets = new Map<string, LoadedSecret>();
  readonly #documents = new Map<string, SealedDocument | null>();
  /** Calls run one after another, so that checks and writes of two calls do not interleave. */
  #last: Promise<unknown> = Promise.resolve();
  #ended = false;
  /** A call that broke off in the middle; what it left must not be committed. */
  #failure: { error: unknown } | null = null;

  constructor(session: Session, random: RandomBytes, now: Clock) {
    this.#session = session;
    this.#random = random;
    this.#now = now;
    this.#edit = session.tree.edit();
  }

  /** Waits for calls that were not awaited and refuses later ones. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#last.catch(() => {});
  }

  /** What to commit, or null when nothing changed. */
  finish(): { changes: StoreChange[]; collections: { [name: string]: CollectionRoot } } | null {
    if (this.#failure !== null) throw this.#failure.error;
    if (this.#changes.size === 0) return null;
    const { changes, collections } = this.#edit.finish();
    return { changes: [...this.#changes.values(), ...changes], collections };
  }

  createSecret(input: NewSecret): Promise<SecretMetadata> {
    return this.#inOrder(async () => {
      const { name, value, aliases = [], scope = GLOBAL_SCOPE, pinnedProvider = null } = input;
      requireValue(value);
      const nowMs = this.#now();
      const metadata: SecretMetadata = {
        secretId: createSecretId(this.#random),
        name: requireName(name),
        aliases: parseAliases(aliases, name),
        scope: parseScope(scope),
        pinnedProvider:
          pinnedProvider === null ? null : requireIdentifier(pinnedProvider, "provider id"),
        valueVersion: 1,
        attachedGroups: [],
        createdAtMs: nowMs,
        updatedAtMs: nowMs,
        deletedAtMs: null,
      };
      await this.#claimNames(metadata, null);
      const { vaultId, ring } = this.#session;
      return this.#putSecret(sealSecret(metadata, value, vaultId, ring, this.#random), metadata);
    });
  }

  updateSecret(secretId: string, change: SecretChange): Promise<SecretMetadata> {
    return this.#inOrder(async () => {
      const loaded = await this.#active(secretId);
      const before = loaded.metadata;
      const name = change.name === undefined ? before.name : requireName(change.name);
      const aliases = parseAliases(change.aliases ?? before.aliases, name);
      const metadata: SecretMetadata = {
        ...before,
        name,
        aliases,
        pinnedProvider: nextPin(before, change.pinnedProvider),
        updatedAtMs: this.#now(),
      };
      await this.#claimNames(metadata, before);
      if (metadata.pinnedProvider === before.pinnedProvider)
        return this.#putMetadata(loaded, metadata);
      // The pin is part of what the value is bound to, so the value is sealed again.
      const { vaultId, ring } = this.#session;
      const value = openSecret(loaded.record, before, vaultId, ring);
      try {
        return await this.#putSecret(
          sealSecret(metadata, value, vaultId, ring, this.#random),
          metadata,
        );
      } finally {
        wipe(value);
      }
    });
  }

  rotateSecret(secretId: string, value: Uint8Array): Promise<SecretMetadata> {
    return this.#inOrder(async () => {
      requireValue(value);
      const { metadata: before } = await this.#active(secretId);
      const metadata = {
        ...before,
        valueVersion: before.valueVersion + 1,
        updatedAtMs: this.#now(),
      };
      const { vaultId, ring } = this.#session;
      return this.#putSecret(sealSecret(metadata, value, vaultId, ring, this.#random), metadata);
    });
  }

  deleteSecret(secretId: string): Promise<SecretMetadata> {
    return this.#inOrder(async () => {
      const { metadata: before } = await this.#active(secretId);
      const nowMs = this.#now();
      const metadata = { ...before, updatedAtMs: nowMs, deletedAtMs: nowMs };
      await this.#releaseNames(before);
      const { vaultId, ring } = this.#session;
      return this.#putSecret(shredSecret(metadata, vaultId, ring, this.#random), metadata);
    });
  }

  purgeSecret(secretId: string): Promise<void> {
    return this.#inOrder(async () => {
      const { metadata } = await this.#load(secretId);
      if (metadata.deletedAtMs === null) await this.#releaseNames(metadata);
      await this.#edit.delete("secrets", secretId);
      this.#secrets.delete(secretId);
      this.#change(secretFile(secretId), null);
    });
  }

  attachGroup(secretId: string, group: GroupReference): Promise<SecretMetadata> {
    return this.#changeGroups(secretId, group, (others, added) => [...others, added]);
  }

  detachGroup(secretId: string, group: GroupReference): Promise<SecretMetadata> {
    return this.#changeGroups(secretId, group, (others) => others);
  }

  #changeGroups(
    secretId: string,
    group: GroupReference,
    change: (others: readonly GroupReference[], group: GroupReference) => readonly GroupReference[],
  ): Promise<SecretMetadata> {
    return this.#inOrder(async () => {
      const parsed = parseGroupReference(group);
      const loaded = await this.#active(secretId);
      const others = loaded.metadata.attachedGroups.filter(
        ({ workspaceId, groupId }) =>
          workspaceId !== parsed.workspaceId || groupId !== parsed.groupId,
      );
      const attachedGroups = [...change(others, parsed)].sort(compareGroups);
      if (attachedGroups.length === loaded.metadata.attachedGroups.length) return loaded.metadata;
      if (attachedGroups.length > GROUPS_MAX) {
        throw invalid(`a secret is attached to at most ${GROUPS_MAX} groups`);
      }
      return this.#putMetadata(loaded, {
        ...loaded.metadata,
        attachedGroups,
        updatedAtMs: this.#now(),
      });
    });
  }

  getSecret(secretId: string): Promise<SecretMetadata> {
    return this.#inOrder(async () => (await this.#load(secretId)).metadata);
  }

  findSecret(name: string, scope: Scope): Promise<SecretMetadata | null> {
    return this.#inOrder(async () => {
      const entry = nameEntry(this.#session.ring, parseScope(scope), requireName(name));
      const secretId = await this.#edit.get("names", entry);
      return secretId === null ? null : (await this.#load(secretId)).metadata;
    });
  }

  getDocument(kind: DocumentKind, id: string): Promise<SealedDocument | null> {
    return this.#inOrder(() => this.#document(requireDocumentKind(kind), requireDocumentId(id)));
  }

  putDocument(
    kind: DocumentKind,
    id: string,
    value: JsonValue,
    options: { readonly expectedRevision?: number | null } = {},
  ): Promise<SealedDocument> {
    return this.#inOrder(async () => {
      requireDocumentKind(kind);
      const before = await this.#document(kind, requireDocumentId(id));
      const { expectedRevision } = options;
      if (expectedRevision !== undefined && expectedRevision !== (before?.revision ?? null)) {
        const found = before === null ? "there is none" : `revision ${before.revision} is stored`;
        throw new VaultError(
          "VAULT_REVISION_CONFLICT",
          `${kind} \`${id}\` was changed by someone else: ${found}`,
        );
      }
      const document: SealedDocument = {
        kind,
        id,
        revision: (before?.revision ?? 0) + 1,
        value: copyJson(value),
        updatedAtMs: this.#now(),
      };
      const { vaultId, ring } = this.#session;
      const record = sealDocument(document, vaultId, ring, this.#random);
      const bytes = serializeDocumentRecord(record, vaultId);
      await this.#edit.set(kind, record.handle, encodeBase64(sha256(bytes)));
      this.#documents.set(documentFile(kind, record.handle), document);
      this.#change(documentFile(kind, record.handle), bytes);
      return document;
    });
  }

  deleteDocument(kind: DocumentKind, id: string): Promise<boolean> {
    return this.#inOrder(async () => {
      const handle = documentHandle(
        this.#session.ring,
        requireDocumentKind(kind),
        requireDocumentId(id),
      );
      // The record itself is not opened: a damaged document can still be deleted.
      if ((await this.#edit.get(kind, handle)) === null) return false;
      await this.#edit.delete(kind, handle);
      this.#documents.set(documentFile(kind, handle), null);
      this.#change(documentFile(kind, handle), null);
      return true;
    });
  }

  #inOrder<T>(call: () => Promise<T>): Promise<T> {
    if (this.#ended) {
      return Promise.reject(
        new TypeError("this transaction has ended; use it only within its callback"),
      );
    }
    const result = this.#last.then(() => {
      this.#session.requireOpen();
      return call();
    });
    this.#last = result.catch((error: unknown) => {
      if (!isRefusal(error)) this.#failure ??= { error };
    });
    return result;
  }

  async #load(secretId: string): Promise<LoadedSecret> {
    requireSecretId(secretId);
    const staged = this.#secrets.get(secretId);
    if (staged !== undefined) return staged;
    const digest = await this.#edit.get("secrets", secretId);
    if (digest === null) throw notFound(secretId);
    return this.#session.loadSecret(secretId, digest);
  }

  async #active(secretId: string): Promise<LoadedSecret> {
    const loaded = await this.#load(secretId);
    if (loaded.metadata.deletedAtMs !== null) throw deletedError(secretId);
    return loaded;
  }

  /** Makes `after`'s name and aliases its own, and frees those of `before` that it gives up. */
  async #claimNames(after: SecretMetadata, before: SecretMetadata | null): Promise<void> {
    const { ring } = this.#session;
    const wanted = [after.name, ...after.aliases];
    for (const name of wanted) {
      const holder = await this.#edit.get("names", nameEntry(ring, after.scope, name));
      if (holder !== null && holder !== after.secretId) {
        throw new VaultError(
          "VAULT_SECRET_EXISTS",
          `a secret named \`${name}\` exists in this scope`,
        );
      }
    }
    if (before !== null) await this.#releaseNames(before);
    for (const name of wanted) {
      await this.#edit.set("names", nameEntry(ring, after.scope, name), after.secretId);
    }
  }

  async #releaseNames({ name, aliases, scope }: SecretMetadata): Promise<void> {
    for (const held of [name, ...aliases]) {
      await this.#edit.delete("names", nameEntry(this.#session.ring, scope, held));
    }
  }

  #putMetadata(loaded: LoadedSecret, metadata: SecretMetadata): Promise<SecretMetadata> {
    const { vaultId, ring } = this.#session;
    const record = rewrapSecret(
      loaded.record,
      loaded.metadata,
      metadata,
      vaultId,
      ring,
      this.#random,
    );
    return this.#putSecret(record, metadata);
  }

  async #putSecret(record: SecretRecord, metadata: SecretMetadata): Promise<SecretMetadata> {
    const bytes = serializeSecretRecord(record, this.#session.vaultId);
    await this.#edit.set("secrets", record.id, encodeBase64(sha256(bytes)));
    this.#secrets.set(record.id, { record, metadata });
    this.#change(secretFile(record.id), bytes);
    return metadata;
  }

  async #document(kind: DocumentKind, id: string): Promise<SealedDocument | null> {
    const handle = documentHandle(this.#session.ring, kind, id);
    const staged = this.#documents.get(documentFile(kind, handle));
    if (staged !== undefined) return staged;
    const digest = await this.#edit.get(kind, handle);
    if (digest === null) return null;
    return (await this.#session.loadDocument(kind, handle, digest)).document;
  }

  #change(key: string, bytes: Uint8Array | null): void {
    this.#changes.set(key, { key, bytes });
  }
}

const REFUSALS: readonly string[] = [
  "VAULT_INVALID_INPUT",
  "VAULT_SECRET_EXISTS",
  "VAULT_SECRET_NOT_FOUND",
  "VAULT_SECRET_DELETED",
  "VAULT_REVISION_CONFLICT",
];

/** Whether a call was refused before it changed anything, so that its caller may go on. */
function isRefusal(error: unknown): boolean {
  return isVaultError(error) && REFUSALS.includes(error.code);
}

/** There is no secret with this id. */
export function notFound(secretId: string): VaultError {
  return new VaultError("VAULT_SECRET_NOT_FOUND", `there is no secret \`${secretId}\``);
}

/** The secret has no value any more. */
export function deletedError(secretId: string): VaultError {
  return new VaultError(
    "VAULT_SECRET_DELETED",
    `secret \`${secretId}\` was deleted; create a new one`,
  );
}

function invalid(message: string): VaultError {
  return new VaultError("VAULT_INVALID_INPUT", message);
}

function requireValue(value: unknown): void {
  if (!(value instanceof Uint8Array)) throw new TypeError("a secret value is a Uint8Array");
  if (value.length === 0 || value.length > VALUE_BYTES_MAX) {
    throw invalid(`a secret value has 1 to ${VALUE_BYTES_MAX} bytes, this one has ${value.length}`);
  }
}

function parseAliases(aliases: readonly string[], name: string): readonly string[] {
  if (!Array.isArray(aliases) || aliases.length > ALIASES_MAX) {
    throw invalid(`a secret has at most ${ALIASES_MAX} aliases`);
  }
  const unique = new Set(aliases.map((alias) => requireName(alias, "alias")));
  unique.delete(name);
  return [...unique].sort();
}

function nextPin(before: SecretMetadata, wanted: string | undefined): string | null {
  if (wanted === undefined) return before.pinnedProvider;
  requireIdentifier(wanted, "provider id");
  if (before.pinnedProvider !== null && before.pinnedProvider !== wanted) {
    throw invalid(
      `secret \`${before.secretId}\` is pinned to \`${before.pinnedProvider}\`; a pin cannot change, create another secret`,
    );
  }
  return wanted;
}

function compareGroups(a: GroupReference, b: GroupReference): number {
  if (a.workspaceId !== b.workspaceId) return a.workspaceId < b.workspaceId ? -1 : 1;
  return a.groupId === b.groupId ? 0 : a.groupId < b.groupId ? -1 : 1;
}

function copyJson(value: JsonValue): JsonValue {
  let text: string;
  try {
    text = canonicalJson(value);
  } catch (cause) {
    throw new VaultError("VAULT_INVALID_INPUT", "a document must be plain JSON", { cause });
  }
  if (encodeUtf8(text).length > DOCUMENT_BYTES_MAX) {
    throw invalid(`a document has at most ${DOCUMENT_BYTES_MAX} bytes`);
  }
  return JSON.parse(text);
}
