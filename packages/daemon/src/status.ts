/** Every condition that can end a request, to what the wire says of it: one table. */

import { isBrokerError } from "@aivault/broker";
import type { WireConfirmation, WireErrorCode, WireReason } from "@aivault/client/protocol";
import { isRegistryError, type RegistryErrorCode } from "@aivault/registry";
import { isVaultError, type VaultErrorCode } from "@aivault/vault-core";
import { Problem, type ProblemFacts } from "./problem.ts";

/** HTTP status of each wire code. docs/protocol.md#problems */
export const STATUS: Readonly<Record<WireErrorCode, number>> = {
  invalid_request: 400,
  token_invalid: 401,
  operator_auth_required: 401,
  policy_violation: 403,
  not_found: 404,
  capability_not_found: 404,
  credential_not_found: 404,
  secret_not_found: 404,
  credential_ambiguous: 409,
  conflict: 409,
  request_too_large: 413,
  vault_locked: 423,
  rate_limited: 429,
  internal: 500,
  upstream_unreachable: 502,
  upstream_failed: 502,
  response_too_large: 502,
  auth_failed: 502,
  vault_unavailable: 503,
  upstream_timeout: 504,
};

interface WireForm {
  readonly code: WireErrorCode;
  /** Instead of the error's own message, where that would name files of the vault to a caller. */
  readonly message?: string;
  readonly hint?: string;
  readonly reason?: WireReason;
}

const DAMAGED: WireForm = {
  code: "vault_unavailable",
  message: "the vault cannot be used: a record did not authenticate",
  hint: "aivault status",
};

const VAULT: Readonly<Record<VaultErrorCode, WireForm>> = {
  VAULT_NOT_INITIALIZED: { code: "vault_unavailable", hint: "aivault init" },
  VAULT_ALREADY_INITIALIZED: { code: "conflict" },
  VAULT_LOCKED: { code: "vault_locked", message: "the vault is locked", hint: "aivault unlock" },
  VAULT_BUSY: { code: "vault_unavailable" },
  VAULT_OPEN_FAILED: DAMAGED,
  VAULT_TAMPERED: DAMAGED,
  // Reached by `POST /aivault/unlock` only: a vault whose key is in a file does not start.
  VAULT_KEY_MISMATCH: {
    code: "operator_auth_required",
    reason: "passphrase_wrong",
    message: "the passphrase does not fit this vault",
  },
  VAULT_KEY_UNAVAILABLE: { code: "vault_unavailable" },
  VAULT_SECRET_NOT_FOUND: { code: "secret_not_found", hint: "aivault secrets list" },
  VAULT_SECRET_EXISTS: { code: "conflict", hint: "aivault secrets rotate" },
  VAULT_SECRET_DELETED: { code: "secret_not_found" },
  VAULT_DOCUMENT_NOT_FOUND: { code: "not_found" },
  VAULT_REVISION_CONFLICT: { code: "conflict" },
  VAULT_INVALID_INPUT: { code: "invalid_request" },
  VAULT_FORMAT_UNSUPPORTED: { code: "vault_unavailable" },
  VAULT_LEGACY_FORMAT: { code: "vault_unavailable" },
  VAULT_STORE_FAILED: {
    code: "vault_unavailable",
    message: "the vault could not be read or written; once it can be, this works again",
    hint: "aivault doctor",
  },
  VAULT_STORE_FULL: {
    code: "vault_unavailable",
    message: "no space is left for the vault, so nothing was done; once there is, this works again",
    hint: "aivault doctor",
  },
  // G18: what cannot be recorded does not happen.
  VAULT_AUDIT_FAILED: {
    code: "vault_unavailable",
    message:
      "the audit log could not be written, so nothing was done; once it can be, this works again",
    hint: "aivault doctor",
  },
};

const REGISTRY: Readonly<Record<RegistryErrorCode, WireErrorCode>> = {
  REGISTRY_INVALID: "invalid_request",
  REGISTRY_PROVIDER_UNKNOWN: "not_found",
  REGISTRY_CAPABILITY_UNKNOWN: "capability_not_found",
};

/**
 * What to tell the peer about an error.
 *
 * An error without an entry here is `internal` with a fixed message: what it says may hold anything.
 */
export function describeError(error: unknown): ProblemFacts {
  if (error instanceof Problem) {
    const { reason, hint, retryAfterMs, confirmation } = error;
    return facts(error.code, error.message, { reason, hint, retryAfterMs, confirmation });
  }
  if (isBrokerError(error)) {
    // A vault's own failure says the same whether or not the broker was asked first.
    if (error.code === "vault_unavailable" && isVaultError(error.cause)) {
      return describeError(error.cause);
    }
    const { reason, hint, retryAfterMs } = error;
    return facts(error.code, error.message, { reason, hint, retryAfterMs });
  }
  if (isVaultError(error)) {
    const form = VAULT[error.code];
    const { hint = null, reason = null } = form;
    return facts(form.code, form.message ?? error.message, { hint, reason });
  }
  if (isRegistryError(error)) return facts(REGISTRY[error.code], error.message, {});
  return facts("internal", "something failed inside aivaultd; its log has this request id", {});
}

function facts(
  code: WireErrorCode,
  message: string,
  detail: {
    reason?: WireReason | null;
    hint?: string | null;
    retryAfterMs?: number | null;
    confirmation?: WireConfirmation | null;
  },
): ProblemFacts {
  return {
    status: STATUS[code],
    code,
    reason: detail.reason ?? null,
    message,
    hint: detail.hint ?? null,
    retryAfterMs: detail.retryAfterMs ?? null,
    confirmation: detail.confirmation ?? null,
  };
}
