import type { ChainedAuditLog } from "./audit-log.ts";
import { encodeBase64, wipe } from "./bytes.ts";
import { VaultError } from "./errors.ts";
import type { DocumentKind } from "./identifiers.ts";
import type { KeyRing } from "./key-ring.ts";
import type { ManifestTree } from "./manifest.ts";
import {
  type DocumentRecord,
  documentFile,
  openDocument,
  openMetadata,
  parseDocumentRecord,
  parseSecretRecord,
  type SecretRecord,
  secretFile,
} from "./record.ts";
import type { SealedDocument, SecretMetadata } from "./secret-metadata.ts";
import { sha256 } from "./sha256.ts";
import type { Store } from "./store.ts";

/** A secret as it is stored, with its metadata opened. */
export interface LoadedSecret {
  readonly record: SecretRecord;
  readonly metadata: SecretMetadata;
}

/** A document as it is stored, and opened. */
export interface LoadedDocument {
  readonly record: DocumentRecord;
  readonly document: SealedDocument;
}

// Ciphertext and metadata of the secrets in use, so that using one again reads no file.
const SECRETS_CACHED_MAX = 2048;

/** Everything a vault has only while it is unlocked. */
export class Session {
  readonly store: Store;
  readonly vaultId: string;
  /** Replaced when a key is rotated or retired, so use it without awaiting in between. */
  ring: KeyRing;
  /** By KEK id: what seals the ring into each slot whose KEK this session has seen. */
  readonly slotKeys = new Map<string, Uint8Array>();
  /** The committed state; replaced by each commit. */
  tree: ManifestTree;
  rootRevision: string;
  headRevision: string;
  readonly audit: ChainedAuditLog;
  closed = false;
  readonly #secrets = new Map<string, LoadedSecret & { digest: string }>();

  constructor(parts: {
    store: Store;
    vaultId: string;
    ring: KeyRing;
    tree: ManifestTree;
    rootRevision: string;
    headRevision: string;
    audit: ChainedAuditLog;
  }) {
    this.store = parts.store;
    this.vaultId = parts.vaultId;
    this.ring = parts.ring;
    this.tree = parts.tree;
    this.rootRevision = parts.rootRevision;
    this.headRevision = parts.headRevision;
    this.audit = parts.audit;
  }

  /** @throws {VaultError} `VAULT_LOCKED`: the vault was locked since. */
  requireOpen(): void {
    if (this.closed) throw lockedError();
  }

  /** A secret that was read before and has the digest that the manifest gives, or null. */
  cachedSecret(secretId: string, digest: string | null): LoadedSecret | null {
    const cached = this.#secrets.get(secretId);
    return cached !== undefined && cached.digest === digest ? cached : null;
  }

  /**
   * Reads a secret whose digest the manifest gives.
   *
   * @param options - `fresh`: from the store even if it was read before.
   */
  async loadSecret(
    secretId: string,
    digest: string,
    options: { readonly fresh?: boolean } = {},
  ): Promise<LoadedSecret> {
    const cached = this.#secrets.get(secretId);
    if (cached?.digest === digest && options.fresh !== true) return cached;
    const bytes = await this.#read(secretFile(secretId), digest);
    const record = parseSecretRecord(bytes, this.vaultId, secretId);
    const loaded = { record, metadata: openMetadata(record, this.vaultId, this.ring), digest };
    this.#secrets.delete(secretId);
    this.#secrets.set(secretId, loaded);
    if (this.#secrets.size > SECRETS_CACHED_MAX) {
      this.#secrets.delete(this.#secrets.keys().next().value as string);
    }
    return loaded;
  }

  /** Reads a document whose digest the manifest gives. */
  async loadDocument(kind: DocumentKind, handle: string, digest: string): Promise<LoadedDocument> {
    const bytes = await this.#read(documentFile(kind, handle), digest);
    const record = parseDocumentRecord(bytes, this.vaultId, kind, handle);
    return { record, document: openDocument(record, this.vaultId, this.ring) };
  }

  /** G11: a record is what the manifest says it is, or it is not used. */
  async #read(key: string, digest: string): Promise<Uint8Array> {
    const stored = await this.store.get(key);
    this.requireOpen();
    if (stored === null || encodeBase64(sha256(stored.bytes)) !== digest) {
      throw new VaultError(
        "VAULT_TAMPERED",
        `\`${key}\` ${stored === null ? "is missing" : "was changed outside the vault"}; restore it from a backup`,
        { subject: key },
      );
    }
    return stored.bytes;
  }

  /** G23: forgets the keys. */
  close(): void {
    this.closed = true;
    this.ring.wipe();
    for (const key of this.slotKeys.values()) wipe(key);
    this.slotKeys.clear();
    this.#secrets.clear();
    this.audit.wipe();
  }
}

/** The vault has no key. */
export function lockedError(): VaultError {
  return new VaultError("VAULT_LOCKED", "the vault is locked; unlock it first");
}
