/** Making a vault: `aivault init`, and initialisation on first use. */

import { lstatSync } from "node:fs";
import type { WireStatus } from "@aivault/client/protocol";
import { Vault } from "@aivault/vault-core";
import { openFileStore, systemRandom } from "@aivault/vault-core/node";
import { describeVault } from "./describe-vault.ts";
import { DaemonError } from "./errors.ts";
import { chosenKeyProvider, type KeyProviderChoice, requireUsable } from "./key-provider.ts";
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

/**
 * Make the vault at `paths.root`, in this process and under its exclusive lock.
 *
 * A key that is already there is used if it is a key, and otherwise left alone: it may be the only one
 * that opens another vault.
 *
 * @throws {DaemonError} `DAEMON_VAULT_EXISTS`.
 * @throws {VaultError} `VAULT_BUSY`, `VAULT_KEY_UNAVAILABLE`, `VAULT_STORE_FAILED`.
 */
export async function initVault(options: InitVaultOptions): Promise<WireStatus["vault"]> {
  const { paths, keyProvider, dev, env } = options;
  if (vaultExists(paths)) throw exists(paths);
  const provider = chosenKeyProvider(keyProvider, paths, env);
  await requireUsable(provider);
  const store = await openFileStore(paths.root);
  let vault: Vault;
  try {
    // Looked at again: whoever held the lock before us may have made it.
    if (vaultExists(paths)) throw exists(paths);
    const effects = { store, random: systemRandom, now: Date.now };
    vault = await Vault.create({ ...effects, keyProvider: provider, dev });
  } catch (error) {
    await store.close();
    throw error;
  }
  try {
    await vault.audit.flush();
    return describeVault(vault);
  } finally {
    await vault.close();
  }
}

/** True when something is at the place of `vault.json`, readable or not. */
export function vaultExists(paths: VaultPaths): boolean {
  try {
    lstatSync(paths.configFile);
    return true;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : null;
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    throw new DaemonError("DAEMON_DIRECTORY_UNSAFE", `cannot look into ${paths.root} (${code})`, {
      cause: error,
    });
  }
}

function exists(paths: VaultPaths): DaemonError {
  return new DaemonError("DAEMON_VAULT_EXISTS", `there is a vault at ${paths.root} already`, {
    hint: "aivault status",
  });
}
