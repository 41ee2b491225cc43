import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  installXChaCha20Poly1305,
  KEY_BYTES,
  NONCE_BYTES,
  open,
  openFramed,
  portableXChaCha20Poly1305,
  seal,
  TAG_BYTES,
} from "./aead.ts";
import { encodeHex, encodeUtf8 } from "./bytes.ts";
import { encodeFields, type Field } from "./framing.ts";
import { systemXChaCha20Poly1305 } from "./node/aead.ts";
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

describe("a sealed value", () => {
  it("is the nonce, the ciphertext and the tag, the context framed and authenticated", () => {
    expect([KEY_BYTES, NONCE_BYTES, TAG_BYTES]).toEqual([32, 24, 16]);
    const asked: number[] = [];
    const sealed = seal(key, context, encodeUtf8("x"), (length) => {
      asked.push(length);
      return new Uint8Array(length).fill(2);
    });
    expect(asked).toEqual([24]);
    expect(sealed).toHaveLength(24 + 1 + 16);
    expect(encodeHex(sealed.subarray(0, 24))).toBe("02".repeat(24));
    expect(openFramed(key, encodeFields(context), sealed)).toEqual(encodeUtf8("x"));
    expect(sealed.subarray(24)).toEqual(
      portableXChaCha20Poly1305.seal(
        key,
        sealed.subarray(0, 24),
        encodeFields(context),
        encodeUtf8("x"),
      ),
    );
  });

  it("of no bytes is one too", () => {
    const sealed = seal(key, context, new Uint8Array(), systemRandom);
    expect(sealed).toHaveLength(40);
    expect(open(key, context, sealed)).toEqual(new Uint8Array());
  });

  it("is not made with a nonce of another length", () => {
    for (const length of [0, 12, 23, 25]) {
      expect(() => seal(key, context, encodeUtf8("x"), () => new Uint8Array(length))).toThrow(
        "the random source returned a short nonce",
      );
    }
  });

  it.each([
    ["portable", portableXChaCha20Poly1305],
    ["system's", systemXChaCha20Poly1305],
  ])(
    "G11: that is altered, cut or lengthened is refused in one way by the %s cipher",
    (_, cipher) => {
      const sealed = seal(key, context, encodeUtf8("a secret"), systemRandom);
      installXChaCha20Poly1305(cipher);
      try {
        expect(open(key, context, sealed)).toEqual(encodeUtf8("a secret"));
        const damaged = [
          ...Array.from({ length: sealed.length }, (_, length) => sealed.subarray(0, length)),
          ...Array.from(sealed, (byte, at) => sealed.with(at, byte ^ 0x10)),
          Uint8Array.of(...sealed, 0),
          Uint8Array.of(0, ...sealed),
        ];
        for (const bytes of damaged) {
          expect(() => open(key, context, bytes)).toThrow(
            expect.objectContaining({
              code: "VAULT_OPEN_FAILED",
              message: "a sealed value does not authenticate",
            }),
          );
        }
      } finally {
        installXChaCha20Poly1305(portableXChaCha20Poly1305);
      }
    },
  );

  it("that is shorter than a nonce and a tag is not even tried", () => {
    const tried: number[] = [];
    installXChaCha20Poly1305({
      ...portableXChaCha20Poly1305,
      open: (_key, _nonce, _associated, box) => {
        tried.push(box.length);
        return box;
      },
    });
    try {
      for (const length of [0, 8, 9, 23, 24, 39]) {
        expect(() => open(key, context, new Uint8Array(length))).toThrow(failed);
      }
      expect(tried).toEqual([]);
      open(key, context, new Uint8Array(40));
      expect(tried).toEqual([16]);
    } finally {
      installXChaCha20Poly1305(portableXChaCha20Poly1305);
    }
  });

  it("is made and opened by what was installed last", () => {
    const calls: string[] = [];
    installXChaCha20Poly1305({
      seal: (...parts) => {
        calls.push("seal");
        return systemXChaCha20Poly1305.seal(...parts);
      },
      open: (...parts) => {
        calls.push("open");
        return systemXChaCha20Poly1305.open(...parts);
      },
    });
    try {
      const sealed = seal(key, context, encodeUtf8("x"), systemRandom);
      expect(open(key, context, sealed)).toEqual(encodeUtf8("x"));
    } finally {
      installXChaCha20Poly1305(portableXChaCha20Poly1305);
    }
    expect(calls).toEqual(["seal", "open"]);
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
