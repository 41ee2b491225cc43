import { randomBytes } from "node:crypto";
import { chmodSync, type Dirent, readdirSync, unlinkSync } from "node:fs";
import { rename, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { installXChaCha20Poly1305 } from "../aead.ts";
import { VaultError } from "../errors.ts";
import { installSha256 } from "../sha256.ts";
import type { LogDurability, LogSegment, Store, StoreChange, StoredRecord } from "../store.ts";
import { hasSystemXChaCha20Poly1305, systemXChaCha20Poly1305 } from "./aead.ts";
import {
  ensureDirectory,
  makeDirectories,
  readRegular,
  requireDirectory,
  storeError,
  syncDirectory,
  systemCode,
  writeNewFile,
  writeNewFiles,
} from "./file-system.ts";
import {
  digestHex,
  type JournalChange,
  journalError,
  parseJournal,
  serializeJournal,
} from "./journal.ts";
import { LogFiles } from "./log-files.ts";
import {
  currentBootId,
  isLockLeftover,
  type ProcessLock,
  takeProcessLock,
} from "./process-lock.ts";
import { systemSha256 } from "./sha256.ts";

const KEY = /^(?:[a-z0-9][a-z0-9._-]*\/)*[a-z0-9][a-z0-9._-]*\.json$/;
const JOURNAL = "journal";
const TEMPORARY = /^\d+-[0-9a-f]{16}\.tmp$/;

/** How {@link openFileStore} opens. */
export interface FileStoreOptions {
  /** Reads beside a process that owns the vault, without the lock; no write is possible. Default: false. */
  readonly readOnly?: boolean;
}

/**
 * Opens a directory as a store, takes its exclusive lock, and finishes a transaction that a crash
 * left in the journal. A directory that does not exist is made, with mode 0700.
 *
 * The directory must be on a local file system: locks and fsync mean nothing dependable on NFS.
 *
 * @throws {VaultError} `VAULT_BUSY`, naming the pid that holds it; `VAULT_TAMPERED`: links or
 *   foreign things in place of directories, or a journal that does not belong here;
 *   `VAULT_STORE_FAILED`, `VAULT_STORE_FULL`.
 */
export async function openFileStore(
  directory: string,
  options: FileStoreOptions = {},
): Promise<FileStore> {
  installSha256(systemSha256);
  if (hasSystemXChaCha20Poly1305) installXChaCha20Poly1305(systemXChaCha20Poly1305);
  const store = new FileStore(resolve(directory), options.readOnly === true);
  await store.open();
  return store;
}

/** A directory of files, one a record. Made by {@link openFileStore}. */
export class FileStore implements Store {
  readonly location: string;
  readonly readOnly: boolean;
  readonly bootId = currentBootId();
  /** Things that were set right or left alone on the way: one sentence each. */
  readonly warnings: string[] = [];
  readonly #temporary: string;
  readonly #logs: LogFiles;
  readonly #directories = new Set<string>();
  #lock: ProcessLock | null = null;
  /** A committed transaction that is not yet copied into place. Readers see it first. */
  #pending = new Map<string, JournalChange>();
  /** {@link #pending} was read from a journal or half copied, so what is on disk is not known. */
  #recovering = false;
  /** A commit ended in doubt: the journal has to be looked at before anything else. */
  #suspect = false;
  #commits: Promise<unknown> = Promise.resolve();

  constructor(location: string, readOnly: boolean) {
    this.location = location;
    this.readOnly = readOnly;
    this.#temporary = join(location, "tmp");
    this.#logs = new LogFiles(join(location, "audit"), readOnly, () => this.#lock?.requireHeld());
  }

  /** Takes the lock and recovers. Called once, by {@link openFileStore}. */
  async open(): Promise<void> {
    if (this.readOnly) {
      if (requireDirectory(this.location, ".") !== null) this.#loadJournal();
      return;
    }
    let stats = requireDirectory(this.location, ".");
    try {
      // Before a vault is there nothing has vouched that its directory's name is on disk (G20).
      if (stats === null || readRegular(join(this.location, "vault.json"), "vault.json") === null) {
        await makeDirectories(this.location);
        stats = requireDirectory(this.location, ".");
      }
      if (stats !== null && (stats.mode & 0o077) !== 0) {
        chmodSync(this.location, 0o700);
        this.warnings.push(`${this.location} let other users in; its mode is 0700 now`);
      }
    } catch (error) {
      throw storeError(error, ".", "make");
    }
    ensureDirectory(this.#temporary, "tmp");
    this.#lock = takeProcessLock(this.location, this.#temporary);
    try {
      this.#collectTemporaries();
      this.#loadJournal();
      await this.#applyPending();
    } catch (error) {
      this.#lock.release();
      throw error;
    }
  }

  async get(key: string): Promise<StoredRecord | null> {
    this.#requireKey(key);
    if (this.#suspect) await this.#reconcile();
    const bytes = this.#current(key);
    return bytes === null ? null : { bytes, revision: digestHex(bytes) };
  }

  commit(changes: readonly StoreChange[]): Promise<readonly (string | null)[]> {
    const result = this.#commits.then(() => this.#commit(changes));
    this.#commits = result.catch(() => {});
    return result;
  }

  async #commit(changes: readonly StoreChange[]): Promise<readonly (string | null)[]> {
    this.#requireWritable();
    if (this.#suspect) await this.#reconcile();
    await this.#applyPending();
    const journal = changes.map(({ key, bytes, expectedRevision }): JournalChange => {
      this.#requireKey(key);
      const current = this.#current(key);
      const before = current === null ? null : digestHex(current);
      if (expectedRevision !== undefined && expectedRevision !== before) {
        throw new VaultError(
          "VAULT_REVISION_CONFLICT",
          `\`${key}\` was changed by someone else in the meantime`,
          {
            subject: key,
          },
        );
      }
      return { key, before, after: bytes === null ? null : digestHex(bytes), bytes };
    });
    await this.#writeJournal(serializeJournal(journal));
    // From here on the transaction has happened, for this process and for the next one.
    for (const change of journal) this.#pending.set(change.key, change);
    try {
      await this.#applyPending();
    } catch {
      // It is safe in the journal, readers are served from memory, and the next commit or the next
      // start goes on copying. Until that has worked nothing else is accepted.
    }
    return journal.map(({ after }) => after);
  }

  /** V4, the commit point: the rename of a complete, synced journal, itself synced. */
  async #writeJournal(bytes: Uint8Array): Promise<void> {
    const path = join(this.location, JOURNAL);
    const temporary = this.#temporaryPath();
    let renamed = false;
    try {
      await writeNewFile(temporary, bytes);
      await rename(temporary, path);
      renamed = true;
      await syncDirectory(this.location);
    } catch (error) {
      if (!renamed) {
        await unlink(temporary).catch(() => {});
        throw storeError(error, JOURNAL, "write");
      }
      // The rename may or may not outlast a power cut. Take it back; if even that is in doubt,
      // whatever the disk says later is the truth.
      try {
        await unlink(path);
        await syncDirectory(this.location);
      } catch {
        this.#suspect = true;
      }
      throw storeError(error, JOURNAL, "sync");
    }
  }

  /** Copies the pending transaction into place and removes the journal. */
  async #applyPending(): Promise<void> {
    if (this.#pending.size === 0 || this.readOnly) return;
    this.#lock?.requireHeld();
    const changes = [...this.#pending.values()];
    try {
      const directories = new Set<string>();
      for (const { key } of changes) this.#ensureParents(key, directories);
      // A process that was killed while copying, or a copy that failed (G20), may have made
      // directories and synced none.
      if (this.#recovering) directories.add(this.location);
      for (let first = 0; first < changes.length; first += PLACED_AT_ONCE) {
        await this.#place(changes.slice(first, first + PLACED_AT_ONCE));
      }
      for (const { key } of changes) directories.add(dirname(join(this.location, key)));
      await Promise.all([...directories].map(syncDirectory));
      await unlink(join(this.location, JOURNAL));
    } catch (error) {
      this.#recovering = true;
      this.#directories.clear();
      throw storeError(error, JOURNAL, "apply");
    }
    this.#pending = new Map();
    this.#recovering = false;
  }

  /** Puts files in place, each of them whole and on disk before it has its name. */
  async #place(changes: readonly JournalChange[]): Promise<void> {
    const written = changes.flatMap(({ key, bytes }) =>
      bytes === null ? [] : [{ key, path: this.#temporaryPath(), bytes }],
    );
    await writeNewFiles(written);
    const results = await Promise.allSettled([
      ...written.map(({ key, path }) => rename(path, join(this.location, key))),
      ...changes.map(({ key, bytes }) =>
        bytes === null ? removeIfThere(join(this.location, key)) : null,
      ),
    ]);
    const failure = results.find(({ status }) => status === "rejected");
    if (failure?.status !== "rejected") return;
    for (const { path } of written) await unlink(path).catch(() => {});
    throw failure.reason;
  }

  #ensureParents(key: string, made: Set<string>): void {
    const segments = key.split("/").slice(0, -1);
    for (let depth = 1; depth <= segments.length; depth += 1) {
      const relative = segments.slice(0, depth).join("/");
      if (this.#directories.has(relative)) continue;
      const path = join(this.location, relative);
      if (ensureDirectory(path, relative) || this.#recovering) made.add(dirname(path));
      this.#directories.add(relative);
    }
  }

  /**
   * Reads a journal that a crash left. G11: it applies only to the files it was written for, each
   * of them as it was before or already as it is after, so that an old journal put back into the
   * folder cannot take the vault back with it.
   */
  #loadJournal(): void {
    const file = readRegular(join(this.location, JOURNAL), JOURNAL);
    if (file === null) return;
    const changes = parseJournal(file.bytes);
    const pending = new Map<string, JournalChange>();
    for (const change of changes) {
      if (!KEY.test(change.key)) throw journalError("names a file outside the vault");
      const bytes = this.#stored(change.key);
      const digest = bytes === null ? null : digestHex(bytes);
      if (digest !== change.before && digest !== change.after) {
        throw journalError("does not belong to the present state of the vault");
      }
      pending.set(change.key, change);
    }
    this.#pending = pending;
    this.#recovering = true;
  }

  async #reconcile(): Promise<void> {
    this.#pending = new Map();
    this.#loadJournal();
    try {
      if (this.#pending.size === 0) await syncDirectory(this.location);
    } catch (error) {
      throw storeError(error, JOURNAL, "sync");
    }
    this.#suspect = false;
  }

  #current(key: string): Uint8Array | null {
    const pending = this.#pending.get(key);
    return pending === undefined ? this.#stored(key) : (pending.bytes?.slice() ?? null);
  }

  #stored(key: string): Uint8Array | null {
    const file = readRegular(join(this.location, key), key);
    if (file?.loose)
      this.#warnOnce(`\`${key}\` lets other users in; it will be 0600 when next written`);
    return file?.bytes ?? null;
  }

  #warnOnce(warning: string): void {
    if (this.warnings.length < 100 && !this.warnings.includes(warning)) this.warnings.push(warning);
  }

  async list(
    prefix: string,
    options: { readonly after?: string; readonly limit?: number } = {},
  ): Promise<{ items: readonly string[]; next: string | null }> {
    const { after = "", limit = 1000 } = options;
    if (this.#suspect) await this.#reconcile();
    const keys = new Set<string>();
    this.#collect(prefix, keys);
    for (const { key, bytes } of this.#pending.values()) {
      if (!key.startsWith(prefix)) continue;
      if (bytes === null) keys.delete(key);
      else keys.add(key);
    }
    const sorted = [...keys].filter((key) => key > after).sort();
    const items = sorted.slice(0, limit);
    return { items, next: sorted.length > limit ? (items.at(-1) ?? null) : null };
  }

  #collect(prefix: string, keys: Set<string>): void {
    let entries: Dirent[];
    try {
      entries = readdirSync(join(this.location, prefix), { withFileTypes: true });
    } catch (error) {
      if (systemCode(error) === "ENOENT") return;
      throw storeError(error, prefix === "" ? "." : prefix, "list");
    }
    for (const entry of entries) {
      const key = `${prefix}${entry.name}`;
      if (entry.isDirectory() && !OTHER_DIRECTORIES.has(key)) this.#collect(`${key}/`, keys);
      else if (entry.isFile() && KEY.test(key)) keys.add(key);
    }
  }

  async listLogs(): Promise<readonly LogSegment[]> {
    return this.#logs.list();
  }

  async readLog(name: string, offset: number, length: number): Promise<Uint8Array> {
    return this.#logs.read(name, offset, length);
  }

  appendLog(
    name: string,
    offset: number,
    bytes: Uint8Array,
    durability: LogDurability,
  ): Promise<void> | undefined {
    return this.#logs.append(name, offset, bytes, durability);
  }

  syncedLogBytes(name: string): number {
    return this.#logs.synced(name);
  }

  syncLogs(): Promise<void> {
    return this.#logs.sync();
  }

  async truncateLog(name: string, size: number): Promise<void> {
    this.#logs.truncate(name, size);
  }

  deleteLog(name: string): Promise<void> {
    return this.#logs.delete(name);
  }

  writeMark(name: string, bytes: Uint8Array): void {
    this.#logs.writeMark(name, bytes);
  }

  defer(run: () => void): void {
    setImmediate(run);
  }

  async readMark(name: string): Promise<readonly Uint8Array[]> {
    return this.#logs.readMark(name);
  }

  async close(): Promise<void> {
    await this.#commits;
    try {
      // What cannot be copied into place now is copied at the next start.
      await this.#applyPending().catch(() => {});
      await this.#logs.close();
    } finally {
      this.#lock?.release();
      this.#lock = null;
    }
  }

  #requireWritable(): void {
    if (this.readOnly || this.#lock === null) {
      throw new VaultError(
        "VAULT_STORE_FAILED",
        `the vault in ${this.location} is open for reading only`,
      );
    }
    this.#lock.requireHeld();
  }

  #requireKey(key: string): void {
    if (!KEY.test(key)) throw new RangeError(`\`${key}\` is not a store key`);
  }

  #temporaryPath(): string {
    return join(this.#temporary, `${process.pid}-${randomBytes(8).toString("hex")}.tmp`);
  }

  /**
   * Only the lock's holder writes records here, so what is left of those belongs to a process that
   * is gone. Whoever waits for the lock has a file here too.
   */
  #collectTemporaries(): void {
    let names: string[];
    try {
      names = readdirSync(this.#temporary);
    } catch (error) {
      throw storeError(error, "tmp", "list");
    }
    for (const name of names) {
      if (!TEMPORARY.test(name) && !isLockLeftover(this.#temporary, name)) continue;
      try {
        unlinkSync(join(this.#temporary, name));
      } catch (error) {
        if (systemCode(error) === "ENOENT") continue;
        this.#warnOnce(`cannot remove the leftover \`tmp/${name}\` (${systemCode(error)})`);
      }
    }
  }
}

/** Open files at a time, and files that one sync may bring to the disk together. */
const PLACED_AT_ONCE = 128;

async function removeIfThere(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (systemCode(error) !== "ENOENT") throw error;
  });
}

const OTHER_DIRECTORIES: ReadonlySet<string> = new Set(["audit", "tmp"]);
