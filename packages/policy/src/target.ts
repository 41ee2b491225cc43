import { decodePercent, hexByte } from "./percent.ts";
import { accept, type Denial, invalid, type Result, tooLarge } from "./result.ts";
import { checkEscapedSegment, checkPlainSegment, notUtf8 } from "./segment.ts";

/**
 * Where a request goes on its host.
 *
 * G7: the broker matches `path` against the rules and sends `path`, byte for byte. Nothing between the
 * two parses, decodes or normalises again; in particular no URL object is built from it.
 */
export interface Target {
  /**
   * Begins with one `/`. Canonical: percent-encoding only where it is needed, hex digits upper-case, no
   * dot segment, no encoded separator, ASCII only. {@link parseTarget} of it is itself.
   */
  readonly path: string;
  /** Without `?`; "" if there is none. As the caller wrote it: order, duplicates and encoding are kept. */
  readonly query: string;
}

/** Options of {@link parseTarget}. */
export interface TargetOptions {
  /**
   * Accept `%2F` inside a segment, for providers whose ids contain slashes (GitLab). Only a rule that
   * says `encodedSlash` then matches such a path. Default false.
   */
  readonly encodedSlash?: boolean;
}

/** Characters a path with its query may have. */
export const TARGET_CHARS_MAX = 65_536;

const SLASH = 0x2f;
const PERCENT = 0x25;
const HASH = 0x23;

// What may stand for itself: in a path RFC 3986 `pchar` and `/`; in a query also `/ ? [ ]`.
const PATH_CHAR = 1;
const QUERY_CHAR = 2;
const UNRESERVED = 4;
const CHAR_CLASS = new Uint8Array(128);
for (const [letters, flags] of [
  [
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~",
    PATH_CHAR | QUERY_CHAR | UNRESERVED,
  ],
  ["!$&'()*+,;=:@/", PATH_CHAR | QUERY_CHAR],
  ["?[]", QUERY_CHAR],
] as const) {
  for (const letter of letters) CHAR_CLASS[letter.charCodeAt(0)] = flags;
}

/**
 * Read a request path with optional query into its one canonical form, or refuse it.
 *
 * P1: what this returns is what rules are matched against and what is sent.
 *
 * What two servers could read differently is refused even where it would stay inside a rule: dot
 * segments in every spelling, encoded separators, double encoding, invalid UTF-8, look-alikes.
 *
 * @param raw - As the caller wrote it. Nothing is trimmed.
 * @returns `path_traversal` for what tries to leave its place, `invalid_request` for what is not a path,
 * `request_too_large` above {@link TARGET_CHARS_MAX}.
 * @see RFC 3986 §3.3, §3.4, §6.2.2
 */
export function parseTarget(raw: string, options: TargetOptions = {}): Result<Target> {
  if (raw.length > TARGET_CHARS_MAX) {
    return tooLarge(`the path is longer than ${TARGET_CHARS_MAX} characters`);
  }
  if (raw.charCodeAt(0) !== SLASH) {
    return invalid("the path must begin with `/`; the host comes from the capability");
  }
  if (raw.charCodeAt(1) === SLASH) return invalid("the path must begin with exactly one `/`");
  const mark = raw.indexOf("?");
  const rawPath = mark === -1 ? raw : raw.slice(0, mark);
  const query = mark === -1 ? "" : raw.slice(mark + 1);
  const refusedQuery = checkQuery(query, mark + 1);
  if (refusedQuery !== null) return refusedQuery;
  const path = canonicalPath(rawPath);
  if (typeof path !== "string") return path;
  const refused = checkSegments(path, options.encodedSlash === true);
  return refused ?? accept({ path, query });
}

/** Nothing beyond ASCII may stand for itself. */
function classOf(code: number): number {
  return CHAR_CLASS[code] ?? 0;
}

function badCharacter(code: number, at: number): Denial {
  if (code === HASH) return invalid("a path has no fragment: `#` is sent as `%23`");
  return invalid(
    `the character at position ${at} of the path must be percent-encoded (RFC 3986 section 3.3)`,
  );
}

function badEscape(at: number): Denial {
  return invalid(`\`%\` at position ${at} of the path is not followed by two hex digits`);
}

/** Check the characters of a path, decode needless escapes, and write the others in upper-case. */
function canonicalPath(raw: string): string | Denial {
  let path = "";
  let copied = 0;
  for (let i = 0; i < raw.length; i++) {
    const code = raw.charCodeAt(i);
    if (code !== PERCENT) {
      if ((classOf(code) & PATH_CHAR) === 0) {
        return badCharacter(code, i);
      }
      continue;
    }
    const byte = hexByte(raw, i + 1);
    if (byte === -1) return badEscape(i);
    path += raw.slice(copied, i);
    path +=
      (classOf(byte) & UNRESERVED) !== 0
        ? String.fromCharCode(byte)
        : `%${raw.slice(i + 1, i + 3).toUpperCase()}`;
    i += 2;
    copied = i + 1;
  }
  return copied === 0 ? raw : path + raw.slice(copied);
}

/**
 * A decoded unreserved character can complete another escape: `%2%65` is malformed, but `%25%32%65`
 * becomes `%252e`. Segments are therefore checked in the canonical form, which is what is sent.
 */
function checkSegments(path: string, encodedSlash: boolean): Denial | null {
  let percent = path.indexOf("%");
  for (let start = 1; ; ) {
    const slash = path.indexOf("/", start);
    const end = slash === -1 ? path.length : slash;
    const escaped = percent !== -1 && percent < end;
    const refused = escaped
      ? checkEscapedSegment(path.slice(start, end), encodedSlash)
      : checkPlainSegment(path, start, end);
    if (refused !== null) return refused;
    if (slash === -1) return null;
    start = slash + 1;
    // Looked for once per escaped segment: from each segment it would be quadratic.
    if (escaped) percent = path.indexOf("%", start);
  }
}

function checkQuery(query: string, offset: number): Denial | null {
  let encodedBytes = false;
  for (let i = 0; i < query.length; i++) {
    const code = query.charCodeAt(i);
    if (code === PERCENT) {
      const byte = hexByte(query, i + 1);
      if (byte === -1) return badEscape(offset + i);
      if (byte > 127) encodedBytes = true;
      i += 2;
    } else if ((classOf(code) & QUERY_CHAR) === 0) {
      return badCharacter(code, offset + i);
    }
  }
  if (encodedBytes && decodePercent(query) === null) return notUtf8();
  return null;
}
