import { ed25519 } from "@noble/curves/ed25519.js";

/** The Ed25519 public key (32 bytes) of a signing seed. @see RFC 8032 */
export function auditPublicKey(seed: Uint8Array): Uint8Array {
  return ed25519.getPublicKey(seed);
}
