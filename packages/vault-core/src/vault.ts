import type { AuditLog } from "./audit-log.ts";
import type { Clock, RandomBytes } from "./bytes.ts";
import type { DocumentKind } from "./identifiers.ts";
import type { JsonValue } from "./json.ts";
import type { KeyProvider, KeyProviderConfig } from "./key-provider.ts";
import type { GroupReference, Scope } from "./scope.ts";
import type { Page, SealedDocument, SecretMetadata } from "./secret-metadata.ts";
import type { Store } from "./store.ts";

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
  readonly keyProvider: KeyProviderConfig;
  /** Counts commits; 0 while locked. */
  readonly revision: number;
  /** Store keys of records that were refused since the vault was unlocked, sorted. */
  readonly quarantined: readonly string[];
}

/** The reads and writes of one change. It sees its own writes. */
export interface VaultTransaction {
  createSecret(input: {
    readonly name: string;
    readonly value: Uint8Array;
    readonly aliases?: readonly string[];
    readonly scope?: Scope;
    readonly pinnedProvider?: string | null;
  }): Promise<SecretMetadata>;
  updateSecret(
    secretId: string,
    change: {
      readonly name?: string;
      readonly aliases?: readonly string[];
      readonly pinnedProvider?: string;
    },
  ): Promise<SecretMetadata>;
  rotateSecret(secretId: string, value: Uint8Array): Promise<SecretMetadata>;
  deleteSecret(secretId: string): Promise<SecretMetadata>;
  purgeSecret(secretId: string): Promise<void>;
  attachGroup(secretId: string, group: GroupReference): Promise<SecretMetadata>;
  detachGroup(secretId: string, group: GroupReference): Promise<SecretMetadata>;
  getSecret(secretId: string): Promise<SecretMetadata>;
  findSecret(name: string, scope: Scope): Promise<SecretMetadata | null>;
  getDocument(kind: DocumentKind, id: string): Promise<SealedDocument | null>;
  putDocument(
    kind: DocumentKind,
    id: string,
    value: JsonValue,
    options?: { readonly expectedRevision?: number | null },
  ): Promise<SealedDocument>;
  deleteDocument(kind: DocumentKind, id: string): Promise<boolean>;
}

const pending = (): never => {
  throw new Error("not built yet");
};

/** A vault. */
export class Vault {
  static create(
    _options: VaultOptions & { readonly keyProvider: KeyProvider; readonly dev?: boolean },
  ): Promise<Vault> {
    return pending();
  }
  static open(_options: VaultOptions): Promise<Vault> {
    return pending();
  }
  status(): VaultStatus {
    return pending();
  }
  unlock(_keyProvider: KeyProvider): Promise<void> {
    return pending();
  }
  lock(): void {
    pending();
  }
  close(): Promise<void> {
    return pending();
  }
  getSecret(_secretId: string): Promise<SecretMetadata> {
    return pending();
  }
  findSecret(_name: string, _scope: Scope): Promise<SecretMetadata | null> {
    return pending();
  }
  listSecrets(_options?: {
    readonly after?: string;
    readonly limit?: number;
    readonly scope?: Scope;
    readonly includeDeleted?: boolean;
  }): Promise<Page<SecretMetadata>> {
    return pending();
  }
  useSecret<T>(
    _secretId: string,
    _use: (value: Uint8Array, metadata: SecretMetadata) => T | Promise<T>,
  ): Promise<T> {
    return pending();
  }
  getDocument(_kind: DocumentKind, _id: string): Promise<SealedDocument | null> {
    return pending();
  }
  listDocuments(
    _kind: DocumentKind,
    _options?: { readonly after?: string; readonly limit?: number },
  ): Promise<Page<SealedDocument>> {
    return pending();
  }
  transaction<T>(_change: (tx: VaultTransaction) => Promise<T>): Promise<T> {
    return pending();
  }
  get audit(): AuditLog {
    return pending();
  }
}
