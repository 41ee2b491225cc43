/** A source of cryptographically secure random bytes; the caller owns what it returns. */
export type RandomBytes = (length: number) => Uint8Array;

/** The present, in Unix milliseconds. */
export type Clock = () => number;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8 of a string; the caller owns the bytes. */
export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** UTF-8 of a string into a buffer that has room for it. @returns How many bytes it takes. */
export function encodeUtf8Into(text: string, target: Uint8Array, start: number): number {
  return encoder.encodeInto(text, target.subarray(start)).written;
}

/** @throws {TypeError} The bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** A new array holding every part in order. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Compares without an early exit, so the time taken does not say where two keys or MACs differ. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  let index = 0;
  for (const byte of a) {
    difference |= byte ^ (b[index] as number);
    index += 1;
  }
  return difference === 0;
}

/**
 * Overwrites the buffers with zeros.
 *
 * G23: this is what JavaScript can do. It cannot promise that the engine made no copy while it
 * moved or grew a buffer, that an optimiser kept no value in a register, or that the operating
 * system did not write the page to swap.
 */
export function wipe(...buffers: readonly (Uint8Array | null | undefined)[]): void {
  for (const buffer of buffers) buffer?.fill(0);
}

/** Lower-case hexadecimal. */
export function encodeHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte] as string;
  return text;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** @returns The bytes, or null unless `text` is hexadecimal of even length. */
export function decodeHex(text: string): Uint8Array | null {
  return decodeHexCodes(encodeUtf8(text));
}

/** The same from character codes, for key text that should not become a string first. */
export function decodeHexCodes(codes: Uint8Array): Uint8Array | null {
  if (codes.length % 2 !== 0) return null;
  const bytes = new Uint8Array(codes.length / 2);
  for (let index = 0; index < codes.length; index += 1) {
    const digit = hexDigit(codes[index] as number);
    if (digit < 0) return null;
    bytes[index >> 1] = ((bytes[index >> 1] as number) << 4) | digit;
  }
  return bytes;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_CODES = encodeUtf8(BASE64);
const BASE64_VALUES = new Int16Array(128).fill(-1);
for (let value = 0; value < 64; value += 1) BASE64_VALUES[BASE64_CODES[value] as number] = value;
const PAD = 0x3d;

/** Standard base64 with padding (RFC 4648 section 4). */
export function encodeBase64(bytes: Uint8Array): string {
  return decodeUtf8(encodeBase64Codes(bytes));
}

/** The same as character codes, followed by `tail`, for key text that must not become a string. */
export function encodeBase64Codes(bytes: Uint8Array, ...tail: readonly number[]): Uint8Array {
  const codes = new Uint8Array(Math.ceil(bytes.length / 3) * 4 + tail.length);
  let out = 0;
  for (let index = 0; index < bytes.length; index += 3) {
    const a = bytes[index] as number;
    const b = bytes[index + 1];
    const c = bytes[index + 2];
    const group = (a << 16) | ((b ?? 0) << 8) | (c ?? 0);
    codes[out] = BASE64_CODES[group >> 18] as number;
    codes[out + 1] = BASE64_CODES[(group >> 12) & 63] as number;
    codes[out + 2] = b === undefined ? PAD : (BASE64_CODES[(group >> 6) & 63] as number);
    codes[out + 3] = c === undefined ? PAD : (BASE64_CODES[group & 63] as number);
    out += 4;
  }
  codes.set(tail, out);
  return codes;
}

/**
 * The bytes of canonical base64 (RFC 4648 section 4): padded, no white space, and the unused bits
 * of the last character zero, so that one byte string has one spelling.
 *
 * @returns The bytes, or null for any other text.
 */
export function decodeBase64(text: string): Uint8Array | null {
  return decodeBase64Codes(encodeUtf8(text));
}

/** The same from character codes, for key text that should not become a string first. */
export function decodeBase64Codes(codes: Uint8Array): Uint8Array | null {
  if (codes.length % 4 !== 0) return null;
  let length = (codes.length / 4) * 3;
  let end = codes.length;
  if (end > 0 && codes[end - 1] === PAD) {
    length -= 1;
    end -= 1;
    if (codes[end - 1] === PAD) {
      length -= 1;
      end -= 1;
    }
  }
  const bytes = new Uint8Array(length);
  let out = 0;
  let group = 0;
  let bits = 0;
  for (let index = 0; index < end; index += 1) {
    const code = codes[index] as number;
    const value = code < 128 ? (BASE64_VALUES[code] as number) : -1;
    if (value < 0) return null;
    group = (group << 6) | value;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[out] = (group >> bits) & 0xff;
      out += 1;
      group &= (1 << bits) - 1;
    }
  }
  return group === 0 && out === length ? bytes : null;
}
