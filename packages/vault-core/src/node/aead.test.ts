import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { portableXChaCha20Poly1305 } from "../aead.ts";
import { hasSystemXChaCha20Poly1305, systemXChaCha20Poly1305 } from "./aead.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

describe.runIf(hasSystemXChaCha20Poly1305)("systemXChaCha20Poly1305", () => {
  it("seals to the same bytes as the portable form, and opens what either sealed", () => {
    fc.assert(
      fc.property(
        bytes(32),
        bytes(24),
        fc.uint8Array({ maxLength: 200 }),
        fc.uint8Array({ maxLength: 300 }),
        (key, nonce, associated, plaintext) => {
          const box = systemXChaCha20Poly1305.seal(key, nonce, associated, plaintext);
          expect(box).toEqual(
            portableXChaCha20Poly1305.seal(key, nonce, associated, plaintext.slice()),
          );
          expect(systemXChaCha20Poly1305.open(key, nonce, associated, box)).toEqual(plaintext);
          expect(portableXChaCha20Poly1305.open(key, nonce, associated, box)).toEqual(plaintext);
        },
      ),
    );
  });

  it("G11: refuses every flipped bit", () => {
    const key = new Uint8Array(32).fill(1);
    const nonce = new Uint8Array(24).fill(2);
    const box = systemXChaCha20Poly1305.seal(key, nonce, Uint8Array.of(3), Uint8Array.of(4, 5));
    for (let bit = 0; bit < box.length * 8; bit += 1) {
      const altered = box.slice();
      altered[bit >> 3] = (altered[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => systemXChaCha20Poly1305.open(key, nonce, Uint8Array.of(3), altered)).toThrow();
    }
  });

  it("G23: gives memory of its own, so that wiping it wipes all there is", () => {
    const key = new Uint8Array(32).fill(1);
    const nonce = new Uint8Array(24).fill(2);
    const box = systemXChaCha20Poly1305.seal(key, nonce, new Uint8Array(), new Uint8Array(40));
    const plaintext = systemXChaCha20Poly1305.open(key, nonce, new Uint8Array(), box);
    expect(plaintext.buffer.byteLength).toBe(plaintext.length);
  });
});
