/** Backups without a daemon: there may be no vault to open, or one that does not open any more. */

import { resolve, sep } from "node:path";
import type { BackupSummary, KeyProvider } from "@aivault/vault-core";
import { restoreBackupFile, verifyBackupFile } from "@aivault/vault-core/node";
import { chosenKeyProvider, type KeyProviderChoice, requireUsable } from "./key-provider.ts";
import type { VaultPaths } from "./paths.ts";

/** What a restoration needs to know. */
export interface RestoreBackupOptions {
  readonly paths: VaultPaths;
  /** The backup. */
  readonly file: string;
  /** UTF-8 octets of what it was made under; borrowed. */
  readonly passphrase: Uint8Array;
  /** What is to keep the key of the restored vault. */
  readonly keyProvider: KeyProviderChoice;
  /** A vault that is there is moved aside, to `<root>.replaced-<time>`. Default false: it stays. */
  readonly overwrite?: boolean;
  /** Read for the environment key provider only. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Make the vault of a backup at `paths.root`, in this process. No daemon may be using a vault there.
 *
 * @throws {VaultError} `VAULT_ALREADY_INITIALIZED`, `VAULT_BUSY`, `VAULT_OPEN_FAILED` (damage, or another
 * passphrase), `VAULT_KEY_UNAVAILABLE`, `VAULT_STORE_FAILED`, `VAULT_STORE_FULL`.
 */
export async function restoreBackup(options: RestoreBackupOptions): Promise<BackupSummary> {
  const { paths, file, passphrase, overwrite = false, env } = options;
  const keyProvider = chosenKeyProvider(options.keyProvider, paths, env);
  const root = resolve(paths.root);
  // A key file below the directory gives way with the vault that is there, and need not be of use.
  if (!isBelow(root, keyProvider)) await requireUsable(keyProvider);
  return await restoreBackupFile(file, root, { passphrase, overwrite, keyProvider });
}

function isBelow(root: string, { config }: KeyProvider): boolean {
  return config.kind === "file" && config.path.startsWith(root + sep);
}

/**
 * Read a whole backup and check every octet of it. Nothing but the passphrase is needed.
 *
 * @throws {VaultError} `VAULT_OPEN_FAILED`: damage, or another passphrase.
 */
export function verifyBackup(options: {
  readonly file: string;
  readonly passphrase: Uint8Array;
}): Promise<BackupSummary> {
  return verifyBackupFile(options.file, { passphrase: options.passphrase });
}
