import { KEY_BYTES } from "./aead.ts";
import {
  decodeBase64Codes,
  decodeHexCodes,
  encodeBase64Codes,
  type RandomBytes,
  wipe,
} from "./bytes.ts";
import type { Argon2idParameters } from "./passphrase.ts";

/** How a vault's KEK is kept. Public: `vault.json` holds it in clear, authenticated. */
export type KeyProviderConfig =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "env"; readonly variable: string }
  | { readonly kind: "passphrase"; readonly argon2id?: Argon2idParameters }
  | { readonly kind: "macos-keychain"; readonly service: string; readonly account: string }
  | { readonly kind: "secret-service"; readonly service: string; readonly account: string }
  | { readonly kind: "credential-manager"; readonly service: string; readonly account: string };

/**
 * Where the KEK comes from. Every key it returns is 32 bytes that the caller owns and wipes.
 *
 * The last four methods let `rotateMaster` change the stored key in the same protocol as the
 * vault. A provider that cannot hold two keys leaves them out; then the operator supplies the new
 * key, and the vault accepts the old one until the new one has opened it once.
 */
export interface KeyProvider {
  /** What to store in `vault.json`. */
  readonly config: KeyProviderConfig;
  /**
   * Makes the key of a new vault, or returns the valid key that is already there. Never replaces
   * a key.
   *
   * @throws {VaultError} `VAULT_KEY_UNAVAILABLE`: something is there but cannot be read or parsed.
   */
  create(random: RandomBytes): Promise<Uint8Array>;
  /**
   * The present key.
   *
   * @param stored - The configuration in `vault.json`, with the parameters a derivation needs.
   * @throws {VaultError} `VAULT_KEY_UNAVAILABLE`: there is none, or it cannot be read or parsed.
   */
  obtain(stored?: KeyProviderConfig): Promise<Uint8Array>;
  /** Makes a new key durable beside the present one, replacing any that was staged before. */
  stage?(random: RandomBytes): Promise<Uint8Array>;
  /** The staged key, or null. */
  obtainStaged?(): Promise<Uint8Array | null>;
  /** Makes the staged key the present one, atomically. Without a staged key it does nothing. */
  promote?(): Promise<void>;
  /**
   * Removes a staged key that a rotation which was cut off left behind. Called only once the vault
   * is known not to depend on it.
   */
  discardStaged?(): Promise<void>;
}

/**
 * Reads key text: base64 of exactly 32 bytes, or 64 hexadecimal digits, with white space around it
 * ignored.
 *
 * @param text - ASCII bytes, borrowed; a string of them would outlive the key.
 * @returns 32 bytes that the caller owns and wipes, or null.
 */
export function parseKeyText(text: Uint8Array): Uint8Array | null {
  let [start, end] = [0, text.length];
  while (start < end && isSpace(text[start] as number)) start += 1;
  while (end > start && isSpace(text[end - 1] as number)) end -= 1;
  const trimmed = text.subarray(start, end);
  const key = trimmed.length === 64 ? decodeHexCodes(trimmed) : decodeBase64Codes(trimmed);
  if (key?.length === KEY_BYTES) return key;
  wipe(key);
  return null;
}

/** Key text of a key: base64 and a line feed. The caller wipes it. */
export function formatKeyText(key: Uint8Array): Uint8Array {
  return encodeBase64Codes(key, 0x0a);
}

function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}
