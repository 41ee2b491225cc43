import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";

/** SHA-256 of some bytes, which are borrowed; 32 bytes. @see FIPS 180-4 */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

let implementation: Sha256 = nobleSha256;

/** SHA-256, 32 bytes, owned by the caller. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return implementation(bytes);
}

/**
 * Computes SHA-256 by another implementation from now on, in the whole process: the platform's is
 * some ten times as fast as one in JavaScript. A hash function has one result for each input, so
 * nothing but the time it takes can change.
 */
export function installSha256(faster: Sha256): void {
  implementation = faster;
}
