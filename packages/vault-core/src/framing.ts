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
  const parts: Uint8Array[] = [];
  let length = 0;
  for (const field of fields) {
    const part =
      typeof field === "string"
        ? encodeUtf8(field)
        : typeof field === "number"
          ? encodeUint64(field)
          : field;
    parts.push(part);
    length += 4 + part.length;
  }
  const framed = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    const size = part.length;
    framed[offset] = size >>> 24;
    framed[offset + 1] = size >>> 16;
    framed[offset + 2] = size >>> 8;
    framed[offset + 3] = size;
    framed.set(part, offset + 4);
    offset += 4 + size;
  }
  return framed;
}

/** Big-endian, 8 bytes. @throws {RangeError} Not a non-negative safe integer. */
export function encodeUint64(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError("a framed number is a non-negative safe integer");
  }
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  // Two halves: BigInt costs more than the rest of an audit entry's framing together.
  view.setUint32(0, Math.floor(value / 2 ** 32));
  view.setUint32(4, value >>> 0);
  return bytes;
}

/** @returns The number at `offset`, or null when it is beyond the safe integers. */
export function decodeUint64(bytes: Uint8Array, offset: number): number | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, 8);
  const value = view.getUint32(0) * 2 ** 32 + view.getUint32(4);
  return Number.isSafeInteger(value) ? value : null;
}
