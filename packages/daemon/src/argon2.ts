/** Argon2id by OpenSSL, off the event loop, where this Node has it (24.7 and later). */

import * as crypto from "node:crypto";
import type { Argon2id } from "@aivault/vault-core";

interface NativeParameters {
  readonly message: Uint8Array;
  readonly nonce: Uint8Array;
  readonly parallelism: number;
  readonly tagLength: number;
  readonly memory: number;
  readonly passes: number;
}
type NativeArgon2 = (
  algorithm: "argon2id",
  parameters: NativeParameters,
  done: (error: Error | null, tag: Buffer) => void,
) => void;

const KEY_BYTES = 32;

/**
 * @returns null on an older Node: then vault-core's own computes the same, ten times slower, giving way
 * to other work every few milliseconds.
 */
export function nativeArgon2id(): Argon2id | null {
  const native = (crypto as { argon2?: NativeArgon2 }).argon2;
  if (native === undefined) return null;
  return (message, nonce, { memoryKib, passes, lanes }) =>
    new Promise((resolve, reject) => {
      native(
        "argon2id",
        { message, nonce, parallelism: lanes, tagLength: KEY_BYTES, memory: memoryKib, passes },
        (error, tag) => (error === null ? resolve(new Uint8Array(tag)) : reject(error)),
      );
    });
}
