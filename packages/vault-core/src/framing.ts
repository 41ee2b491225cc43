import { encodeUtf8 } from "./bytes.ts";

/** One field of an encryption context or MAC input. Numbers are non-negative safe integers. */
export type Field = string | number | Uint8Array;

/**
 * V3: joins fields so that two different lists never give the same bytes. Each field is a big-endian
 * uint32 length, then that many bytes. Text is UTF-8, a number is a big-endian uint64 (W-B10: a
 * separator character would let one field run into the next).
 *
 * @see docs/format.md#framing
 */
export function encodeFields(fields: readonly Field[]): Uint8Array {
  const parts = fields.map(encodeField);
  const framed = new Uint8Array(framedBytes(parts));
  writeFrames(parts, framed, 0);
  return framed;
}

/** The bytes of a field, without its length. A byte string is itself, not a copy. */
export function encodeField(field: Field): Uint8Array {
  if (typeof field === "string") return encodeUtf8(field);
  return typeof field === "number" ? encodeUint64(field) : field;
}

/** Bytes that fields take when they are framed. */
export function framedBytes(parts: readonly Uint8Array[]): number {
  let length = 0;
  for (const part of parts) length += 4 + part.length;
  return length;
}

/** Frames encoded fields into a buffer, from `start` on. */
export function writeFrames(parts: readonly Uint8Array[], target: Uint8Array, start: number): void {
  let offset = start;
  for (const part of parts) {
    const size = part.length;
    target[offset] = size >>> 24;
    target[offset + 1] = size >>> 16;
    target[offset + 2] = size >>> 8;
    target[offset + 3] = size;
    target.set(part, offset + 4);
    offset += 4 + size;
  }
}

/** Big-endian, 8 bytes. @throws {RangeError} Not a non-negative safe integer. */
export function encodeUint64(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError("a framed number is a non-negative safe integer");
  }
  const bytes = new Uint8Array(8);
  writeUint64(bytes, 0, value);
  return bytes;
}

/** {@link encodeUint64} into a buffer. */
export function writeUint64(target: Uint8Array, offset: number, value: number): void {
  // Two halves: BigInt, and a view for each number, cost more than the rest of an audit entry's framing.
  const high = Math.floor(value / 2 ** 32);
  target[offset] = high >>> 24;
  target[offset + 1] = high >>> 16;
  target[offset + 2] = high >>> 8;
  target[offset + 3] = high;
  target[offset + 4] = value >>> 24;
  target[offset + 5] = value >>> 16;
  target[offset + 6] = value >>> 8;
  target[offset + 7] = value;
}

/** @returns The number at `offset`, or null when it is beyond the safe integers. */
export function decodeUint64(bytes: Uint8Array, offset: number): number | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, 8);
  const value = view.getUint32(0) * 2 ** 32 + view.getUint32(4);
  return Number.isSafeInteger(value) ? value : null;
}
