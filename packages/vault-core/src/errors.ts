/** What went wrong in a vault operation. Closed: additions are minor releases, removals major. */
export type VaultErrorCode =
  | "VAULT_NOT_INITIALIZED"
  | "VAULT_ALREADY_INITIALIZED"
  | "VAULT_LOCKED"
  | "VAULT_BUSY"
  | "VAULT_OPEN_FAILED"
  | "VAULT_TAMPERED"
  | "VAULT_KEY_MISMATCH"
  | "VAULT_KEY_UNAVAILABLE"
  | "VAULT_SECRET_NOT_FOUND"
  | "VAULT_SECRET_EXISTS"
  | "VAULT_SECRET_DELETED"
  | "VAULT_DOCUMENT_NOT_FOUND"
  | "VAULT_REVISION_CONFLICT"
  | "VAULT_INVALID_INPUT"
  | "VAULT_FORMAT_UNSUPPORTED"
  | "VAULT_LEGACY_FORMAT"
  | "VAULT_STORE_FAILED"
  | "VAULT_STORE_FULL"
  | "VAULT_AUDIT_FAILED";

/**
 * The only error this package throws for conditions a caller can meet in normal operation.
 *
 * `message` may be shown to any caller: it carries ids and sizes, never secret bytes. `cause` is
 * for local logs and never leaves the process.
 */
export class VaultError extends Error {
  override readonly name = "VaultError";
  readonly code: VaultErrorCode;
  /** The store key of the file or record that is at fault, where one is: `secrets/<id>.json`. */
  readonly subject: string | null;

  constructor(
    code: VaultErrorCode,
    message: string,
    options: { cause?: unknown; subject?: string } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.subject = options.subject ?? null;
  }
}

/** Like `instanceof`, but also true for an error from a second loaded copy of this package. */
export function isVaultError(value: unknown): value is VaultError {
  return value instanceof Error && value.name === "VaultError" && "code" in value;
}

/** Whether an error says that stored bytes are not what the vault wrote. */
export function isDamage(error: unknown): error is VaultError {
  return (
    isVaultError(error) && (error.code === "VAULT_TAMPERED" || error.code === "VAULT_OPEN_FAILED")
  );
}

/**
 * Whether an error concerns one record alone: it is damaged, or the medium does not give it back.
 * Such a record fails closed, and must not keep the others from being used (W-C2).
 */
export function isRecordFailure(error: unknown): error is VaultError {
  return (
    isDamage(error) ||
    (isVaultError(error) &&
      error.code === "VAULT_STORE_FAILED" &&
      error.subject?.endsWith(".json") === true)
  );
}
