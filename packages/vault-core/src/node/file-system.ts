import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  type Stats,
  statSync,
} from "node:fs";
import { type FileHandle, open as openFile, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { VaultError } from "../errors.ts";

// The only calls that touch the file system's names. Files are opened without following links and
// without blocking on a FIFO, and are regular files of this user, or they are refused.

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;
const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
const NOT_PLAIN = new Set(["ELOOP", "ENXIO", "EMLINK", "ENOTDIR", "EISDIR", "ENODEV"]);
/** No record comes near this; a larger file is not ours. */
const FILE_BYTES_MAX = 256 * 1024 * 1024;

/** The error code of a failed system call, or "". */
export function systemCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** A failed system call as the store's error. @param subject - The store key. */
export function storeError(error: unknown, subject: string, action: string): VaultError {
  if (error instanceof VaultError) return error;
  const code = systemCode(error);
  if (FULL.has(code)) {
    return new VaultError(
      "VAULT_STORE_FULL",
      `no space left to ${action} \`${subject}\` (${code}); nothing was changed, make room and try again`,
      {
        subject,
        cause: error,
      },
    );
  }
  if (NOT_PLAIN.has(code)) return notPlain(subject, error);
  return new VaultError(
    "VAULT_STORE_FAILED",
    `cannot ${action} \`${subject}\` (${code || "unknown error"})`,
    {
      subject,
      cause: error,
    },
  );
}

/** Something other than a regular file is where a record belongs. */
export function notPlain(subject: string, cause?: unknown): VaultError {
  return new VaultError(
    "VAULT_TAMPERED",
    `\`${subject}\` is not a plain file; remove it and restore the file from a backup`,
    {
      subject,
      cause,
    },
  );
}

function requireOwn(stats: Stats, subject: string): void {
  const uid = process.geteuid?.();
  if (uid !== undefined && stats.uid !== uid) {
    throw new VaultError(
      "VAULT_STORE_FAILED",
      `\`${subject}\` belongs to user ${stats.uid}, not to user ${uid}; a vault is used by its owner alone`,
      {
        subject,
      },
    );
  }
}

/** What opening found besides the file itself. */
export interface OpenedFile {
  readonly descriptor: number;
  readonly size: number;
  /** The mode let others in; it was corrected unless the file was opened for reading only. */
  readonly loose: boolean;
}

/**
 * Opens a regular file of this user. The caller closes it.
 *
 * @returns null when there is none.
 */
export function openRegular(
  path: string,
  subject: string,
  mode: "read" | "write" | "create",
): OpenedFile | null {
  const access = mode === "read" ? O_RDONLY : mode === "write" ? O_RDWR : O_RDWR | O_CREAT;
  let descriptor: number;
  try {
    descriptor = openSync(path, access | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return null;
    throw storeError(error, subject, "open");
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw notPlain(subject);
    requireOwn(stats, subject);
    const loose = (stats.mode & 0o077) !== 0;
    if (loose && mode !== "read") fchmodSync(descriptor, 0o600);
    return { descriptor, size: stats.size, loose };
  } catch (error) {
    closeSync(descriptor);
    throw storeError(error, subject, "open");
  }
}

/** Reads a whole regular file; null when there is none. */
export function readRegular(
  path: string,
  subject: string,
): { bytes: Uint8Array; loose: boolean } | null {
  const file = openRegular(path, subject, "read");
  if (file === null) return null;
  try {
    if (file.size > FILE_BYTES_MAX) throw notPlain(subject);
    return { bytes: readAt(file.descriptor, 0, file.size), loose: file.loose };
  } catch (error) {
    throw storeError(error, subject, "read");
  } finally {
    closeSync(file.descriptor);
  }
}

/** Up to `length` bytes from `offset`. */
export function readAt(descriptor: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const count = readSync(descriptor, bytes, done, length - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}

/**
 * Makes sure a directory of mode 0700 is there, and is one.
 *
 * @returns Whether it was made just now; then its parent is to be synced.
 */
export function ensureDirectory(path: string, subject: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
    return true;
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw storeError(error, subject, "make");
  }
  requireDirectory(path, subject);
  return false;
}

/**
 * Makes a directory of mode 0700 with those above it that are missing, and brings each new name to
 * the disk before anything is made below it.
 *
 * The name of what was there already is brought to the disk too: a process that was killed right
 * after making it may not have come to that.
 */
export async function makeDirectories(path: string): Promise<void> {
  const missing: string[] = [];
  let present = path;
  while (dirname(present) !== present && !isThere(present)) {
    missing.unshift(present);
    present = dirname(present);
  }
  await syncName(present);
  for (const directory of missing) {
    try {
      mkdirSync(directory, { mode: 0o700 });
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
    }
    await syncName(directory);
  }
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Brings a name to the disk, where the directory that holds it may be opened at all. */
async function syncName(path: string): Promise<void> {
  try {
    await syncDirectory(dirname(path));
  } catch (error) {
    // Search permission is enough to live below a directory: such a one was not made by us.
    if (!FOREIGN.has(systemCode(error))) throw error;
  }
}

const FOREIGN = new Set(["EACCES", "EPERM", "EROFS", "EINVAL"]);

/** Refuses a link, or anything else that is not a directory of this user. Null when absent. */
export function requireDirectory(path: string, subject: string): Stats | null {
  let stats: Stats;
  try {
    stats = lstatSync(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return null;
    throw storeError(error, subject, "inspect");
  }
  if (!stats.isDirectory()) {
    throw new VaultError("VAULT_TAMPERED", `\`${subject}\` is not a directory; move it away`, {
      subject,
    });
  }
  requireOwn(stats, subject);
  return stats;
}

/** Brings a directory's entries to the disk: a rename counts only after this. */
export async function syncDirectory(path: string): Promise<void> {
  // Windows cannot open directories; NTFS journals the rename itself.
  if (process.platform === "win32") return;
  const directory = await openFile(path, O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/**
 * Writes a new file that is on disk when this returns, or leaves none. It has mode 0600 from its
 * first byte and cannot land on anything that exists.
 */
export function writeNewFile(path: string, bytes: Uint8Array): Promise<void> {
  return writeNewFiles([{ path, bytes }]);
}

/**
 * The same for several files. All are written before the first is synced: most file systems then
 * bring all of them to the disk with the first and find the others there.
 */
export async function writeNewFiles(
  files: readonly { readonly path: string; readonly bytes: Uint8Array }[],
): Promise<void> {
  const open: { path: string; file: FileHandle }[] = [];
  const attempt = async <T>(run: (item: T) => Promise<void>, items: readonly T[]) => {
    // Every call ends before any is cleaned up after.
    const results = await Promise.allSettled(items.map(run));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  };
  try {
    await attempt(async ({ path, bytes }) => {
      const file = await openFile(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      open.push({ path, file });
      let done = 0;
      // One call may write less than it was given.
      while (done < bytes.length) {
        done += (await file.write(bytes, done, bytes.length - done, done)).bytesWritten;
      }
    }, files);
    await attempt(({ file }) => file.sync(), open);
    await attempt(({ file }) => file.close(), open);
  } catch (error) {
    for (const { path, file } of open) {
      await file.close().catch(() => {});
      await unlink(path).catch(() => {});
    }
    throw error;
  }
}

/** Puts a new file in place of `target` and brings the directory to the disk. */
export async function renameDurably(from: string, target: string): Promise<void> {
  await rename(from, target);
  await syncDirectory(dirname(target));
}
