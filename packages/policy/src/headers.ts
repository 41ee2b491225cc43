import {
  foldHeaderName,
  type HeaderPair,
  isAuthHeader,
  isBrokerOwnedHeader,
  isHeaderName,
  isHopByHopHeader,
} from "./header-name.ts";
import { accept, forbid, invalid, quote, type Result, tooLarge } from "./result.ts";

/** Headers a request may have. */
export const HEADERS_MAX = 200;

/** Characters of all names and values of a request together. */
export const HEADER_CHARS_MAX = 65_536;

/** Options of {@link requestHeaders}. */
export interface RequestHeaderOptions {
  /** Names of headers the credential injects or signs. */
  readonly managed: readonly string[];
}

/**
 * Decide which of a caller's headers go upstream (G6).
 *
 * Refused: names that carry a credential or that the credential manages, in any case and with `_` or `.`
 * for `-`; duplicates; names that are not tokens; values with controls or beyond Latin-1. Dropped in
 * silence: what the broker sets itself or never sends: framing, hop-by-hop (and what `Connection`
 * nominates), forwarding, method and URL overrides, `accept-encoding`. Everything else passes.
 *
 * @returns The headers in the order given, names lower-case, values without surrounding white space.
 * `auth_header_rejected`, `duplicate_header`, `invalid_request`, or `request_too_large`.
 */
export function requestHeaders(
  headers: readonly HeaderPair[],
  options: RequestHeaderOptions,
): Result<readonly HeaderPair[]> {
  if (headers.length > HEADERS_MAX) return tooLarge(`more than ${HEADERS_MAX} headers`);
  let chars = 0;
  for (const { name, value } of headers) chars += name.length + value.length;
  if (chars > HEADER_CHARS_MAX) {
    return tooLarge(`the headers have more than ${HEADER_CHARS_MAX} characters`);
  }
  const managed = new Set(options.managed.map(foldHeaderName));
  const seen = new Set<string>();
  const passed: { folded: string; pair: HeaderPair }[] = [];
  const nominated = new Set<string>();
  for (const { name, value } of headers) {
    if (!isHeaderName(name)) return invalid(`${quote(name)} is not a header name`);
    if (!isHeaderValue(value)) {
      return invalid(`the value of ${quote(name)} has a control or a character beyond Latin-1`);
    }
    const folded = foldHeaderName(name);
    if (seen.has(folded)) {
      return forbid("duplicate_header", `the header ${quote(name)} appears twice; send it once`);
    }
    seen.add(folded);
    if (folded === "connection") {
      for (const option of value.split(",")) nominated.add(foldHeaderName(option.trim()));
    }
    if (managed.has(folded) || isAuthHeader(folded)) {
      return forbid(
        "auth_header_rejected",
        `the header ${quote(name)} carries a credential; the broker adds it, leave it out`,
      );
    }
    if (isBrokerOwnedHeader(folded)) continue;
    passed.push({ folded, pair: { name: name.toLowerCase(), value: trimWhiteSpace(value) } });
  }
  return accept(passed.filter(({ folded }) => !nominated.has(folded)).map(({ pair }) => pair));
}

/** Options of {@link responseHeaders}. */
export interface ResponseHeaderOptions {
  /** Names of headers the credential injects, in case the provider echoes them. Default none. */
  readonly managed?: readonly string[];
}

/**
 * The upstream's headers as a caller may see them (G9).
 *
 * Left out: auth-class and session headers, `set-cookie`, hop-by-hop (and what `Connection` nominates),
 * `alt-svc`, anything beginning with `aivault-` (those are the daemon's own), and what is malformed.
 * Values are not searched for secrets here; the redactor does that.
 *
 * @returns The headers in the order given, names lower-case. `content-length` and `content-encoding`
 * describe a body the broker may change: the first is left out, the second kept.
 */
export function responseHeaders(
  headers: readonly HeaderPair[],
  options: ResponseHeaderOptions = {},
): readonly HeaderPair[] {
  const hidden = new Set(options.managed?.map(foldHeaderName));
  for (const { name, value } of headers) {
    if (name.toLowerCase() !== "connection") continue;
    for (const option of value.split(",")) hidden.add(foldHeaderName(option.trim()));
  }
  const passed: HeaderPair[] = [];
  for (const { name, value } of headers) {
    if (!isHeaderName(name) || !isHeaderValue(value)) continue;
    const folded = foldHeaderName(name);
    if (hidden.has(folded) || isHopByHopHeader(folded) || isHiddenInResponses(folded)) continue;
    passed.push({ name: name.toLowerCase(), value: trimWhiteSpace(value) });
  }
  return passed;
}

const HIDDEN_IN_RESPONSES: ReadonlySet<string> = new Set([
  "alt-svc",
  "clear-site-data",
  "x-session",
  "x-session-id",
  "session-id",
]);

function isHiddenInResponses(folded: string): boolean {
  return HIDDEN_IN_RESPONSES.has(folded) || folded.startsWith("aivault-") || isAuthHeader(folded);
}

// HTAB, SP to ~, and Latin-1 without its C1 controls. RFC 9110 §5.5 admits obs-text; what is beyond
// Latin-1 is refused because an encoder that keeps the low byte would turn U+010A into a line feed.
const VALUE = /^[\t\u0020-\u007e\u00a0-\u00ff]*$/;

function isHeaderValue(value: string): boolean {
  return VALUE.test(value);
}

/** Without leading and trailing SP and HTAB, which are not part of a value (RFC 9110 §5.5). */
function trimWhiteSpace(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(value.charCodeAt(start))) start++;
  while (end > start && isBlank(value.charCodeAt(end - 1))) end--;
  return value.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
