/** Costs of Argon2id, as stored in `vault.json`. */
export interface Argon2idParameters {
  /** Base64 of 16 random bytes. */
  readonly salt: string;
  /** KiB; at least 65536. */
  readonly memoryKib: number;
  /** Passes over the memory; at least 2. */
  readonly passes: number;
  /** Lanes; at least 1. */
  readonly lanes: number;
}
