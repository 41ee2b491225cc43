import { REDACTION_MARKER } from "./redact.ts";

type State =
  | "text"
  | "key"
  | "other-string"
  | "after-key"
  | "before-value"
  | "skip-string"
  | "skip-nested"
  | "skip-scalar";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const REPLACEMENT = new TextEncoder().encode(`"${REDACTION_MARKER}"`);
/** `\u0041` stands for one character. */
const ESCAPED_BYTES_MAX = 6;

/**
 * Cuts the values of named JSON members out of a stream, at any depth: an operator's block list.
 *
 * It follows strings, brackets and member names and otherwise changes nothing, so it works on JSON, on
 * lines of JSON and on events that carry JSON, and on whatever a provider mislabels. Names are compared
 * after undoing their escapes. JSON inside a JSON string is text to it.
 */
export class MemberBlocker {
  readonly #names: ReadonlySet<string>;
  readonly #keyBytesMax: number;
  #state: State = "text";
  #escaped = false;
  #inString = false;
  #depth = 0;
  /** The string that may be a blocked member's name, with its quotes; not released yet. */
  #key: number[] = [];

  constructor(names: readonly string[]) {
    this.#names = new Set(names);
    this.#keyBytesMax = 2 + ESCAPED_BYTES_MAX * Math.max(...names.map(({ length }) => length));
  }

  /** @returns What can be released now. At most one member name stays behind. */
  push(chunk: Uint8Array): readonly Uint8Array[] {
    const released: Uint8Array[] = [];
    let from = 0;
    const release = (end: number) => {
      if (end > from) released.push(chunk.subarray(from, end));
    };
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] as number;
      switch (this.#state) {
        case "text":
          if (byte !== QUOTE) break;
          release(i);
          this.#key = [byte];
          this.#state = "key";
          break;
        case "key":
          this.#key.push(byte);
          if (this.#endsString(byte)) {
            if (this.#isBlocked()) this.#state = "after-key";
            else {
              released.push(Uint8Array.from(this.#key));
              from = i + 1;
              this.#state = "text";
            }
          } else if (this.#key.length > this.#keyBytesMax) {
            released.push(Uint8Array.from(this.#key));
            from = i + 1;
            this.#state = "other-string";
          }
          break;
        case "other-string":
          if (this.#endsString(byte)) this.#state = "text";
          break;
        case "after-key":
          // White space here is dropped, so that none of it can push the name out of sight.
          if (isSpace(byte)) break;
          released.push(Uint8Array.from(this.#key));
          from = i;
          if (byte === COLON) this.#state = "before-value";
          else {
            this.#state = "text";
            i--;
          }
          break;
        case "before-value":
          if (isSpace(byte)) break;
          release(i);
          released.push(REPLACEMENT.slice());
          this.#inString = false;
          this.#depth = 1;
          this.#state =
            byte === QUOTE ? "skip-string" : opens(byte) ? "skip-nested" : "skip-scalar";
          if (this.#state === "skip-scalar") i--;
          break;
        case "skip-string":
          if (!this.#endsString(byte)) break;
          from = i + 1;
          this.#state = "text";
          break;
        case "skip-nested":
          if (this.#inString) {
            if (this.#endsString(byte)) this.#inString = false;
          } else if (byte === QUOTE) this.#inString = true;
          else if (opens(byte)) this.#depth++;
          else if (closes(byte) && --this.#depth === 0) {
            from = i + 1;
            this.#state = "text";
          }
          break;
        case "skip-scalar":
          if (byte !== 0x2c && !closes(byte) && !isSpace(byte)) break;
          from = i;
          this.#state = "text";
          i--;
          break;
      }
    }
    if (
      this.#state === "text" ||
      this.#state === "other-string" ||
      this.#state === "before-value"
    ) {
      release(chunk.length);
    }
    return released;
  }

  /** @returns The name that stayed behind, if one did. */
  end(): readonly Uint8Array[] {
    return this.#state === "key" || this.#state === "after-key" ? [Uint8Array.from(this.#key)] : [];
  }

  #endsString(byte: number): boolean {
    if (this.#escaped) {
      this.#escaped = false;
      return false;
    }
    if (byte === BACKSLASH) this.#escaped = true;
    return byte === QUOTE;
  }

  #isBlocked(): boolean {
    try {
      const name: unknown = JSON.parse(new TextDecoder().decode(Uint8Array.from(this.#key)));
      return typeof name === "string" && this.#names.has(name);
    } catch {
      return false;
    }
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function opens(byte: number): boolean {
  return byte === 0x7b || byte === 0x5b;
}

function closes(byte: number): boolean {
  return byte === 0x7d || byte === 0x5d;
}
