export type { AuditEntry, AuditEvent } from "./audit-entry.ts";
export type { AuditLog, AuditVerification } from "./audit-log.ts";
export { type BackupKey, type BackupSummary, restoreBackup, verifyBackup } from "./backup.ts";
export type { Clock, RandomBytes } from "./bytes.ts";
export { type CheckpointVerification, verifyCheckpoints } from "./checkpoint.ts";
export { isVaultError, VaultError, type VaultErrorCode } from "./errors.ts";
export { DOCUMENT_KINDS, type DocumentKind } from "./identifiers.ts";
export { canonicalJson, type JsonValue } from "./json.ts";
export {
  formatKeyText,
  type KeyProvider,
  type KeyProviderConfig,
  parseKeyText,
} from "./key-provider.ts";
export { MemoryStore } from "./memory-store.ts";
export {
  type Argon2id,
  type Argon2idParameters,
  DEFAULT_COSTS,
  passphraseKeyProvider,
  portableArgon2id,
} from "./passphrase.ts";
export type { GroupReference, Scope } from "./scope.ts";
export type { Page, SealedDocument, SecretMetadata } from "./secret-metadata.ts";
export type { LogDurability, LogSegment, Store, StoreChange, StoredRecord } from "./store.ts";
export type { NewSecret, SecretChange, VaultTransaction } from "./transaction.ts";
export { type RotationResult, Vault, type VaultOptions, type VaultStatus } from "./vault.ts";
export type { VaultProblem, VaultVerification } from "./verify.ts";
