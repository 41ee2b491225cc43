import { isVaultError, type VaultErrorCode } from "@aivault/vault-core";

/** What a broker can answer instead of a response. The same strings travel on the wire (docs/protocol.md). */
export type BrokerErrorCode =
  | "invalid_request"
  | "policy_violation"
  | "not_found"
  | "capability_not_found"
  | "credential_not_found"
  | "secret_not_found"
  | "credential_ambiguous"
  | "conflict"
  | "request_too_large"
  | "vault_locked"
  | "rate_limited"
  | "upstream_unreachable"
  | "upstream_timeout"
  | "upstream_failed"
  | "response_too_large"
  | "vault_unavailable"
  | "auth_failed"
  | "internal";

/** Refines a code, mostly `policy_violation`. */
export type BrokerReason =
  | "method_not_allowed"
  | "path_not_allowed"
  | "path_traversal"
  | "host_not_allowed"
  | "address_blocked"
  | "auth_header_rejected"
  | "auth_query_rejected"
  | "duplicate_header"
  | "body_mode_conflict"
  | "capability_not_granted"
  | "redirect_blocked"
  | "secret_pinned"
  | "file_path_not_accepted";

/** What accompanies a {@link BrokerError}. */
export interface BrokerErrorDetails {
  readonly reason?: BrokerReason | null;
  /** A command that would help. */
  readonly hint?: string | null;
  /** Milliseconds after which trying again makes sense. */
  readonly retryAfterMs?: number | null;
  /** For local logs only; never leaves the process. Must not hold bytes of a body or a secret. */
  readonly cause?: unknown;
}

/**
 * The only error this package throws for conditions a caller can meet in normal operation.
 *
 * `message` may be shown to any caller: it names rules, ids and sizes, never a secret or body byte.
 */
export class BrokerError extends Error {
  override readonly name = "BrokerError";
  readonly code: BrokerErrorCode;
  readonly reason: BrokerReason | null;
  readonly hint: string | null;
  readonly retryAfterMs: number | null;

  constructor(code: BrokerErrorCode, message: string, details: BrokerErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.reason = details.reason ?? null;
    this.hint = details.hint ?? null;
    this.retryAfterMs = details.retryAfterMs ?? null;
  }
}

/** Like `instanceof`, but also true for an error from a second loaded copy of this package. */
export function isBrokerError(value: unknown): value is BrokerError {
  return value instanceof Error && value.name === "BrokerError" && "code" in value;
}

const VAULT_CODES: Readonly<Record<VaultErrorCode, BrokerErrorCode>> = {
  VAULT_NOT_INITIALIZED: "vault_unavailable",
  VAULT_ALREADY_INITIALIZED: "conflict",
  VAULT_LOCKED: "vault_locked",
  VAULT_BUSY: "vault_unavailable",
  VAULT_OPEN_FAILED: "vault_unavailable",
  VAULT_TAMPERED: "vault_unavailable",
  VAULT_KEY_MISMATCH: "vault_unavailable",
  VAULT_KEY_UNAVAILABLE: "vault_unavailable",
  VAULT_SECRET_NOT_FOUND: "secret_not_found",
  VAULT_SECRET_EXISTS: "conflict",
  VAULT_SECRET_DELETED: "secret_not_found",
  VAULT_DOCUMENT_NOT_FOUND: "not_found",
  VAULT_REVISION_CONFLICT: "conflict",
  VAULT_INVALID_INPUT: "invalid_request",
  VAULT_FORMAT_UNSUPPORTED: "vault_unavailable",
  VAULT_LEGACY_FORMAT: "vault_unavailable",
  VAULT_STORE_FAILED: "vault_unavailable",
  VAULT_STORE_FULL: "vault_unavailable",
  VAULT_AUDIT_FAILED: "vault_unavailable",
};

/**
 * Any failure as a {@link BrokerError}: itself, a vault's failure under its wire code, or `internal`.
 *
 * The message of an unexpected error is not passed on, since nobody checked what it quotes.
 */
export function toBrokerError(error: unknown): BrokerError {
  if (isBrokerError(error)) return error;
  if (isVaultError(error)) {
    return new BrokerError(VAULT_CODES[error.code] ?? "vault_unavailable", error.message, {
      cause: error,
      hint: error.code === "VAULT_LOCKED" ? "aivault unlock" : null,
    });
  }
  return new BrokerError("internal", "the broker failed unexpectedly; its log says more", {
    cause: error,
  });
}
