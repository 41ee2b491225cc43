/**
 * What can go wrong between a caller and the daemon, as one error class with stable codes.
 */
import type { ProblemBody, WireConfirmation, WireErrorCode, WireReason } from "./protocol.ts";

/**
 * Codes that arise in this process. All others arrive from the daemon unchanged.
 *
 * - `CLIENT_DAEMON_UNREACHABLE`: no socket accepted a connection. Nothing was sent; trying again is safe.
 * - `CLIENT_PROTOCOL_MISMATCH`: something answered, and it is not an `aivaultd` we understand.
 * - `CLIENT_RESPONSE_BROKEN`: the connection ended before the answer did. The call may have run.
 * - `CLIENT_ABORTED`: the caller's own signal, or `cancel()`. The call may have run.
 * - `CLIENT_TIMEOUT`: no answer in the time allowed. The call may have run.
 * - `CLIENT_FILE_UNREADABLE`: a file to upload is missing, unreadable, or not a regular file.
 * - `CLIENT_NOT_JSON`: `json()` met a body that is not JSON.
 * - `CLIENT_UPSTREAM_STATUS`: `json()` met a provider's status outside 200 to 299.
 */
export type ClientErrorCode =
  | "CLIENT_DAEMON_UNREACHABLE"
  | "CLIENT_PROTOCOL_MISMATCH"
  | "CLIENT_RESPONSE_BROKEN"
  | "CLIENT_ABORTED"
  | "CLIENT_TIMEOUT"
  | "CLIENT_FILE_UNREADABLE"
  | "CLIENT_NOT_JSON"
  | "CLIENT_UPSTREAM_STATUS";

export type AivaultErrorCode = WireErrorCode | ClientErrorCode;

export interface AivaultErrorOptions {
  readonly reason?: WireReason | null;
  readonly hint?: string | null;
  readonly requestId?: string | null;
  readonly status?: number | null;
  readonly body?: unknown;
  readonly confirmation?: WireConfirmation | null;
  readonly cause?: unknown;
}

/**
 * The only error this package throws for conditions a caller can meet in normal operation.
 *
 * `message` is aivault's own text: it names sockets, ids and rules, never a secret or body byte.
 */
export class AivaultError extends Error {
  override readonly name = "AivaultError";
  readonly code: AivaultErrorCode;
  /** Refines `policy_violation` and a few others; null elsewhere. */
  readonly reason: WireReason | null;
  /** What to do next, when something can be done. */
  readonly hint: string | null;
  /** Names the request in the audit log; null when nothing reached the daemon. */
  readonly requestId: string | null;
  /** HTTP status of the refusal, or the provider's for `CLIENT_UPSTREAM_STATUS`; else null. */
  readonly status: number | null;
  /** The provider's parsed body for `CLIENT_UPSTREAM_STATUS`; else undefined. Not in `message`. */
  readonly body: unknown;
  /** With the reason `confirmation_required`: what the call would do, and the token to do it with. */
  readonly confirmation: WireConfirmation | null;

  constructor(code: AivaultErrorCode, message: string, options: AivaultErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.reason = options.reason ?? null;
    this.hint = options.hint ?? null;
    this.requestId = options.requestId ?? null;
    this.status = options.status ?? null;
    this.body = options.body;
    this.confirmation = options.confirmation ?? null;
    // A provider's body may be large and is not ours to print when the error is logged; what confirms
    // a call does not belong into a log either.
    for (const hidden of ["body", "confirmation"]) {
      Object.defineProperty(this, hidden, { enumerable: false });
    }
  }
}

/** Like `instanceof`, but also true for an error from a second loaded copy of this package. */
export function isAivaultError(value: unknown): value is AivaultError {
  return value instanceof Error && value.name === "AivaultError" && "code" in value;
}

/** The error that a refusal's body describes; `status` is that of the HTTP answer. */
export function refusalError(problem: ProblemBody, status: number): AivaultError {
  return new AivaultError(problem.error, problem.message, {
    reason: problem.reason ?? null,
    hint: problem.hint ?? null,
    requestId: problem.requestId,
    status,
    confirmation: problem.confirmation ?? null,
  });
}
