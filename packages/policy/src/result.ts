/**
 * Answers of this package are values: a decision to refuse is a {@link Denial}, never an exception.
 * Exceptions are for mistakes of the calling code.
 */

/** Wire error code of a refusal. */
export type PolicyDenialCode = "invalid_request" | "policy_violation" | "request_too_large";

/** Refines `policy_violation`. Closed: additions are minor releases, removals major. */
export type PolicyReason =
  | "method_not_allowed"
  | "path_not_allowed"
  | "path_traversal"
  | "host_not_allowed"
  | "address_blocked"
  | "auth_header_rejected"
  | "auth_query_rejected"
  | "duplicate_header"
  | "body_mode_conflict"
  | "file_path_not_accepted";

/** A refusal: which rule, in which words, and what would be accepted. */
export interface Denial {
  readonly ok: false;
  readonly code: PolicyDenialCode;
  readonly reason: PolicyReason | null;
  /**
   * One line, lowercase, safe to show to any caller. Quotes at most 100 characters of what the caller
   * sent, in printable ASCII, and never a header value or a body byte.
   */
  readonly message: string;
}

/** A value, or why there is none. */
export type Result<T> = { readonly ok: true; readonly value: T } | Denial;

/** The accepting half of a {@link Result}. */
export function accept<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

/** The request is not understood: a mistake of form, whatever the policy says. */
export function invalid(message: string): Denial {
  return { ok: false, code: "invalid_request", reason: null, message };
}

/** The request is understood and forbidden. */
export function forbid(reason: PolicyReason, message: string): Denial {
  return { ok: false, code: "policy_violation", reason, message };
}

/** The request is larger than this package is willing to look at. */
export function tooLarge(message: string): Denial {
  return { ok: false, code: "request_too_large", reason: null, message };
}

const QUOTED_CHARS_MAX = 64;

/**
 * A caller's text made fit for a message: in backticks, printable ASCII only, cut after 64 characters.
 * Anything else becomes `?`, so that a message cannot carry control characters into a terminal or log.
 */
export function quote(text: string): string {
  const head = text.slice(0, QUOTED_CHARS_MAX).replace(/[^\x20-\x5f\x61-\x7e]/g, "?");
  return text.length > QUOTED_CHARS_MAX ? `\`${head}…\`` : `\`${head}\``;
}

const CHOICES_MAX = 8;

/** The choices an operator gave, for the end of a message. */
export function listChoices(choices: readonly string[]): string {
  if (choices.length === 0) return "none";
  const shown = choices.slice(0, CHOICES_MAX).join(", ");
  return choices.length > CHOICES_MAX ? `${shown} and ${choices.length - CHOICES_MAX} more` : shown;
}
