import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeBase64, decodeHex, encodeBase64, encodeHex, equalBytes } from "./bytes.ts";

describe("base64", () => {
  it("is the encoding of RFC 4648 section 10, and decodes again", () => {
    for (const [text, encoded] of [
      ["", ""],
      ["f", "Zg=="],
      ["fo", "Zm8="],
      ["foo", "Zm9v"],
      ["foob", "Zm9vYg=="],
      ["fooba", "Zm9vYmE="],
      ["foobar", "Zm9vYmFy"],
    ] as const) {
      expect(encodeBase64(new TextEncoder().encode(text))).toBe(encoded);
      expect(decodeBase64(encoded)).toEqual(new TextEncoder().encode(text));
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(encodeBase64(bytes)).toBe(Buffer.from(bytes).toString("base64"));
        expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes);
        expect(decodeHex(encodeHex(bytes))).toEqual(bytes);
      }),
    );
  });

  it("accepts one spelling of a byte string only", () => {
    for (const text of [
      "Zg",
      "Zg=",
      "Zh==",
      "Zm9=",
      "Zm8\n",
      " Zm8=",
      "Zm-v",
      "====",
      "Z===",
      "=m9v",
    ]) {
      expect(decodeBase64(text)).toBeNull();
    }
    for (const text of ["0", "0g", "zz"]) expect(decodeHex(text)).toBeNull();
  });
});

describe("equalBytes", () => {
  it("compares content and length", () => {
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false);
    expect(equalBytes(new Uint8Array(0), new Uint8Array(0))).toBe(true);
  });

  it("tells a MAC from every one with a bit changed, and from every longer and shorter one", () => {
    const mac = Uint8Array.from({ length: 32 }, (_, at) => (at * 37 + 11) & 0xff);
    for (let bit = 0; bit < 256; bit++) {
      const other = mac.slice();
      other[bit >> 3] = (other[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(equalBytes(mac, other)).toBe(false);
    }
    // Of zeros: a byte that is not there must not count as one.
    const zeros = new Uint8Array(32);
    for (let length = 0; length < 32; length++) {
      for (const whole of [mac, zeros]) {
        expect(equalBytes(whole, whole.subarray(0, length))).toBe(false);
        expect(equalBytes(whole.subarray(0, length), whole)).toBe(false);
      }
    }
  });
});
