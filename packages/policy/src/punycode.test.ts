import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodePunycode, encodePunycode } from "./punycode.ts";

const points = (text: string): number[] => [...text].map((letter) => letter.codePointAt(0) ?? 0);

// RFC 3492 §7.1.
const SAMPLES: readonly (readonly [text: string, encoded: string])[] = [
  ["ليهمابتكلموشعربي؟", "egbpdaj6bu4bxfgehfvwxn"],
  ["他们为什么不说中文", "ihqwcrb4cv8a8dqg056pqjye"],
  ["Pročprostěnemluvíčesky".toLowerCase(), "proprostnemluvesky-uyb24dma41a"],
  ["почемужеонинеговорятпорусски", "b1abfaaepdrnnbgefbadotcwatmq2g4l"],
  ["3年b組金八先生", "3b-ww4c5e180e575a65lsy2b"],
  ["bücher", "bcher-kva"],
];

describe("punycode", () => {
  it.each(SAMPLES)("encodes %s as %s, and back", (text, encoded) => {
    expect(encodePunycode(points(text))).toBe(encoded);
    expect(decodePunycode(encoded)).toEqual(points(text));
  });

  it.each(["0", "99999999", "é", "A", "a b", "x".repeat(64), "ls8h="])(
    "does not read %j as anything but what it encodes",
    (text) => {
      const decoded = decodePunycode(text);
      expect(decoded === null || encodePunycode(decoded) === text).toBe(true);
    },
  );

  it("reads back whatever it wrote", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }), (text) => {
        const encoded = encodePunycode(points(text));
        fc.pre(encoded.length <= 63 && /[^\p{ASCII}]/u.test(text));
        expect(decodePunycode(encoded)).toEqual(points(text));
      }),
    );
  });
});
