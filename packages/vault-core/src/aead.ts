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
  const box = xchacha20poly1305(key, nonce, encodeFields(context)).encrypt(plaintext);
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
  if (sealed.length >= NONCE_BYTES + TAG_BYTES) {
    try {
      const nonce = sealed.subarray(0, NONCE_BYTES);
      return xchacha20poly1305(key, nonce, encodeFields(context)).decrypt(
        sealed.subarray(NONCE_BYTES),
      );
    } catch {
      // The cause would only repeat "invalid tag"; falling through gives one answer to all cases.
    }
  }
  throw new VaultError("VAULT_OPEN_FAILED", "a sealed value does not authenticate");
}
