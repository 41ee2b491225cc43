import { hash } from "node:crypto";
import type { Sha256 } from "../sha256.ts";

/** SHA-256 by the system's library, in one call without a context object. */
export const systemSha256: Sha256 = (bytes) => {
  // A plain array: a Buffer's slice would be a view of it.
  const digest = hash("sha256", bytes, "buffer");
  return new Uint8Array(digest.buffer, digest.byteOffset, digest.length);
};
