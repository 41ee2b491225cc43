import { hexByte } from "./percent.ts";
import { accept, invalid, quote, type Result, tooLarge } from "./result.ts";

/**
 * JSON as RFC 8259 has it, with the restrictions of I-JSON (RFC 7493) that close gaps between parsers:
 * UTF-8 without a byte order mark, no duplicate members, no lone surrogates, no number that does not
 * fit. `JSON.parse` keeps the last of two equal members, so a checker that keeps the first would decide
 * about another request than the one sent; and it recurses, so depth is the caller's to choose.
 *
 * The parser is iterative, reads each character once, and stops at the first of its bounds.
 */

/** A parsed JSON value. Objects have no prototype, so a member name is never an inherited one. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [member: string]: Json };

/** Bounds of {@link parseStrictJson}. */
export interface StrictJsonOptions {
  /** Bytes. Default 16 MiB. */
  readonly bytesMax?: number;
  /** Nested arrays and objects. Default 16. */
  readonly depthMax?: number;
  /** Values, members and elements included. Default 10,000. */
  readonly valuesMax?: number;
}

/** Default of {@link StrictJsonOptions.bytesMax}: larger bodies travel as uploads, not inside JSON. */
export const JSON_BYTES_MAX = 16 * 1024 * 1024;

const DEPTH_MAX = 16;
const VALUES_MAX = 10_000;
const MEMBER_CHARS_MAX = 1024;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const SMALL_U = 0x75;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * Parse `bytes` as one strict JSON text.
 *
 * @param bytes - UTF-8. Borrowed.
 * @returns `request_too_large` above `bytesMax`, `invalid_request` for everything else that is not
 * strict JSON. Messages name a byte offset or member, never a value.
 */
export function parseStrictJson(bytes: Uint8Array, options: StrictJsonOptions = {}): Result<Json> {
  const bytesMax = options.bytesMax ?? JSON_BYTES_MAX;
  if (bytes.length > bytesMax) return tooLarge(`the JSON text is larger than ${bytesMax} bytes`);
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    return invalid("the JSON text begins with a byte order mark");
  }
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return invalid("the JSON text is not valid UTF-8");
  }
  try {
    const depthMax = options.depthMax ?? DEPTH_MAX;
    const valuesMax = options.valuesMax ?? VALUES_MAX;
    return accept(new Parser(text, depthMax, valuesMax).parse());
  } catch (error) {
    if (error instanceof Malformed) return invalid(error.message);
    throw error;
  }
}

/** Never leaves this file. */
class Malformed extends Error {}

type Members = { [member: string]: Json };

/** An open array or object. */
type Frame =
  | { readonly kind: "array"; readonly elements: Json[] }
  | { readonly kind: "object"; readonly members: Members; member: string };

class Parser {
  readonly #text: string;
  readonly #depthMax: number;
  #valuesLeft: number;
  #at = 0;

  constructor(text: string, depthMax: number, valuesMax: number) {
    this.#text = text;
    this.#depthMax = depthMax;
    this.#valuesLeft = valuesMax;
  }

  parse(): Json {
    const open: Frame[] = [];
    for (;;) {
      let value = this.#value(open);
      if (value === undefined) continue;
      // A value is complete: attach it, and close whatever ends behind it.
      for (;;) {
        const frame = open.at(-1);
        if (frame === undefined) {
          if (this.#peek() !== -1) this.#fail("text follows the JSON value");
          return value;
        }
        if (frame.kind === "array") frame.elements.push(value);
        else frame.members[frame.member] = value;
        const next = this.#peek();
        this.#at++;
        if (next === COMMA) {
          if (frame.kind === "object") frame.member = this.#member(frame.members);
          break;
        }
        if (next !== (frame.kind === "array" ? CLOSE_BRACKET : CLOSE_BRACE)) {
          this.#at--;
          this.#fail("expected a comma or the end of the list");
        }
        open.pop();
        value = frame.kind === "array" ? frame.elements : frame.members;
      }
    }
  }

  /** Read a scalar or empty container; or open a container and return undefined. */
  #value(open: Frame[]): Json | undefined {
    if (this.#valuesLeft-- <= 0) this.#fail("too many values");
    const first = this.#peek();
    if (first === QUOTE) return this.#string();
    if (first === OPEN_BRACE || first === OPEN_BRACKET) {
      if (open.length >= this.#depthMax) this.#fail(`nested deeper than ${this.#depthMax}`);
      this.#at++;
      if (first === OPEN_BRACKET) {
        if (this.#peek() === CLOSE_BRACKET) {
          this.#at++;
          return [];
        }
        open.push({ kind: "array", elements: [] });
        return undefined;
      }
      const members: Members = Object.create(null);
      if (this.#peek() === CLOSE_BRACE) {
        this.#at++;
        return members;
      }
      open.push({ kind: "object", members, member: this.#member(members) });
      return undefined;
    }
    return this.#literal();
  }

  /** Read `"name" :` and refuse a name the object already has. */
  #member(members: Members): string {
    if (this.#peek() !== QUOTE) this.#fail("expected a member name in double quotes");
    const name = this.#string();
    if (name.length > MEMBER_CHARS_MAX) {
      this.#fail(`the member name ${quote(name)} is longer than ${MEMBER_CHARS_MAX} characters`);
    }
    // Whatever reads the value later, with or without a prototype, must find nothing special in it.
    if (name === "__proto__") this.#fail("the member name `__proto__` is not accepted");
    if (name in members) this.#fail(`the member ${quote(name)} appears twice`);
    if (this.#peek() !== COLON) this.#fail("expected a colon");
    this.#at++;
    return name;
  }

  #string(): string {
    const start = this.#at;
    let escaped = false;
    this.#at++;
    for (;;) {
      if (this.#text.charCodeAt(this.#at) !== BACKSLASH) {
        PLAIN.lastIndex = this.#at;
        PLAIN.test(this.#text);
        this.#at = PLAIN.lastIndex;
      }
      const code = this.#text.charCodeAt(this.#at);
      if (code === QUOTE) break;
      if (code !== BACKSLASH) this.#fail("a string is cut off or contains a control character");
      escaped = true;
      this.#escape();
    }
    this.#at++;
    const raw = this.#text.slice(start + 1, this.#at - 1);
    // Every escape was checked above, so this cannot throw.
    return escaped ? (JSON.parse(`"${raw}"`) as string) : raw;
  }

  /** Move past one escape sequence, or past a surrogate pair of two. */
  #escape(): void {
    const unit = this.#unicodeEscape();
    if (unit === -1) {
      if (!SHORT_ESCAPES.has(this.#text.charCodeAt(this.#at + 1))) {
        this.#fail("unknown escape sequence");
      }
      this.#at += 2;
      return;
    }
    this.#at += 6;
    if (unit < 0xd800 || unit > 0xdfff) return;
    const low = unit < 0xdc00 ? this.#unicodeEscape() : -1;
    if (low < 0xdc00 || low > 0xdfff) this.#fail("an escape is half a character");
    this.#at += 6;
  }

  /** The code unit of a `\uXXXX` at the current place, or -1. */
  #unicodeEscape(): number {
    if (this.#text.charCodeAt(this.#at) !== BACKSLASH) return -1;
    if (this.#text.charCodeAt(this.#at + 1) !== SMALL_U) return -1;
    const high = hexByte(this.#text, this.#at + 2);
    const low = hexByte(this.#text, this.#at + 4);
    return high === -1 || low === -1 ? -1 : high * 256 + low;
  }

  #literal(): Json {
    for (const [word, value] of WORDS) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    NUMBER.lastIndex = this.#at;
    if (!NUMBER.test(this.#text)) this.#fail("expected a value");
    const number = Number(this.#text.slice(this.#at, NUMBER.lastIndex));
    if (!Number.isFinite(number)) this.#fail("a number is too large");
    this.#at = NUMBER.lastIndex;
    return number;
  }

  /** The next character that is not white space, or -1 at the end. */
  #peek(): number {
    for (; this.#at < this.#text.length; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== SPACE && code !== LF && code !== CR && code !== TAB) return code;
    }
    return -1;
  }

  #fail(what: string): never {
    throw new Malformed(`not acceptable JSON at character ${this.#at}: ${what}`);
  }
}

const SHORT_ESCAPES: ReadonlySet<number> = new Set(
  [...'"\\/bfnrt'].map((letter) => letter.charCodeAt(0)),
);

// Sticky, and each alternative starts with a different character: linear in what they consume.
const PLAIN = /[\u0020\u0021\u0023-\u005b\u005d-\uffff]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const WORDS: readonly (readonly [string, Json])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
];
