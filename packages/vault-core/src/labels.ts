/**
 * Every label that separates one use of a key from another. A label appears in exactly one place
 * of the format; changing one is a new format version.
 *
 * @see docs/format.md#labels
 */
export const LABELS = {
  kekCheck: "aivault/v1/kek-check",
  ring: "aivault/v1/ring",
  config: "aivault/v1/config",
  manifestRoot: "aivault/v1/manifest-root",
  manifestHead: "aivault/v1/manifest-head",
  name: "aivault/v1/name",
  documentId: "aivault/v1/document-id",
  metadata: "aivault/v1/metadata",
  dek: "aivault/v1/dek",
  value: "aivault/v1/value",
  document: "aivault/v1/document",
  audit: "aivault/v1/audit",
  auditGenesis: "aivault/v1/audit-genesis",
  auditHead: "aivault/v1/audit-head",
  auditCheckpoint: "aivault/v1/audit-checkpoint",
  backup: "aivault/v1/backup",
} as const;

/** The format version that every authenticated structure binds. */
export const FORMAT_VERSION = 1;
