import { decodeUtf8, encodeUtf8, equalBytes } from "./bytes.ts";

/** What JSON can carry. Numbers are finite. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

const DEPTH_MAX = 64;
const LONE_SURROGATE = /\p{Cs}/u;

/**
 * The canonical form of a JSON value: members sorted by UTF-16 code units, no white space, numbers
 * and strings as ECMAScript prints them. Members that are `undefined` are left out.
 *
 * @throws {TypeError} The value is not JSON: a function, a number that is not finite, a lone
 *   surrogate, a cycle or nesting deeper than 64.
 * @see RFC 8785
 */
export function canonicalJson(value: unknown): string {
  if (isOrdered(value, 0)) {
    const text = JSON.stringify(value);
    // ECMAScript writes a lone surrogate, and of all characters only that, as \ud800 to \udfff.
    if (!text.includes("\\ud")) return text;
  }
  return write(value, 0);
}

/** Whether it is JSON whose members are in order already, so that the engine writes it as it has to be. */
function isOrdered(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value);
    case "object":
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth > DEPTH_MAX) return false;
  if (Array.isArray(value)) {
    for (const item of value) if (!isOrdered(item, depth + 1)) return false;
    return true;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  const members = value as Record<string, unknown>;
  const keys = Object.keys(members);
  for (let index = 0; index < keys.length; index += 1) {
    const key = keys[index] as string;
    if (index > 0 && (keys[index - 1] as string) > key) return false;
    const member = members[key];
    if (member !== undefined && !isOrdered(member, depth + 1)) return false;
  }
  return true;
}

function write(value: unknown, depth: number): string {
  if (depth > DEPTH_MAX) throw new TypeError(`JSON is nested deeper than ${DEPTH_MAX}`);
  switch (typeof value) {
    case "string":
      return writeString(value);
    case "number":
      if (!Number.isFinite(value)) throw new TypeError("a number in JSON must be finite");
      return JSON.stringify(value);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      break;
    default:
      throw new TypeError(`a ${typeof value} is not a JSON value`);
  }
  if (value === null) return "null";
  if (Array.isArray(value)) {
    return `[${value.map((item) => write(item, depth + 1)).join(",")}]`;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError("an object in JSON must be a plain object");
  }
  const members = value as Record<string, unknown>;
  let text = "";
  for (const key of Object.keys(members).sort()) {
    const member = members[key];
    if (member === undefined) continue;
    text += `${text === "" ? "" : ","}${writeString(key)}:${write(member, depth + 1)}`;
  }
  return `{${text}}`;
}

function writeString(text: string): string {
  const written = JSON.stringify(text);
  // ECMAScript writes a lone surrogate, and of all characters only that, as \ud800 to \udfff.
  if (written.includes("\\ud") && LONE_SURROGATE.test(text)) {
    throw new TypeError("a string in JSON must be well-formed Unicode");
  }
  return written;
}

/** Canonical JSON followed by a line feed: the form of every whole-file JSON the vault writes. */
export function encodeJsonFile(value: unknown): Uint8Array {
  return encodeUtf8(`${canonicalJson(value)}\n`);
}

/**
 * Parses bytes that {@link encodeJsonFile} could have written, and nothing else: one value has one
 * spelling, so a flipped bit cannot hide in white space, escapes, duplicate members or number forms.
 *
 * @returns The value, or undefined for any other bytes.
 */
export function decodeJsonFile(bytes: Uint8Array): JsonValue | undefined {
  try {
    const value: JsonValue = JSON.parse(decodeUtf8(bytes));
    return equalBytes(encodeJsonFile(value), bytes) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Narrows to a JSON object. */
export function isJsonObject(value: unknown): value is { readonly [key: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
