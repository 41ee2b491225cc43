import { encodeUtf8Into } from "./bytes.ts";

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
  let bytesMax = 0;
  for (const field of fields) bytesMax += frameBytesMax(field);
  const framed = new Uint8Array(bytesMax);
  let end = 0;
  for (const field of fields) end = writeFrame(field, framed, end);
  return end === bytesMax ? framed : framed.slice(0, end);
}

/** Bytes that a field takes at most when it is framed. */
export function frameBytesMax(field: Field): number {
  if (typeof field === "number") return LENGTH_BYTES + NUMBER_BYTES;
  // A UTF-16 code unit takes three bytes of UTF-8 at most.
  return LENGTH_BYTES + (typeof field === "string" ? 3 * field.length : field.length);
}

/** Frames a field into a buffer that has room for it, at `start`. @returns Where the frame ends. */
export function writeFrame(field: Field, target: Uint8Array, start: number): number {
  const at = start + LENGTH_BYTES;
  let size: number;
  if (typeof field === "string") {
    size = encodeUtf8Into(field, target, at);
  } else if (typeof field === "number") {
    requireUint64(field);
    writeUint64(target, at, field);
    size = NUMBER_BYTES;
  } else {
    target.set(field, at);
    size = field.length;
  }
  target[start] = size >>> 24;
  target[start + 1] = size >>> 16;
  target[start + 2] = size >>> 8;
  target[start + 3] = size;
  return at + size;
}

const LENGTH_BYTES = 4;
const NUMBER_BYTES = 8;

/** Big-endian, 8 bytes. @throws {RangeError} Not a non-negative safe integer. */
export function encodeUint64(value: number): Uint8Array {
  requireUint64(value);
  const bytes = new Uint8Array(NUMBER_BYTES);
  writeUint64(bytes, 0, value);
  return bytes;
}

function requireUint64(value: number): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw new RangeError("a framed number is a non-negative safe integer");
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
