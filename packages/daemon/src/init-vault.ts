/** Making a vault: `aivault init`, and initialisation on first use. */

import type { WireStatus } from "@aivault/client/protocol";
import type { KeyProviderChoice } from "./key-provider.ts";
import type { VaultPaths } from "./paths.ts";

/** What {@link initVault} needs to know. */
export interface InitVaultOptions {
  readonly paths: VaultPaths;
  readonly keyProvider: KeyProviderChoice;
  /** Seal the development flag into the vault: only then are `AIVAULT_DEV_*` honoured (G24). */
  readonly dev: boolean;
  /** Read for the environment key provider only. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

export function initVault(_options: InitVaultOptions): Promise<WireStatus["vault"]> {
  return Promise.reject(new Error("not yet"));
}
