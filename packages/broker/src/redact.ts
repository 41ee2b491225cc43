import {
  beginsUnit,
  readUnit,
  referenceNames,
  UNIT_BEGINNINGS,
  UNIT_BYTES_MAX,
  UNIT_INCOMPLETE,
  UNIT_NONE,
  unit,
} from "./escape-unit.ts";
import { hexDigit, type SecretPattern, secretPatterns } from "./secret-pattern.ts";

/** What stands in a response where a credential stood. */
export const REDACTION_MARKER = "[REDACTED]";

const MARKER = new TextEncoder().encode(REDACTION_MARKER);
const PLUS = 0x2b;
const SPACE = 0x20;

/** Not here; or not decidable before more bytes come. Anything else is where the match ends. */
const NO_MATCH = -1;
const UNDECIDED = -2;

/** Readings of one place in which both an escape and the plain byte fit, before we redact outright. */
const BRANCHES_MAX = 64;

/** Bytes searched plainly before tables for skipping are worth making: 4 KiB take about 10 µs. */
const SKIP_AFTER_BYTES = 4096;

/**
 * Finds the credentials of one exchange in text and streams (G9).
 *
 * It holds copies of what it searches for; {@link Redactor.wipe} overwrites them, as far as JavaScript
 * lets anyone promise that no other copy exists.
 */
export class Redactor {
  #patterns: readonly SecretPattern[];
  /** What a match can begin with. */
  readonly #begins: BeginTables;
  readonly #bytesMin: number;
  #pairs: Uint32Array | null = null;
  #searched = 0;
  #found = 0;
  #branches = 0;
  #final = false;
  #wiped = false;

  /** @param values - Every secret value in the request, parts and wholes. Borrowed, copied. */
  constructor(values: readonly Uint8Array[]) {
    this.#patterns = secretPatterns(values);
    this.#begins = takeTables();
    let bytesMin = Number.POSITIVE_INFINITY;
    for (const pattern of this.#patterns) {
      bytesMin = Math.min(bytesMin, pattern.bytes.length);
      noteBeginnings(this.#begins, pattern);
    }
    this.#bytesMin = bytesMin;
    if (this.#patterns.length > 0) noteUnits(this.#begins);
  }

  /** How often something was redacted so far. */
  get found(): number {
    return this.#found;
  }

  /** A header value or other short text of Latin-1 characters, redacted. */
  text(text: string): string {
    // A match has no fewer characters than what it is a match of.
    if (this.#patterns.length === 0 || text.length < this.#bytesMin) return text;
    if (this.#isClean(text)) return text;
    const pieces = this.#pieces(Buffer.from(text, "latin1"), true).released;
    return pieces.length === 1 && pieces[0]?.length === text.length
      ? text
      : Buffer.concat(pieces).toString("latin1");
  }

  /** Whether no match can begin anywhere in a text. */
  #isClean(text: string): boolean {
    const { pairs, first } = this.#begins;
    let byte = text.charCodeAt(0) & 255;
    for (let i = 1; i < text.length; i++) {
      const next = text.charCodeAt(i) & 255;
      const pair = (byte << 8) | next;
      if ((((pairs[pair >> 5] as number) >>> (pair & 31)) & 1) === 1) return false;
      byte = next;
    }
    return first[byte] === 0;
  }

  /** A new stream to redact; there may be several. */
  stream(): RedactorStream {
    let held: Uint8Array = EMPTY;
    return {
      push: (chunk) => {
        if (this.#patterns.length === 0 && held.length === 0) {
          return chunk.length === 0 ? [] : [chunk];
        }
        const data = held.length === 0 ? chunk : concat(held, chunk);
        const { released, rest } = this.#pieces(data, false);
        held.fill(0);
        held = rest === data.length ? EMPTY : data.slice(rest);
        return released;
      },
      end: () => {
        if (held.length === 0) return [];
        const { released } = this.#pieces(held, true);
        held = EMPTY;
        return released;
      },
      wipe: () => {
        held.fill(0);
        held = EMPTY;
      },
    };
  }

  /** Overwrites what is searched for; nothing is found afterwards. */
  wipe(): void {
    for (const { bytes } of this.#patterns) bytes.fill(0);
    this.#pairs?.fill(0);
    if (!this.#wiped) giveTables(this.#begins);
    this.#wiped = true;
    // What is asked of it from here on finds nothing to search for.
    this.#patterns = NO_PATTERNS;
  }

  /**
   * Cuts the credentials out of `data`.
   *
   * @returns What may be released; `rest` is where undecided bytes begin, or `data.length`.
   */
  #pieces(data: Uint8Array, final: boolean): { released: Uint8Array[]; rest: number } {
    const released: Uint8Array[] = [];
    let from = 0;
    let at = 0;
    for (;;) {
      at = this.#candidate(data, at);
      if (at === data.length) break;
      const end = this.#matchAny(data, at, final);
      if (end === UNDECIDED) {
        if (at > from) released.push(data.subarray(from, at));
        return { released, rest: at };
      }
      if (end === NO_MATCH) {
        at++;
        continue;
      }
      if (at > from) released.push(data.subarray(from, at));
      released.push(MARKER.slice());
      this.#found++;
      at = end;
      from = end;
    }
    if (from < data.length) released.push(data.subarray(from));
    return { released, rest: data.length };
  }

  /** The end of the longest match at `at`. While a longer one is possible, nothing is decided. */
  #matchAny(data: Uint8Array, at: number, final: boolean): number {
    let longest = NO_MATCH;
    this.#branches = 0;
    this.#final = final;
    const byte = data[at] as number;
    if (beginsUnit(byte) && !this.#canBegin(byte, data, at)) return NO_MATCH;
    const next = data[at + 1];
    // Two plain characters rule most patterns out.
    const plain = next !== undefined && !beginsUnit(byte) && !beginsUnit(next) && next !== PLUS;
    for (const pattern of this.#patterns) {
      const { bytes, fold, lead } = pattern;
      let from = at;
      if (lead !== null) {
        if (plain && (lead[byte] === 0 || fold[next] !== bytes[0])) continue;
        from = this.#one(lead, data, at);
      } else if (plain && (fold[next] !== bytes[1] || (fold[byte] !== bytes[0] && byte !== PLUS))) {
        continue;
      }
      const end = from < 0 ? from : this.#match(pattern, 0, data, from);
      if (end === UNDECIDED) {
        if (!final) return UNDECIDED;
      } else if (end > longest) {
        longest = end;
      }
    }
    return longest;
  }

  /** Whether any pattern can begin with what stands at `at`, where an escape may. */
  #canBegin(byte: number, data: Uint8Array, at: number): boolean {
    const { first } = this.#begins;
    if (((first[byte] as number) & AS_IT_IS) !== 0) return true;
    const length = readUnit(data, at, data.length);
    if (length === UNIT_INCOMPLETE) return true;
    if (length === UNIT_NONE) return false;
    return unit.value >= 0x80 || ((first[unit.value] as number) & AS_IT_IS) !== 0;
  }

  #match(pattern: SecretPattern, from: number, data: Uint8Array, at: number): number {
    const { bytes, fold } = pattern;
    let j = from;
    let k = at;
    while (j < bytes.length) {
      if (k >= data.length) return UNDECIDED;
      const byte = data[k] as number;
      const plain = fold[byte] === bytes[j];
      if (beginsUnit(byte)) {
        const length = readUnit(data, k, data.length);
        if (length === UNIT_INCOMPLETE && this.#final) {
          // G9: nothing follows that could complete it, so it is what it looks like.
          if (!plain) return NO_MATCH;
          j++;
          k++;
          continue;
        }
        // It may be the secret's own, but what comes out must not depend on where the data was cut: at most
        // eleven bytes more tell.
        if (length === UNIT_INCOMPLETE) return UNDECIDED;
        const consumed = length > 0 ? this.#fits(pattern, j) : 0;
        if (consumed > 0 && !plain) {
          j += consumed;
          k += length;
          continue;
        }
        if (consumed > 0) {
          // Both readings fit: the secret has a `%` of its own. Rare, so recursion is fine; and a secret
          // that is built to explode it is redacted at once.
          if (++this.#branches > BRANCHES_MAX) return k + length;
          const end = this.#match(pattern, j + consumed, data, k + length);
          // G9: at the end of the data an escaped reading that runs on is none, and the plain one is left.
          const isOver = end === UNDECIDED && this.#final;
          if (end !== NO_MATCH && !isOver) return end;
        }
      } else if (byte === PLUS && bytes[j] === SPACE) {
        j++;
        k++;
        continue;
      }
      if (!plain) return NO_MATCH;
      j++;
      k++;
    }
    if (pattern.trail === null) return k;
    const end = this.#one(pattern.trail, data, k);
    if (end === UNDECIDED) return this.#final ? k : UNDECIDED;
    return end === NO_MATCH ? k : end;
  }

  /** The end of one character of a class at `k`, plain or escaped. */
  #one(characters: Uint8Array, data: Uint8Array, k: number): number {
    if (k >= data.length) return UNDECIDED;
    const byte = data[k] as number;
    if (!beginsUnit(byte)) return characters[byte] === 1 ? k + 1 : NO_MATCH;
    const length = readUnit(data, k, data.length);
    if (length === UNIT_INCOMPLETE) return UNDECIDED;
    const fits = length > 0 && unit.value < 0x80 && characters[unit.value] === 1;
    return fits && !isAlphanumeric(unit.value) ? k + length : NO_MATCH;
  }

  /** How many of the pattern's bytes from `j` the escape in {@link unit} stands for; 0 for a mismatch. */
  #fits({ bytes, fold, escapesLetters }: SecretPattern, j: number): number {
    const { value, isByte } = unit;
    if (isByte || value < 0x80) {
      if (!escapesLetters && isAlphanumeric(value)) return 0;
      return value < 0x100 && fold[value] === bytes[j] ? 1 : 0;
    }
    if (!escapesLetters) return 0;
    const consumed = matchUtf8(bytes, j, value);
    // `\xe9` and, after a wrong charset, `\u00e9` may also stand for a byte of a longer character.
    return consumed === 0 && value < 0x100 && value === bytes[j] ? 1 : consumed;
  }

  /** The next place from `at` on where a match can begin, or `data.length`. */
  #candidate(data: Uint8Array, at: number): number {
    if (this.#patterns.length === 0 || at === data.length) return data.length;
    const { first, pairs } = this.#begins;
    let i = at;
    if (this.#searched < SKIP_AFTER_BYTES) {
      const plainEnd = Math.min(data.length - 1, i + SKIP_AFTER_BYTES);
      let byte = data[i] as number;
      while (i < plainEnd) {
        const next = data[i + 1] as number;
        const pair = (byte << 8) | next;
        if ((((pairs[pair >> 5] as number) >>> (pair & 31)) & 1) === 1) break;
        byte = next;
        i++;
      }
      this.#searched += i - at + 1;
      if (i < plainEnd) return i;
      // The last byte may be the first of a match.
      if (i === data.length - 1) return first[byte] === 0 ? data.length : i;
    }
    this.#pairs ??= possiblePairs(this.#patterns);
    return skip(data, i, this.#pairs, this.#bytesMin, first);
  }
}

/** One stream through a {@link Redactor}. */
export interface RedactorStream {
  /**
   * @param chunk - Owned by the stream from here on; what is released may share its memory.
   * @returns What can be released now. Bytes stay behind only while they may be the beginning of a
   * credential, at most twelve times its length.
   */
  push(chunk: Uint8Array): readonly Uint8Array[];
  /** @returns What stayed behind. */
  end(): readonly Uint8Array[];
  /** Overwrites what stayed behind, of a stream that does not get to its end: it may be a credential. */
  wipe(): void;
}

const EMPTY = new Uint8Array(0);
const NO_PATTERNS: readonly SecretPattern[] = [];

/** What matches can begin with. It says something about the credentials: wiped after each exchange. */
interface BeginTables {
  /** For each byte {@link AS_IT_IS}, {@link AS_ESCAPE}, both, or 0. */
  readonly first: Uint8Array;
  /** A bit for each pair of bytes. */
  readonly pairs: Uint32Array;
}

/** A match can begin with this character, plain or escaped. */
const AS_IT_IS = 1;
/** A match can begin with an escape, which begins with this byte. */
const AS_ESCAPE = 2;

/** Wiped tables, for the next exchange. */
const spareTables: BeginTables[] = [];
const SPARE_TABLES_MAX = 64;

function takeTables(): BeginTables {
  return spareTables.pop() ?? { first: new Uint8Array(256), pairs: new Uint32Array(2048) };
}

function giveTables(tables: BeginTables): void {
  tables.first.fill(0);
  tables.pairs.fill(0);
  if (spareTables.length < SPARE_TABLES_MAX) spareTables.push(tables);
}

function noteBeginnings(tables: BeginTables, { bytes, fold, lead }: SecretPattern): void {
  const spelled = unfolded(fold);
  const begins = bytes[0] as number;
  if (lead !== null) {
    const seconds = spelled[begins] ?? [];
    for (const byte of membersOf(lead)) {
      tables.first[byte] = AS_IT_IS;
      for (const [second] of seconds) notePair(tables.pairs, byte, second);
      if (begins === SPACE) notePair(tables.pairs, byte, PLUS);
    }
    return;
  }
  const firsts = spelled[begins] ?? [];
  for (const [byte] of firsts) noteBeginning(tables, byte, spelled, bytes);
  if (begins === SPACE) noteBeginning(tables, PLUS, spelled, bytes);
}

function noteBeginning(
  { first, pairs }: BeginTables,
  byte: number,
  spelled: readonly (readonly (readonly [number])[])[],
  bytes: Uint8Array,
): void {
  first[byte] = AS_IT_IS;
  for (const [second] of spelled[bytes[1] as number] ?? []) notePair(pairs, byte, second);
  if (bytes[1] === SPACE) notePair(pairs, byte, PLUS);
}

/** An escape may stand for any character of any of them. */
function noteUnits({ first, pairs }: BeginTables): void {
  for (let byte = 0; byte < 256; byte++) {
    if (first[byte] === 0) continue;
    for (const unitBegin of UNIT_BEGINNINGS) notePair(pairs, byte, unitBegin);
  }
  for (const unitBegin of UNIT_BEGINNINGS) {
    first[unitBegin] = (first[unitBegin] as number) | AS_ESCAPE;
    // All that can follow: 256 bits.
    pairs.fill(0xffffffff, unitBegin << 3, (unitBegin + 1) << 3);
  }
}

function notePair(pairs: Uint32Array, a: number, b: number): void {
  const pair = (a << 8) | b;
  pairs[pair >> 5] = (pairs[pair >> 5] as number) | (1 << (pair & 31));
}

const members = new WeakMap<Uint8Array, readonly number[]>();

/** The bytes of a class. Classes are shared and never change. */
function membersOf(characters: Uint8Array): readonly number[] {
  const known = members.get(characters);
  if (known !== undefined) return known;
  const found = [...characters.keys()].filter((byte) => characters[byte] === 1);
  members.set(characters, found);
  return found;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

function isAlphanumeric(code: number): boolean {
  const lower = code | 0x20;
  return (code >= 0x30 && code <= 0x39) || (lower >= 0x61 && lower <= 0x7a);
}

function matchUtf8(bytes: Uint8Array, j: number, codePoint: number): number {
  // RFC 3629 section 3.
  const length = codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
  if (j + length > bytes.length) return 0;
  const lead = [0, 0, 0xc0, 0xe0, 0xf0][length] as number;
  for (let i = 0; i < length; i++) {
    const shift = 6 * (length - 1 - i);
    const expected = i === 0 ? lead | (codePoint >> shift) : 0x80 | ((codePoint >> shift) & 0x3f);
    if (bytes[j + i] !== expected) return 0;
  }
  return length;
}

/**
 * Goes to the next place where a match can begin, looking at few of the bytes between.
 *
 * A match has at least `bytesMin` bytes, and all of its neighbouring bytes are possible pairs. So a pair
 * that no match contains, seen anywhere in the window, moves the window behind it; looking from the back
 * of the window, most text is skipped at nearly a window per look.
 */
function skip(
  data: Uint8Array,
  from: number,
  pairs: Uint32Array,
  bytesMin: number,
  first: Uint8Array,
): number {
  let start = from;
  /** Pairs that begin before this place are known to be possible, from `start` on. */
  let known = from;
  while (start + bytesMin <= data.length) {
    let at = start + bytesMin - 2;
    while (at >= known) {
      const pair = ((data[at] as number) << 8) | (data[at + 1] as number);
      if ((((pairs[pair >> 5] as number) >>> (pair & 31)) & 1) === 0) break;
      at--;
    }
    if (at >= known) {
      start = at + 1;
      known = start;
      continue;
    }
    known = start + bytesMin - 1;
    if (first[data[start] as number] !== 0) return start;
    start++;
  }
  while (start < data.length && first[data[start] as number] === 0) start++;
  return start;
}

/** A set of all pairs of neighbouring bytes that a match can contain, as a bit per pair. */
function possiblePairs(patterns: readonly SecretPattern[]): Uint32Array {
  const set = new Uint32Array(2048);
  const add = (a: number, b: number) => notePair(set, a, b);
  for (const { bytes, fold, escapesLetters, lead, trail } of patterns) {
    let lasts: readonly number[] = [];
    const positions = [
      ...(lead === null ? [] : [classSpellings(lead)]),
      ...Array.from(bytes, (byte) => spellings(byte, fold, escapesLetters)),
      ...(trail === null ? [] : [classSpellings(trail)]),
    ];
    for (const spelled of positions) {
      for (const next of new Set(spelled.map((spelling) => spelling[0] as number))) {
        for (const last of lasts) add(last, next);
      }
      for (const spelling of spelled) {
        for (let i = 1; i < spelling.length; i++) {
          add(spelling[i - 1] as number, spelling[i] as number);
        }
      }
      lasts = [...new Set(spelled.map((spelling) => spelling.at(-1) as number))];
    }
  }
  return set;
}

const escapeCache = new Map<number, readonly (readonly number[])[]>();

function spellings(
  byte: number,
  fold: Uint8Array,
  escapesLetters: boolean,
): readonly (readonly number[])[] {
  const plain = unfolded(fold)[byte] ?? [];
  if (!escapesLetters && isAlphanumeric(byte)) return plain;
  const escaped = plain.flatMap(([raw]) => {
    const known = escapeCache.get(raw);
    if (known !== undefined) return known;
    const made = escapesOf(raw);
    // By byte value, not by secret: the same for everyone.
    escapeCache.set(raw, made);
    return made;
  });
  return [...plain, ...escaped];
}

/** Every way to write each character of a class. */
function classSpellings(characters: Uint8Array): readonly (readonly number[])[] {
  return [...characters.entries()].flatMap(([byte, included]) =>
    included === 0 ? [] : isAlphanumeric(byte) ? [[byte]] : [[byte], ...escapesOf(byte)],
  );
}

const unfoldedCache = new WeakMap<Uint8Array, readonly (readonly (readonly [number])[])[]>();

/** What each byte may be written as under a fold. */
function unfolded(fold: Uint8Array): readonly (readonly (readonly [number])[])[] {
  const known = unfoldedCache.get(fold);
  if (known !== undefined) return known;
  const made: [number][][] = Array.from({ length: 256 }, () => []);
  for (const [raw, folded] of fold.entries()) made[folded]?.push([raw]);
  unfoldedCache.set(fold, made);
  return made;
}

const codes = (text: string): readonly number[] => [...Buffer.from(text, "latin1")];

/** Every escape of a byte, so far as its neighbouring bytes go. */
function escapesOf(byte: number): readonly (readonly number[])[] {
  const made: (readonly number[])[] = [];
  const hexes = bothCases(byte >> 4).flatMap((high) =>
    bothCases(byte & 15).map((low) => String.fromCharCode(high, low)),
  );
  for (const hex of hexes) made.push(codes(`%${hex}`));
  if (byte === SPACE) made.push([PLUS]);
  if (byte >= 0x80) return [...made, ...anyUtf8Escape()];
  for (const hex of hexes) {
    const short = hex.replace(/^0/, "");
    made.push(codes(`\\u00${hex}`), codes(`\\x${hex}`));
    for (const x of ["x", "X"]) {
      // Leading zeros and the missing semicolon add pairs of their own.
      made.push(codes(`&#${x}00${hex};`), codes(`&#${x}${hex};`), codes(`&#${x}${short};`));
      made.push(codes(`&#${x}00${hex}`), codes(`&#${x}${short}`), codes(`&#${x}0${short}`));
    }
  }
  made.push(codes(`&#${byte};`), codes(`&#00${byte};`), codes(`&#${byte}`), codes(`&#0${byte}`));
  for (const name of referenceNames(byte)) made.push(codes(`&${name};`));
  const short = new Map([
    [0x08, "b"],
    [0x0c, "f"],
    [0x0a, "n"],
    [0x0d, "r"],
    [0x09, "t"],
  ]).get(byte);
  if (short !== undefined) made.push(codes(`\\${short}`));
  if (!isAlphanumeric(byte)) made.push(codes(`\\${String.fromCharCode(byte)}`));
  return made;
}

function bothCases(nibble: number): readonly number[] {
  const digit = hexDigit(nibble);
  return digit >= 0x61 ? [digit, digit - 0x20] : [digit];
}

/** A byte of a character beyond ASCII: any hex digits may be in its escapes, so any pair of them is. */
function anyUtf8Escape(): readonly (readonly number[])[] {
  const digits = codes("0123456789abcdefABCDEF");
  const made: (readonly number[])[] = [codes("&#x"), codes("&#X"), codes("\\u"), codes("\\x")];
  for (const a of digits) {
    made.push([...codes("&#"), a], [...codes("x"), a], [...codes("X"), a], [...codes("u"), a]);
    made.push([a, ...codes("\\u")], [a, 0x3b]);
    for (const b of digits) made.push([a, b]);
  }
  return made;
}

/** Bytes a stream may hold back for a secret of so many bytes. */
export function heldBytesMax(secretBytes: number): number {
  return secretBytes * UNIT_BYTES_MAX;
}
