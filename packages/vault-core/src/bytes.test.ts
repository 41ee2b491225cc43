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
  });
});
