import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { open, seal } from "./aead.ts";
import { encodeUtf8 } from "./bytes.ts";
import { encodeFields, type Field } from "./framing.ts";
import { systemRandom } from "./node/index.ts";

const key = new Uint8Array(32).fill(1);
const context = ["label", 1, "vault", "secret"] as const;
const failed = expect.objectContaining({ code: "VAULT_OPEN_FAILED" });

describe("seal", () => {
  it("opens to the same bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (plaintext) => {
        expect(open(key, context, seal(key, context, plaintext, systemRandom))).toEqual(plaintext);
      }),
    );
  });

  it("G11: every truncation and every flipped bit is refused", () => {
    const sealed = seal(key, context, encodeUtf8("a secret"), systemRandom);
    for (let length = 0; length < sealed.length; length += 1) {
      expect(() => open(key, context, sealed.subarray(0, length))).toThrow(failed);
    }
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const altered = sealed.slice();
      altered[bit >> 3] = (altered[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => open(key, context, altered)).toThrow(failed);
    }
    expect(() => open(key, context, Uint8Array.of(...sealed, 0))).toThrow(failed);
  });

  it("is refused under another key or context, with the same words", () => {
    const sealed = seal(key, context, encodeUtf8("a secret"), systemRandom);
    const messages = new Set<string>();
    const attempts: [Uint8Array, readonly Field[]][] = [
      [new Uint8Array(32).fill(2), context],
      [key, ["label", 1, "vault", "other"]],
      [key, ["label", 2, "vault", "secret"]],
      [key, ["label", 1, "vaultsecret"]],
      [key, []],
    ];
    for (const [otherKey, otherContext] of attempts) {
      try {
        open(otherKey, otherContext, sealed);
      } catch (error) {
        messages.add((error as Error).message);
      }
    }
    expect(messages.size).toBe(1);
  });

  it("never uses a nonce twice for the same input", () => {
    const boxes = new Set<string>();
    for (let index = 0; index < 100; index += 1) {
      boxes.add(seal(key, context, encodeUtf8("x"), systemRandom).join());
    }
    expect(boxes.size).toBe(100);
  });
});

describe("encodeFields", () => {
  it("gives different bytes to different lists", () => {
    const fields = fc.array(fc.string({ maxLength: 4 }), { maxLength: 4 });
    fc.assert(
      fc.property(fields, fields, (a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b);
        const [x, y] = [encodeFields(a), encodeFields(b)];
        expect(Buffer.compare(Buffer.from(x), Buffer.from(y)) === 0).toBe(same);
      }),
      { numRuns: 1000 },
    );
  });

  it("refuses numbers it cannot hold", () => {
    for (const value of [-1, 1.5, Number.NaN, 2 ** 53]) {
      expect(() => encodeFields([value])).toThrow(RangeError);
    }
  });
});
