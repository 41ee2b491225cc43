/**
 * What a secret looks like when a provider echoes it.
 *
 * G9: three transcriptions of the bytes are searched: themselves, base64 at each of its three
 * alignments, and hexadecimal. While searching, every character of them may in turn be written plainly,
 * as `%41`, `\u0041`, `\x41`, `\/`, `&#65;`, `&#x41;`, `&amp;` or `+` for a space, in any mixture: the
 * escapes are decoded as the stream is read and not enumerated, so there is no list to be incomplete.
 *
 * Not covered, and said so in the README: encodings of encodings, compression inside a body, reversal,
 * and a secret that the provider cuts into pieces.
 */

/** One transcription to search for. */
export interface SecretPattern {
  /** Folded with {@link SecretPattern.fold}. Holds secret material: wiped with its redactor. */
  readonly bytes: Uint8Array;
  /** Maps a byte to the one it is compared as. */
  readonly fold: Uint8Array;
  /** Letters and digits may be escaped too; false: only `+`, `/` and `=`, as base64 is in URLs and JSON. */
  readonly escapesLetters: boolean;
  /** 1 for each byte that may stand before and carries bits of the secret; such a byte must be there. Shared. */
  readonly lead: Uint8Array | null;
  /** 1 for each byte that may stand behind and carries bits of the secret; it need not be there. Shared. */
  readonly trail: Uint8Array | null;
}

/** The shortest value that is searched for: anything shorter occurs by chance in every response. */
export const REDACTED_BYTES_MIN = 4;
/** Lines of a multi-line secret (a PEM key) that are at least this long are searched for by themselves. */
const LINE_BYTES_MIN = 12;
const BASE64_CHARS_MIN = 6;

const identity = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const foldHex = identity.map((byte) => (byte >= 0x41 && byte <= 0x46 ? byte + 0x20 : byte));
const foldBase64 = identity.map((byte) => (byte === 0x2d ? 0x2b : byte === 0x5f ? 0x2f : byte));

/**
 * The patterns of some secret values, without duplicates.
 *
 * @param values - Borrowed. Values under {@link REDACTED_BYTES_MIN} bytes are left out.
 */
export function secretPatterns(values: readonly Uint8Array[]): SecretPattern[] {
  const patterns: SecretPattern[] = [];
  const add = (
    bytes: Uint8Array,
    fold: Uint8Array,
    escapesLetters: boolean,
    lead: Uint8Array | null = null,
    trail: Uint8Array | null = null,
  ) => {
    const known = patterns.some(
      (other) =>
        other.fold === fold &&
        other.lead === lead &&
        other.trail === trail &&
        equal(other.bytes, bytes),
    );
    if (known) bytes.fill(0);
    else patterns.push({ bytes, fold, escapesLetters, lead, trail });
  };
  for (const value of values) {
    for (const part of searchedParts(value)) {
      if (part.length < REDACTED_BYTES_MIN) continue;
      add(part.slice(), identity, true);
      add(hex(part), foldHex, false);
      for (const alignment of [0, 1, 2] as const) {
        const text = base64Middle(part, alignment);
        if (text.length < BASE64_CHARS_MIN) {
          text.fill(0);
          continue;
        }
        const trail = base64Trail(part, alignment);
        const lead = base64Lead(part, alignment);
        add(text, foldBase64, false, null, trail);
        if (lead !== null) add(text.slice(), foldBase64, false, lead, trail);
      }
    }
  }
  return patterns;
}

/** The value itself, without outer white space, and the long lines of one that has several. */
function searchedParts(value: Uint8Array): readonly Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let i = 0; i <= value.length; i++) {
    if (i < value.length && value[i] !== 0x0a) continue;
    const line = trim(value.subarray(start, i));
    if (line.length > 0) lines.push(line);
    start = i + 1;
  }
  if (lines.length <= 1) return lines;
  return [
    trim(value),
    ...lines.filter((line) => line.length >= LINE_BYTES_MIN && !isPemBoundary(line)),
  ];
}

function trim(bytes: Uint8Array): Uint8Array {
  let start = 0;
  let end = bytes.length;
  while (start < end && isSpace(bytes[start] as number)) start++;
  while (end > start && isSpace(bytes[end - 1] as number)) end--;
  return bytes.subarray(start, end);
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

function isPemBoundary(line: Uint8Array): boolean {
  for (let i = 0; i < 5; i++) if (line[i] !== 0x2d) return false;
  return true;
}

function hex(bytes: Uint8Array): Uint8Array {
  const text = new Uint8Array(2 * bytes.length);
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    text[2 * i] = hexDigit(byte >> 4);
    text[2 * i + 1] = hexDigit(byte & 15);
  }
  return text;
}

/** The lower-case digit of 0 to 15. */
export function hexDigit(nibble: number): number {
  return nibble < 10 ? 0x30 + nibble : 0x57 + nibble;
}

const BASE64 = Uint8Array.from(
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
  (letter) => letter.charCodeAt(0),
);

/**
 * The base64 characters that depend on these bytes alone when `alignment` unknown bytes stand before
 * them and any number behind.
 */
function base64Middle(bytes: Uint8Array, alignment: 0 | 1 | 2): Uint8Array {
  const first = Math.ceil((8 * alignment) / 6);
  const end = Math.floor((8 * (alignment + bytes.length)) / 6);
  const text = new Uint8Array(Math.max(0, end - first));
  for (let i = 0; i < text.length; i++) {
    const bit = 6 * (first + i) - 8 * alignment;
    const at = bit >> 3;
    const pair = ((bytes[at] as number) << 8) | (bytes[at + 1] ?? 0);
    text[i] = BASE64[(pair >> (10 - (bit & 7))) & 63] as number;
  }
  return text;
}

/** The characters that the one before {@link base64Middle} can be: its low bits are the secret's first. */
function base64Lead(bytes: Uint8Array, alignment: 0 | 1 | 2): Uint8Array | null {
  const unknown = (8 * alignment) % 6;
  if (unknown === 0) return null;
  const known = 6 - unknown;
  return base64Class("low", known, (bytes[0] as number) >> (8 - known));
}

/** The characters that the one behind {@link base64Middle} can be: its high bits are the secret's last. */
function base64Trail(bytes: Uint8Array, alignment: 0 | 1 | 2): Uint8Array | null {
  const known = (8 * (alignment + bytes.length)) % 6;
  if (known === 0) return null;
  return base64Class("high", known, (bytes.at(-1) as number) & ((1 << known) - 1));
}

const classes = new Map<string, Uint8Array>();

/** The base64 characters with these bits. There are forty such sets, the same for every secret. */
function base64Class(end: "low" | "high", known: number, bits: number): Uint8Array {
  const id = `${end} ${known} ${bits}`;
  const made = classes.get(id);
  if (made !== undefined) return made;
  const table = new Uint8Array(256);
  for (const [value, letter] of BASE64.entries()) {
    const its = end === "low" ? value & ((1 << known) - 1) : value >> (6 - known);
    if (its !== bits) continue;
    table[letter] = 1;
    if (letter === 0x2b) table[0x2d] = 1;
    if (letter === 0x2f) table[0x5f] = 1;
  }
  classes.set(id, table);
  return table;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number);
  return difference === 0;
}
