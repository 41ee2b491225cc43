import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import { KEY_BYTES } from "./aead.ts";
import { encodeUtf8 } from "./bytes.ts";
import { encodeFields, type Field } from "./framing.ts";

/** SHA-256, 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return nobleSha256(bytes);
}

/**
 * A 32-byte key for one purpose, from a key that has several: HKDF-SHA256 with the vault id as
 * salt and the label as info.
 *
 * @param key - 32 uniformly random bytes, borrowed.
 * @returns Owned by the caller, who wipes it.
 * @see RFC 5869; docs/format.md#keys
 */
export function deriveKey(key: Uint8Array, vaultId: string, label: string): Uint8Array {
  return hkdf(nobleSha256, key, encodeUtf8(vaultId), encodeUtf8(label), KEY_BYTES);
}

/**
 * HMAC-SHA256 with the key schedule and a fixed prefix computed once. {@link wipe} clears the
 * state it derived from the key.
 *
 * @see RFC 2104
 */
export class Mac {
  readonly #state: ReturnType<typeof hmac.create>;
  readonly #scratch: ReturnType<typeof hmac.create>;

  /** @param key - Borrowed; it may be wiped once the constructor returns. */
  constructor(key: Uint8Array, prefix: readonly Field[]) {
    this.#state = hmac.create(nobleSha256, key);
    this.#state.update(encodeFields(prefix));
    this.#scratch = hmac.create(nobleSha256, key);
  }

  /** The 32-byte MAC of the prefix and the parts, each framed. */
  compute(fields: readonly Field[]): Uint8Array {
    this.#state._cloneInto(this.#scratch);
    this.#scratch.update(encodeFields(fields));
    return this.#scratch.digest();
  }

  /** The state is useless afterwards. */
  wipe(): void {
    this.#state.destroy();
    this.#scratch.destroy();
  }
}
