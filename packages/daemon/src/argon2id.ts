/** Argon2id for passphrases that may be Node's Buffers. */

import type { Argon2id } from "@aivault/vault-core";
import { systemArgon2id } from "@aivault/vault-core/node";

/**
 * As {@link systemArgon2id}, of a copy with memory of its own: a small Buffer is a view of a pool that it
 * shares with others, and its `slice` is a view too, so wiping or sending one does more than is meant.
 */
export const argon2id: Argon2id = async (passphrase, salt, costs) => {
  const copy = Uint8Array.from(passphrase);
  try {
    return await systemArgon2id(copy, Uint8Array.from(salt), costs);
  } finally {
    copy.fill(0);
  }
};
