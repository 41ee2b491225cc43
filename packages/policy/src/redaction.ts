/**
 * The forms in which an upstream may plausibly echo a credential (G9). This file plans; the streaming
 * redactor that searches for them is the broker's.
 *
 * Everything here is bytes. The forms are as secret as the secret: whoever asked for them wipes them.
 *
 * Covered: the value itself; base64 and base64url at each of the three alignments; hex; percent and form
 * encoding; JSON escapes; HTML escapes; each in the spellings that encoders produce. Not covered, and not
 * promised: encodings of encodings, reversal, encryption, a spelling no encoder has (every second byte
 * escaped).
 */

/**
 * List the byte sequences to search for.
 *
 * Base64 forms contain only what the secret alone determines: the characters at their ends that also
 * depend on neighbouring bytes are left out, so that the form is found wherever the secret stands.
 *
 * @param secret - Borrowed: neither kept nor wiped. Not changed.
 * @returns Distinct, non-empty, the secret itself first. Fresh buffers, owned by the caller, who wipes
 * them. None for an empty secret. Forms of fewer than four bytes, other than the secret itself, are left
 * out: they would be found in everything.
 */
export function secretForms(secret: Uint8Array): Uint8Array[] {
  if (secret.length === 0) return [];
  // A copy in any case: `slice` of a Buffer would be a view, and wiping it would wipe the secret.
  const forms: Uint8Array[] = [new Uint8Array(secret)];
  const add = (form: Uint8Array): void => {
    if (form.length >= FORM_BYTES_MIN && !forms.some((other) => equal(other, form))) {
      forms.push(form);
    } else {
      form.fill(0);
    }
  };
  const scratch = new Uint8Array(secret.length * SPELLED_BYTES_MAX);
  const addSpellings = (text: Uint8Array, spellings: readonly Spelling[]): void => {
    const bytes = distinct(text);
    for (const spelling of spellings) {
      if (changes(bytes, spelling)) add(scratch.slice(0, spell(text, spelling, scratch)));
    }
    bytes.fill(0);
  };
  for (const alignment of [0, 1, 2]) {
    const plain = base64(secret, alignment, STANDARD_62_63);
    addSpellings(plain, BASE64_SPELLINGS);
    add(base64(secret, alignment, URL_62_63));
    add(plain);
  }
  addSpellings(secret, SPELLINGS);
  scratch.fill(0);
  return forms;
}

const FORM_BYTES_MIN = 4;

// The longest are `\u0041`, `&#x41;` and `&quot;`.
const SPELLED_BYTES_MAX = 6;

/**
 * How one encoder writes a text. Made once, when the module is loaded, since secrets are planned for on
 * every request; nothing secret is in it.
 */
interface Spelling {
  /** For each byte, how many bytes are written in its place; 0 for the byte itself. */
  readonly lengths: Uint8Array;
  /** For each byte, what is written: {@link SPELLED_BYTES_MAX} bytes, of which `lengths` says how many. */
  readonly written: Uint8Array;
  /** For a code point beyond ASCII. Null: such text is spelled byte by byte. */
  readonly beyond: ((point: number) => Uint8Array | null) | null;
}

/** The bytes that occur in `text`, each once. */
function distinct(text: Uint8Array): Uint8Array {
  const seen = new Uint8Array(256);
  const bytes = new Uint8Array(Math.min(text.length, 256));
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const byte = text[i] as number;
    if (seen[byte] === 0) bytes[count++] = byte;
    seen[byte] = 1;
  }
  seen.fill(0);
  return bytes.subarray(0, count);
}

/** Whether the encoder writes one of these bytes as anything but itself. */
function changes(bytes: Uint8Array, { lengths, beyond }: Spelling): boolean {
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (lengths[byte] !== 0 || (byte >= 128 && beyond !== null)) return true;
  }
  return false;
}

/** Write `text` to `out`, and return how many bytes that took. */
function spell(text: Uint8Array, { lengths, written, beyond }: Spelling, out: Uint8Array): number {
  let end = 0;
  for (let at = 0; at < text.length; at++) {
    const byte = text[at] as number;
    if (byte >= 128 && beyond !== null) {
      const { point, length } = codePointAt(text, at);
      const other = point === null ? null : beyond(point);
      for (const next of other ?? text.subarray(at, at + length)) out[end++] = next;
      at += length - 1;
      continue;
    }
    const length = lengths[byte] as number;
    if (length === 0) out[end++] = byte;
    const from = byte * SPELLED_BYTES_MAX;
    for (let i = 0; i < length; i++) out[end++] = written[from + i] as number;
  }
  return end;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The code point whose UTF-8 begins at `at`; null for a byte that begins none. RFC 3629 §3. */
function codePointAt(bytes: Uint8Array, at: number): { point: number | null; length: number } {
  const first = bytes[at] as number;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > bytes.length) return { point: null, length: 1 };
  let point = first & (0x7f >> length);
  for (let i = 1; i < length; i++) {
    const next = bytes[at + i] as number;
    if ((next & 0xc0) !== 0x80) return { point: null, length: 1 };
    point = (point << 6) | (next & 0x3f);
  }
  return point > CODE_POINT_MAX ? { point: null, length: 1 } : { point, length };
}

const CODE_POINT_MAX = 0x10ffff;

const STANDARD_62_63 = ascii("+/");
const URL_62_63 = ascii("-_");

/**
 * RFC 4648 §4 or §5 of the secret as it stands behind `alignment` other bytes, without the characters
 * that depend on a neighbour: those that begin before its first bit or end behind its last.
 */
function base64(secret: Uint8Array, alignment: number, last2: Uint8Array): Uint8Array {
  // Bits of the secret before the first character boundary, which is a multiple of six.
  const skipped = Math.ceil((8 * alignment) / 6) * 6 - 8 * alignment;
  const form = new Uint8Array(Math.max(0, Math.floor((8 * secret.length - skipped) / 6)));
  for (let i = 0; i < form.length; i++) {
    const bit = skipped + 6 * i;
    const byte = bit >> 3;
    const pair = ((secret[byte] as number) << 8) | (secret[byte + 1] ?? 0);
    form[i] = base64Letter((pair >> (10 - (bit & 7))) & 63, last2);
  }
  return form;
}

function base64Letter(value: number, last2: Uint8Array): number {
  if (value < 26) return 0x41 + value;
  if (value < 52) return 0x61 + value - 26;
  if (value < 62) return 0x30 + value - 52;
  return last2[value - 62] as number;
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

type Digits = "lower" | "upper";

function hex(value: number, width: number, digits: Digits): string {
  const text = value.toString(16).padStart(width, "0");
  return digits === "upper" ? text.toUpperCase() : text;
}

/** A spelling that looks at bytes. */
function byBytes(write: (byte: number) => string | null): Spelling {
  const lengths = new Uint8Array(256);
  const written = new Uint8Array(256 * SPELLED_BYTES_MAX);
  for (let byte = 0; byte < 256; byte++) {
    const text = write(byte);
    if (text === null) continue;
    lengths[byte] = text.length;
    written.set(ascii(text), byte * SPELLED_BYTES_MAX);
  }
  return { lengths, written, beyond: null };
}

/** A spelling that looks at characters. */
function byPoints(write: (point: number) => string | null): Spelling {
  return {
    ...byBytes((byte) => (byte < 128 ? write(byte) : null)),
    beyond: (point) => {
      const text = write(point);
      return text === null ? null : ascii(text);
    },
  };
}

const BOTH: readonly Digits[] = ["lower", "upper"];

/** What JSON encoders (PHP) and query strings make of base64. */
const BASE64_SPELLINGS: readonly Spelling[] = [
  byBytes((byte) => (byte === 0x2f ? "\\/" : null)),
  ...BOTH.map((digits) =>
    byBytes((byte) => (byte === 0x2f || byte === 0x2b ? `%${hex(byte, 2, digits)}` : null)),
  ),
];

/**
 * What percent-encoders leave alone besides letters and digits: nothing at all; RFC 3986 unreserved; HTML
 * forms; encodeURIComponent; Go; Python; encodeURI; the WHATWG sets for query and path.
 */
const PERCENT_KEPT: readonly string[] = [
  "",
  "-._~",
  "*-._",
  "-_.!~*'()",
  "-_.~$&+:=@",
  "-._",
  "-._~/",
  "-_.!~*'();/?:@&=+$,#",
  "-_.!~*();/?:@&=+$,[]{}|\\^`%",
  "-_.!~*'();/:@&=+$,[]|\\^%",
];

function percentSpellings(kept: string, digits: Digits): readonly Spelling[] {
  const encode = (byte: number): string | null => {
    const letter = String.fromCharCode(byte);
    return /[A-Za-z0-9]/.test(letter) || kept.includes(letter) ? null : `%${hex(byte, 2, digits)}`;
  };
  // The second is application/x-www-form-urlencoded.
  return [byBytes(encode), byBytes((byte) => (byte === 0x20 ? "+" : encode(byte)))];
}

const JSON_SHORT: ReadonlyMap<number, string> = new Map([
  [0x08, "\\b"],
  [0x09, "\\t"],
  [0x0a, "\\n"],
  [0x0c, "\\f"],
  [0x0d, "\\r"],
  [0x22, '\\"'],
  [0x5c, "\\\\"],
]);

/** Characters an encoder writes as `\uXXXX` besides controls, whether it writes `\/`, and only ASCII. */
type JsonStyle = readonly [unicode: string, escapedSlash: boolean, asciiOnly: boolean];

const JSON_STYLES: readonly JsonStyle[] = [
  ["", false, false],
  ["", false, true],
  // PHP, with and without JSON_UNESCAPED_UNICODE.
  ["", true, true],
  ["", true, false],
  // Go and Rails; Gson; .NET.
  ["<>&", false, false],
  ["<>&='", false, false],
  ["<>&'\"+`", false, true],
];

function jsonSpelling([unicode, escapedSlash, asciiOnly]: JsonStyle, digits: Digits): Spelling {
  return byPoints((point) => {
    if (unicode.includes(String.fromCodePoint(point))) return unicodeEscape(point, digits);
    const short = JSON_SHORT.get(point);
    if (short !== undefined) return short;
    if (point === 0x2f && escapedSlash) return "\\/";
    return point < 0x20 || (point > 0x7e && asciiOnly) ? unicodeEscape(point, digits) : null;
  });
}

/** `\uXXXX`, as a surrogate pair beyond the basic plane (RFC 8259 §7). */
function unicodeEscape(point: number, digits: Digits): string {
  return [...String.fromCodePoint(point)]
    .flatMap((letter) => Array.from({ length: letter.length }, (_, i) => letter.charCodeAt(i)))
    .map((unit) => `\\u${hex(unit, 4, digits)}`)
    .join("");
}

/** How HTML encoders write `"`, `'` and what else they escape; `&`, `<` and `>` are always named. */
const HTML_STYLES: readonly Readonly<Record<string, string>>[] = [
  {},
  { '"': "&quot;" },
  { '"': "&quot;", "'": "&#39;" },
  { '"': "&quot;", "'": "&#039;" },
  { '"': "&quot;", "'": "&#x27;" },
  { '"': "&quot;", "'": "&apos;" },
  // Go, in text and in attributes.
  { '"': "&#34;", "'": "&#39;" },
  { '"': "&#34;", "'": "&#39;", "+": "&#43;" },
  // Template engines of JavaScript.
  { '"': "&quot;", "'": "&#x27;", "/": "&#x2F;" },
  { '"': "&quot;", "'": "&#39;", "/": "&#x2F;", "=": "&#x3D;", "`": "&#x60;" },
];

function htmlSpelling(
  style: Readonly<Record<string, string>>,
  beyond: "plain" | "decimal",
): Spelling {
  const named = new Map(Object.entries({ "&": "&amp;", "<": "&lt;", ">": "&gt;", ...style }));
  return byPoints((point) => {
    if (point > 0x7e && beyond === "decimal") return `&#${point};`;
    return named.get(String.fromCodePoint(point)) ?? null;
  });
}

const SPELLINGS: readonly Spelling[] = [
  ...BOTH.flatMap((digits) => [
    byBytes((byte) => hex(byte, 2, digits)),
    byBytes((byte) => `%${hex(byte, 2, digits)}`),
    byBytes((byte) => `\\x${hex(byte, 2, digits)}`),
    byPoints((point) => unicodeEscape(point, digits)),
    byPoints((point) => `&#x${hex(point, 1, digits)};`),
    ...PERCENT_KEPT.flatMap((kept) => percentSpellings(kept, digits)),
    ...JSON_STYLES.map((style) => jsonSpelling(style, digits)),
  ]),
  byPoints((point) => `&#${point};`),
  ...HTML_STYLES.flatMap((style) => [htmlSpelling(style, "plain"), htmlSpelling(style, "decimal")]),
];
