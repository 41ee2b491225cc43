import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import type { RandomBytes } from "./bytes.ts";
import { VaultError } from "./errors.ts";
import { encodeFields, type Field } from "./framing.ts";

/** Bytes of every symmetric key in a vault. */
export const KEY_BYTES = 32;
/** XChaCha20 takes 24-byte nonces: chosen at random, two collide after about 2^96 messages. */
export const NONCE_BYTES = 24;
/** Poly1305. */
export const TAG_BYTES = 16;

/**
 * XChaCha20-Poly1305 of some library. Everything it is given is borrowed; what it returns is the
 * caller's.
 */
export interface XChaCha20Poly1305 {
  /** @returns ciphertext || tag (16). */
  seal(
    key: Uint8Array,
    nonce: Uint8Array,
    associated: Uint8Array,
    plaintext: Uint8Array,
  ): Uint8Array;
  /** @throws Anything, when the tag is not right; then no plaintext is left behind. */
  open(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, box: Uint8Array): Uint8Array;
}

/** The one that runs anywhere. */
export const portableXChaCha20Poly1305: XChaCha20Poly1305 = {
  seal: (key, nonce, associated, plaintext) =>
    xchacha20poly1305(key, nonce, associated).encrypt(plaintext),
  open: (key, nonce, associated, box) => xchacha20poly1305(key, nonce, associated).decrypt(box),
};

let implementation = portableXChaCha20Poly1305;

/**
 * Seals and opens by another implementation from now on, in the whole process: the platform's takes
 * less than half the time. Both give the same bytes, so nothing else can change.
 */
export function installXChaCha20Poly1305(faster: XChaCha20Poly1305): void {
  implementation = faster;
}

/**
 * Seals a value with XChaCha20-Poly1305.
 *
 * @param key - 32 bytes, borrowed.
 * @param context - Authenticated, not stored: the same fields are needed to open.
 * @param plaintext - Borrowed; wiping it stays with the caller.
 * @returns nonce (24) || ciphertext || tag (16).
 * @see draft-irtf-cfrg-xchacha-03; docs/format.md#sealing
 */
export function seal(
  key: Uint8Array,
  context: readonly Field[],
  plaintext: Uint8Array,
  random: RandomBytes,
): Uint8Array {
  const nonce = random(NONCE_BYTES);
  if (nonce.length !== NONCE_BYTES)
    throw new RangeError("the random source returned a short nonce");
  const box = implementation.seal(key, nonce, encodeFields(context), plaintext);
  const sealed = new Uint8Array(NONCE_BYTES + box.length);
  sealed.set(nonce);
  sealed.set(box, NONCE_BYTES);
  return sealed;
}

/**
 * Opens what {@link seal} made.
 *
 * @returns The plaintext; the caller owns it and wipes it.
 * @throws {VaultError} `VAULT_OPEN_FAILED`: wrong key, wrong context, truncated or altered; one
 *   code and one message, so that nobody learns which.
 */
export function open(key: Uint8Array, context: readonly Field[], sealed: Uint8Array): Uint8Array {
  return openFramed(key, encodeFields(context), sealed);
}

/** {@link open} for a context that {@link encodeFields} has framed already. */
export function openFramed(key: Uint8Array, context: Uint8Array, sealed: Uint8Array): Uint8Array {
  if (sealed.length >= NONCE_BYTES + TAG_BYTES) {
    try {
      const nonce = sealed.subarray(0, NONCE_BYTES);
      return implementation.open(key, nonce, context, sealed.subarray(NONCE_BYTES));
    } catch {
      // The cause would only repeat "invalid tag"; falling through gives one answer to all cases.
    }
  }
  throw new VaultError("VAULT_OPEN_FAILED", "a sealed value does not authenticate");
}
