import { argon2idAsync } from "@noble/hashes/argon2.js";
import { KEY_BYTES } from "./aead.ts";
import { decodeBase64, encodeBase64 } from "./bytes.ts";
import { VaultError } from "./errors.ts";
import type { KeyProvider, KeyProviderConfig } from "./key-provider.ts";

/** Costs of Argon2id, as stored in `vault.json`. */
export interface Argon2idParameters {
  /** Base64 of 16 random bytes. */
  readonly salt: string;
  /** KiB; 65,536 to 4,194,304. */
  readonly memoryKib: number;
  /** Passes over the memory; 2 to 64. */
  readonly passes: number;
  /** Lanes; 1 to 16. */
  readonly lanes: number;
}

/**
 * Derives 32 bytes from a passphrase.
 *
 * @param passphrase - Borrowed.
 */
export type Argon2id = (
  passphrase: Uint8Array,
  salt: Uint8Array,
  costs: Omit<Argon2idParameters, "salt">,
) => Promise<Uint8Array>;

/**
 * RFC 9106 section 4 recommends 64 MiB with 3 passes where memory is scarce. One lane, because
 * the computation here has one thread; about 1.2 s in pure JavaScript on a 2024 server core.
 */
export const DEFAULT_COSTS: Omit<Argon2idParameters, "salt"> = {
  memoryKib: 64 * 1024,
  passes: 3,
  lanes: 1,
};

/** Bytes of a new salt, and the least a stored one may have. */
export const SALT_BYTES = 16;
const BOUNDS = { memoryKib: [64 * 1024, 4096 * 1024], passes: [2, 64], lanes: [1, 16] } as const;

/** In JavaScript, giving way to other work every few milliseconds. */
export const portableArgon2id: Argon2id = (passphrase, salt, { memoryKib, passes, lanes }) =>
  argon2idAsync(passphrase, salt, {
    m: memoryKib,
    t: passes,
    p: lanes,
    dkLen: KEY_BYTES,
    // Its own limit is 1 GiB; the bounds of a vault's costs are above.
    maxmem: 2 ** 32 - 1,
  });

/**
 * The 32-byte key of a passphrase, which the caller wipes.
 *
 * @param parameters - As stored, before anything could authenticate them: costs that would exhaust
 *   the machine are refused.
 * @throws {VaultError} `VAULT_KEY_UNAVAILABLE`: the parameters are out of bounds.
 */
export async function derivePassphraseKey(
  passphrase: Uint8Array,
  parameters: Argon2idParameters,
  argon2id: Argon2id,
): Promise<Uint8Array> {
  const salt = typeof parameters.salt === "string" ? decodeBase64(parameters.salt) : null;
  for (const [name, [least, most]] of Object.entries(BOUNDS)) {
    const cost = parameters[name as keyof typeof BOUNDS];
    if (!Number.isInteger(cost) || cost < least || cost > most) {
      throw new VaultError(
        "VAULT_KEY_UNAVAILABLE",
        `Argon2id with ${name} ${cost} is outside ${least} to ${most}`,
      );
    }
  }
  if (salt === null || salt.length < SALT_BYTES) {
    throw new VaultError("VAULT_KEY_UNAVAILABLE", "the stored Argon2id salt is malformed");
  }
  return argon2id(passphrase, salt, parameters);
}

/**
 * A KEK derived from a passphrase. Nothing but the salt and the costs is stored.
 *
 * @param passphrase - UTF-8, normalised by the caller if it wishes; borrowed until the vault is
 *   created, unlocked or rotated, then the caller wipes it.
 * @param options - `costs`: of a new vault or a rotation; unlocking uses the stored ones.
 *   `argon2id`: a faster implementation with the same results.
 */
export function passphraseKeyProvider(
  passphrase: Uint8Array,
  options: {
    readonly costs?: Omit<Argon2idParameters, "salt">;
    readonly argon2id?: Argon2id;
  } = {},
): KeyProvider {
  const { costs = DEFAULT_COSTS, argon2id = portableArgon2id } = options;
  if (passphrase.length === 0) {
    throw new VaultError("VAULT_INVALID_INPUT", "a passphrase is not empty");
  }
  let config: KeyProviderConfig = { kind: "passphrase" };
  const derive = (parameters: Argon2idParameters): Promise<Uint8Array> =>
    derivePassphraseKey(passphrase, parameters, argon2id);
  return {
    get config() {
      return config;
    },
    async create(random) {
      const parameters = { salt: encodeBase64(random(SALT_BYTES)), ...costs };
      const key = await derive(parameters);
      config = { kind: "passphrase", argon2id: parameters };
      return key;
    },
    async obtain(stored) {
      if (stored?.kind !== "passphrase" || stored.argon2id === undefined) {
        throw new VaultError(
          "VAULT_KEY_MISMATCH",
          `this vault is not opened with a passphrase but with its \`${stored?.kind ?? "unknown"}\` provider`,
        );
      }
      config = stored;
      return derive(stored.argon2id);
    },
  };
}
