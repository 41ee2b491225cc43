/**
 * Escapes a text format may write one character as. Percent-encoding stands for a byte; the others
 * stand for a code point.
 */

/** The bytes may go on to be an escape. */
export const UNIT_INCOMPLETE = -1;
/** The bytes are no escape. */
export const UNIT_NONE = 0;

/** A decoded escape; reused, so read it before the next call. */
export const unit: { length: number; value: number; isByte: boolean } = {
  length: 0,
  value: 0,
  isByte: false,
};

const PERCENT = 0x25;
const AMPERSAND = 0x26;
const BACKSLASH = 0x5c;
const SEMICOLON = 0x3b;

/** Digits a numeric character reference may have, leading zeros included. */
const REFERENCE_DIGITS_MAX = 8;

/** Bytes of the longest escape: a surrogate pair, `\ud83d\ude00`. */
export const UNIT_BYTES_MAX = 12;

const NAMES: ReadonlyMap<string, number> = new Map(
  Object.entries({
    amp: "&",
    lt: "<",
    gt: ">",
    quot: '"',
    apos: "'",
    plus: "+",
    equals: "=",
    sol: "/",
    bsol: "\\",
    colon: ":",
    quest: "?",
    lowbar: "_",
    period: ".",
    comma: ",",
    commat: "@",
    percnt: "%",
    num: "#",
    excl: "!",
    dollar: "$",
    ast: "*",
    lpar: "(",
    rpar: ")",
    semi: ";",
    hyphen: "-",
  }).map(([name, character]) => [name, character.charCodeAt(0)]),
);
const NAME_CHARS_MAX = 6;

/** The names of character references by the character they stand for. */
export function referenceNames(code: number): readonly string[] {
  return [...NAMES].filter(([, value]) => value === code).map(([name]) => name);
}

const SHORT = new Map([
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
]);

/** The bytes an escape can begin with. */
export const UNIT_BEGINNINGS: readonly number[] = [PERCENT, AMPERSAND, BACKSLASH];

/** Tells whether an escape can begin with this byte. */
export function beginsUnit(byte: number): boolean {
  return byte === PERCENT || byte === BACKSLASH || byte === AMPERSAND;
}

/**
 * Reads the escape that begins at `at`, into {@link unit}.
 *
 * @returns Its length, {@link UNIT_NONE}, or {@link UNIT_INCOMPLETE} when `end` comes too early to tell.
 */
export function readUnit(data: Uint8Array, at: number, end: number): number {
  switch (data[at]) {
    case PERCENT:
      return fixedHex(data, at, at + 1, 2, end, true);
    case BACKSLASH:
      return readBackslash(data, at, end);
    case AMPERSAND:
      return readReference(data, at, end);
    default:
      return UNIT_NONE;
  }
}

function found(length: number, value: number, isByte: boolean): number {
  unit.length = length;
  unit.value = value;
  unit.isByte = isByte;
  return length;
}

function hexValue(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function fixedHex(
  data: Uint8Array,
  at: number,
  from: number,
  digits: number,
  end: number,
  isByte: boolean,
): number {
  let value = 0;
  for (let i = from; i < from + digits; i++) {
    if (i >= end) return UNIT_INCOMPLETE;
    const digit = hexValue(data[i]);
    if (digit === -1) return UNIT_NONE;
    value = value * 16 + digit;
  }
  return found(from + digits - at, value, isByte);
}

function readBackslash(data: Uint8Array, at: number, end: number): number {
  if (at + 1 >= end) return UNIT_INCOMPLETE;
  const letter = data[at + 1] as number;
  if (letter === 0x75) return readUtf16(data, at, end);
  if (letter === 0x78) return fixedHex(data, at, at + 2, 2, end, false);
  const short = SHORT.get(letter);
  if (short !== undefined) return found(2, short, false);
  const isAlphanumeric =
    (letter >= 0x30 && letter <= 0x39) || ((letter | 0x20) >= 0x61 && (letter | 0x20) <= 0x7a);
  return letter > 0x7f || isAlphanumeric ? UNIT_NONE : found(2, letter, false);
}

function readUtf16(data: Uint8Array, at: number, end: number): number {
  const length = fixedHex(data, at, at + 2, 4, end, false);
  if (length <= 0 || unit.value < 0xd800 || unit.value > 0xdbff) return length;
  const high = unit.value;
  for (let i = 6; i < 8; i++) {
    if (at + i >= end) return UNIT_INCOMPLETE;
    if (data[at + i] !== (i === 6 ? BACKSLASH : 0x75)) return UNIT_NONE;
  }
  const low = fixedHex(data, at, at + 8, 4, end, false);
  if (low <= 0) return low;
  if (unit.value < 0xdc00 || unit.value > 0xdfff) return UNIT_NONE;
  return found(12, 0x10000 + ((high - 0xd800) << 10) + (unit.value - 0xdc00), false);
}

function readReference(data: Uint8Array, at: number, end: number): number {
  if (at + 1 >= end) return UNIT_INCOMPLETE;
  if (data[at + 1] !== 0x23) return readNamed(data, at, end);
  if (at + 2 >= end) return UNIT_INCOMPLETE;
  const isHex = ((data[at + 2] as number) | 0x20) === 0x78;
  const from = isHex ? at + 3 : at + 2;
  let value = 0;
  let i = from;
  for (; i < from + REFERENCE_DIGITS_MAX; i++) {
    if (i >= end) return UNIT_INCOMPLETE;
    const digit = hexValue(data[i]);
    if (digit === -1 || (!isHex && digit > 9)) break;
    value = value * (isHex ? 16 : 10) + digit;
  }
  if (i === from || value > 0x10ffff) return UNIT_NONE;
  if (i >= end) return UNIT_INCOMPLETE;
  // A browser accepts the reference without its semicolon as well.
  return found(i - at + (data[i] === SEMICOLON ? 1 : 0), value, false);
}

function readNamed(data: Uint8Array, at: number, end: number): number {
  let name = "";
  for (let i = at + 1; i <= at + 1 + NAME_CHARS_MAX; i++) {
    if (i >= end) return UNIT_INCOMPLETE;
    const byte = data[i] as number;
    if (byte === SEMICOLON) {
      const value = NAMES.get(name);
      return value === undefined ? UNIT_NONE : found(i + 1 - at, value, false);
    }
    if (byte < 0x61 || byte > 0x7a) return UNIT_NONE;
    name += String.fromCharCode(byte);
  }
  return UNIT_NONE;
}
