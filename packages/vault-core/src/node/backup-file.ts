import { createReadStream, readdirSync, realpathSync } from "node:fs";
import { link, open, rm, unlink } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { type BackupKey, type BackupSummary, restoreBackup, verifyBackup } from "../backup.ts";
import { VaultError } from "../errors.ts";
import type { KeyProvider } from "../key-provider.ts";
import type { Argon2idParameters } from "../passphrase.ts";
import { Vault } from "../vault.ts";
import { systemArgon2id } from "./argon2id.ts";
import { openFileStore } from "./file-store.ts";
import { renameDurably, requireDirectory, storeError, syncDirectory } from "./file-system.ts";
import { fileKeyProvider } from "./key-file.ts";
import { systemRandom } from "./random.ts";
import { collectSiblings, forgetSibling, temporarySibling } from "./temporary-sibling.ts";

/** What to do about something that is there already. */
export interface OverwriteOption {
  /** Default: false, and nothing is touched. */
  readonly overwrite?: boolean;
}

/**
 * Writes a backup of an unlocked vault to a file of mode 0600, which has its name only once it is
 * whole and on disk.
 *
 * @throws {VaultError} `VAULT_ALREADY_INITIALIZED`: the file exists; see `overwrite`.
 *   `VAULT_LOCKED`, `VAULT_STORE_FULL`, `VAULT_STORE_FAILED`.
 */
export async function createBackupFile(
  vault: Vault,
  path: string,
  options: BackupKey & OverwriteOption & { readonly costs?: Omit<Argon2idParameters, "salt"> },
): Promise<BackupSummary> {
  const target = resolve(path);
  collectSiblings(target);
  const temporary = temporarySibling(target, "tmp");
  try {
    const file = await open(temporary, "wx", 0o600);
    const pieces = vault.backup({ argon2id: systemArgon2id, ...options });
    try {
      for (;;) {
        const next = await pieces.next();
        if (next.done === true) {
          await file.sync();
          await file.close();
          await giveName(temporary, target, options.overwrite === true);
          return next.value;
        }
        await file.writeFile(next.value);
      }
    } finally {
      await pieces.return?.(undefined as never);
      await file.close().catch(() => {});
    }
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw storeError(error, basename(target), "write");
  } finally {
    forgetSibling(temporary);
  }
}

/** As {@link verifyBackup}, of a file. */
export async function verifyBackupFile(path: string, key: BackupKey): Promise<BackupSummary> {
  try {
    return await verifyBackup(createReadStream(path), { argon2id: systemArgon2id, ...key });
  } catch (error) {
    throw storeError(error, basename(path), "read");
  }
}

/**
 * Restores a backup to a directory, under the key of a key provider. It is put together and verified
 * beside the directory, audit log included, and takes its name last. Killed between the two renames, the
 * vault that was there is whole under its new name. A key file below the directory is made anew, and
 * comes and goes with it.
 *
 * @param options - `overwrite`: a vault that is there is renamed to `<directory>.replaced-<time>`,
 *   never deleted; it must not be in use. Default: false.
 * @throws {VaultError} `VAULT_ALREADY_INITIALIZED`: the directory is not empty. `VAULT_BUSY`: the vault
 *   that is there is in use. `VAULT_OPEN_FAILED`: damage, or another passphrase.
 *   `VAULT_TAMPERED`: what was restored does not verify. `VAULT_KEY_UNAVAILABLE`.
 */
export async function restoreBackupFile(
  path: string,
  directory: string,
  options: BackupKey & OverwriteOption & { readonly keyProvider: KeyProvider },
): Promise<BackupSummary> {
  const target = resolve(directory);
  await requireReplaceable(target, options.overwrite === true);
  collectSiblings(target);
  const staging = temporarySibling(target, "restoring");
  try {
    const keyProvider = within(target, staging, options.keyProvider);
    const summary = await restoreTo(staging, path, { ...options, keyProvider });
    await takePlace(staging, target);
    return summary;
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw storeError(error, basename(target), "restore");
  } finally {
    forgetSibling(staging);
  }
}

/** Gives the restored vault its name, and the vault that has it another. */
async function takePlace(staging: string, target: string): Promise<void> {
  if (!isOccupied(target)) return renameDurably(staging, target);
  const replaced = `${target}.replaced-${Date.now()}`;
  try {
    // G20: on disk before the name is given away, or a power cut could leave neither of the two.
    await renameDurably(target, replaced);
    await renameDurably(staging, target);
  } catch (error) {
    if (!isOccupied(target)) await renameDurably(replaced, target).catch(() => {});
    throw error;
  }
}

/** G20: a key file below the directory is made below `staging`, so that no vault is ever without it. */
function within(target: string, staging: string, provider: KeyProvider): KeyProvider {
  const { config } = provider;
  if (config.kind !== "file") return provider;
  const place = relative(realPath(target), realPath(config.path));
  if (place.split(sep)[0] === ".." || isAbsolute(place)) return provider;
  const staged = fileKeyProvider(join(staging, place));
  return { config, create: (random) => staged.create(random), obtain: () => staged.obtain(config) };
}

/** Without links, as far as it is there. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPath(parent), basename(path));
  }
}

async function restoreTo(
  staging: string,
  path: string,
  options: BackupKey & { readonly keyProvider: KeyProvider },
): Promise<BackupSummary> {
  const effects = { random: systemRandom, now: Date.now };
  const store = await openFileStore(staging);
  try {
    const summary = await restoreBackup(createReadStream(path), {
      argon2id: systemArgon2id,
      ...options,
      ...effects,
      store,
    });
    const vault = await Vault.open({ store, ...effects });
    try {
      await vault.unlock(options.keyProvider);
      await requireSound(vault, summary);
    } finally {
      await vault.close();
    }
    return summary;
  } finally {
    await store.close().catch(() => {});
  }
}

async function requireSound(vault: Vault, summary: BackupSummary): Promise<void> {
  const { skipped, auditProblem } = summary;
  const audit = await vault.audit.verify();
  // G18: a log that was sound has to be sound here; one that was not comes as it was, and is named.
  if (!audit.ok && auditProblem === null) {
    throw new VaultError("VAULT_TAMPERED", `the restored audit log: ${audit.problem}`, {
      subject: "audit",
    });
  }
  const { problems } = await vault.verify();
  const unexpected = problems.find(({ subject }) => !skipped.includes(subject));
  // Where records were left out, the index of names cannot fit.
  if (unexpected !== undefined && skipped.length === 0) {
    const { subject, problem } = unexpected;
    throw new VaultError("VAULT_TAMPERED", problem, { subject });
  }
}

async function requireReplaceable(target: string, overwrite: boolean): Promise<void> {
  if (!isOccupied(target)) return;
  if (!overwrite) {
    throw new VaultError(
      "VAULT_ALREADY_INITIALIZED",
      `${target} is not empty; restore elsewhere, or say that it may be replaced`,
    );
  }
  // Whoever uses it holds its lock.
  await (await openFileStore(target)).close();
}

function isOccupied(target: string): boolean {
  return requireDirectory(target, basename(target)) !== null && readdirSync(target).length > 0;
}

async function giveName(temporary: string, target: string, overwrite: boolean): Promise<void> {
  if (overwrite) return renameDurably(temporary, target);
  try {
    // Unlike rename, link fails when the name is taken.
    await link(temporary, target);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") {
      throw new VaultError(
        "VAULT_ALREADY_INITIALIZED",
        `${target} exists; choose another name, or say that it may be overwritten`,
      );
    }
    throw error;
  }
  await unlink(temporary);
  await syncDirectory(dirname(target));
}
