import { describe, expect, it } from "vitest";
import {
  decodeUint64,
  encodeFields,
  encodeUint64,
  frameBytesMax,
  writeFrame,
  writeUint64,
} from "./framing.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);

describe("encodeFields", () => {
  it("V3: puts a big-endian length of four bytes before text, numbers and byte strings", () => {
    expect(encodeFields([])).toEqual(bytes());
    expect(encodeFields([""])).toEqual(bytes(0, 0, 0, 0));
    expect(encodeFields(["aé", 258, bytes(9, 8)])).toEqual(
      bytes(0, 0, 0, 3, 0x61, 0xc3, 0xa9, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 2, 9, 8),
    );
  });

  it("V3: writes each byte of a length", () => {
    const length = 0x01020304;
    const field = new Uint8Array(length);
    expect(frameBytesMax(field)).toBe(length + 4);
    expect(encodeFields([field]).subarray(0, 4)).toEqual(bytes(1, 2, 3, 4));
  });

  it.each(["", "a", "é", "密", "🔑", "a🔑é密"])("leaves no room behind the text %j", (text) => {
    const framed = encodeFields([text]);
    expect(framed).toHaveLength(4 + Buffer.byteLength(text));
    expect(framed.buffer.byteLength).toBe(framed.length);
    expect(frameBytesMax(text)).toBeGreaterThanOrEqual(framed.length);
  });

  it("gives bytes of its own, also of a byte string", () => {
    const field = bytes(1, 2, 3);
    const framed = encodeFields([field]);
    field.fill(0);
    expect(framed).toEqual(bytes(0, 0, 0, 3, 1, 2, 3));
  });
});

describe("writeFrame", () => {
  it("frames into the middle of a buffer, and touches nothing else", () => {
    const target = new Uint8Array(30).fill(0xee);
    const ends: number[] = [];
    let end = 2;
    for (const field of [bytes(7), "é", 5]) {
      end = writeFrame(field, target, end);
      ends.push(end);
    }
    expect(ends).toEqual([7, 13, 25]);
    expect(target).toEqual(
      bytes(
        ...[0xee, 0xee, 0, 0, 0, 1, 7, 0, 0, 0, 2, 0xc3, 0xa9],
        ...[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 5, 0xee, 0xee, 0xee, 0xee, 0xee],
      ),
    );
  });

  it("needs as much room as it says at most", () => {
    expect(frameBytesMax(5)).toBe(12);
    expect(frameBytesMax(bytes(1, 2))).toBe(6);
    expect(frameBytesMax("密")).toBe(7);
  });

  it("refuses a number that cannot be held", () => {
    expect(() => writeFrame(-1, new Uint8Array(12), 0)).toThrow(RangeError);
  });
});

describe("numbers", () => {
  it.each([
    [0, [0, 0, 0, 0, 0, 0, 0, 0]],
    [1, [0, 0, 0, 0, 0, 0, 0, 1]],
    [0x01020304, [0, 0, 0, 0, 1, 2, 3, 4]],
    [0xffffffff, [0, 0, 0, 0, 255, 255, 255, 255]],
    [2 ** 32, [0, 0, 0, 1, 0, 0, 0, 0]],
    [0x0a0b0c0d0e0f, [0, 0, 10, 11, 12, 13, 14, 15]],
    [Number.MAX_SAFE_INTEGER, [0, 31, 255, 255, 255, 255, 255, 255]],
  ])("%i is eight bytes, most significant first", (value, expected) => {
    expect(encodeUint64(value)).toEqual(Uint8Array.from(expected));
    expect(decodeUint64(Uint8Array.from(expected), 0)).toBe(value);
  });

  it("are written and read at an offset of a view that has one of its own", () => {
    const whole = new Uint8Array(20).fill(0xee);
    const view = whole.subarray(3);
    writeUint64(view, 2, 0x0102030405060 + 7);
    expect(whole.subarray(0, 5)).toEqual(new Uint8Array(5).fill(0xee));
    expect(whole.subarray(13)).toEqual(new Uint8Array(7).fill(0xee));
    expect(decodeUint64(view, 2)).toBe(0x0102030405060 + 7);
  });

  it("beyond the safe integers are read as none", () => {
    expect(decodeUint64(bytes(0, 32, 0, 0, 0, 0, 0, 0), 0)).toBeNull();
    expect(decodeUint64(new Uint8Array(8).fill(255), 0)).toBeNull();
  });

  it("that cannot be held are refused in words", () => {
    for (const value of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => encodeUint64(value)).toThrow("a framed number is a non-negative safe integer");
    }
  });
});
