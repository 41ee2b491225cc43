import { describe, expect, it } from "vitest";
import { decodePercent, hexByte } from "./percent.ts";

describe("hexByte", () => {
  it("reads two hex digits, and nothing else, at its place", () => {
    for (let high = 0; high < 256; high++) {
      for (let low = 0; low < 256; low++) {
        const digits = String.fromCharCode(high, low);
        const byte = /^[0-9A-Fa-f]{2}$/.test(digits) ? Number.parseInt(digits, 16) : -1;
        expect(hexByte(`%${digits}`, 1)).toBe(byte);
      }
    }
    expect(hexByte("%4", 1)).toBe(-1);
    expect(hexByte("%", 1)).toBe(-1);
  });
});

describe("decodePercent", () => {
  it.each([
    ["", ""],
    ["a+b", "a+b"],
    ["%41%2f%c3%A9", "A/\u00e9"],
    ["%2541", "%41"],
  ])("decodes %j once", (text, decoded) => {
    expect(decodePercent(text)).toBe(decoded);
  });

  it.each(["%ff", "%c0%af", "%ed%a0%80", "%c3"])(
    "returns null for %s, which is not UTF-8",
    (text) => {
      expect(decodePercent(text)).toBeNull();
    },
  );
});
