import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import { KEY_BYTES } from "./aead.ts";
import { encodeUtf8, wipe } from "./bytes.ts";
import { encodeFields, type Field, frameBytesMax, writeFrame } from "./framing.ts";
import { sha256 } from "./sha256.ts";

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

const BLOCK_BYTES = 64;
const MAC_BYTES = 32;
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;
const ROOM_BYTES = 1024;

/**
 * HMAC-SHA256 with the key and a fixed prefix laid out once: two hashes of a buffer that is there
 * already, and nothing else, for each message.
 *
 * @see RFC 2104
 */
export class Mac {
  /** key ^ ipad (64) || prefix || the present message. */
  #inner: Uint8Array;
  readonly #prefixBytes: number;
  /** key ^ opad (64) || inner hash (32). */
  readonly #outer = new Uint8Array(BLOCK_BYTES + MAC_BYTES);

  /** @param key - At most 64 bytes; borrowed, it may be wiped once the constructor returns. */
  constructor(key: Uint8Array, prefix: readonly Field[]) {
    if (key.length > BLOCK_BYTES) throw new RangeError("a MAC key has at most 64 bytes");
    const framed = encodeFields(prefix);
    this.#prefixBytes = BLOCK_BYTES + framed.length;
    this.#inner = new Uint8Array(this.#prefixBytes + ROOM_BYTES);
    this.#inner.fill(INNER_PAD, 0, BLOCK_BYTES);
    this.#outer.fill(OUTER_PAD, 0, BLOCK_BYTES);
    for (const [index, byte] of key.entries()) {
      this.#inner[index] = byte ^ INNER_PAD;
      this.#outer[index] = byte ^ OUTER_PAD;
    }
    this.#inner.set(framed, BLOCK_BYTES);
  }

  /** The 32-byte MAC of the prefix and the fields, each framed. */
  compute(fields: readonly Field[]): Uint8Array {
    let bytesMax = this.#prefixBytes;
    for (const field of fields) bytesMax += frameBytesMax(field);
    if (bytesMax > this.#inner.length) {
      const grown = new Uint8Array(bytesMax + ROOM_BYTES);
      grown.set(this.#inner.subarray(0, this.#prefixBytes));
      wipe(this.#inner);
      this.#inner = grown;
    }
    let end = this.#prefixBytes;
    for (const field of fields) end = writeFrame(field, this.#inner, end);
    this.#outer.set(sha256(this.#inner.subarray(0, end)), BLOCK_BYTES);
    return sha256(this.#outer);
  }

  /** G23: overwrites the key. The MAC is useless afterwards. */
  wipe(): void {
    wipe(this.#inner, this.#outer);
  }
}
