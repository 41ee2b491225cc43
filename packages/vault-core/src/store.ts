/** What a store holds under one key. */
export interface StoredRecord {
  /** Owned by the caller. */
  readonly bytes: Uint8Array;
  /** Opaque; changes whenever the bytes do. Compare only for equality, as an HTTP entity tag. */
  readonly revision: string;
}

/** One write of a transaction. `bytes: null` deletes. */
export interface StoreChange {
  readonly key: string;
  readonly bytes: Uint8Array | null;
  /** The revision that must be stored now; null: the key must be absent; undefined: do not care. */
  readonly expectedRevision?: string | null;
}

/** A log file, or its like. */
export interface LogSegment {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/** How durable an appended entry is before the append returns. */
export type LogDurability = "written" | "disk";

/**
 * Where a vault keeps bytes. It sees ciphertext, digests and MACs, never a key or a value.
 *
 * Keys are relative paths of `[a-z0-9._-]` segments joined by `/`. Every method throws `VaultError`
 * with `VAULT_STORE_FAILED` or `VAULT_STORE_FULL` when the medium fails, and `VAULT_TAMPERED` when
 * something that is not a plain record sits where one belongs.
 */
export interface Store {
  /** Where it is, for messages: a directory, a database name. */
  readonly location: string;
  /** True when this instance may not write; then commit and log writes throw. */
  readonly readOnly: boolean;
  /** The record, or null when there is none. */
  get(key: string): Promise<StoredRecord | null>;
  /**
   * Applies all changes or none, durably, as one event for every later reader.
   *
   * @returns The new revision of each change, in order; null for a delete.
   * @throws {VaultError} `VAULT_REVISION_CONFLICT`: an expectation does not hold; nothing changed.
   */
  commit(changes: readonly StoreChange[]): Promise<readonly (string | null)[]>;
  /** Keys that start with `prefix` (which ends with `/`, or is empty), in code-unit order. */
  list(
    prefix: string,
    options?: { readonly after?: string; readonly limit?: number },
  ): Promise<{ readonly items: readonly string[]; readonly next: string | null }>;

  /** Log segments in name order. */
  listLogs(): Promise<readonly LogSegment[]>;
  /** Bytes of a segment from `offset`; fewer than `length` at its end. */
  readLog(name: string, offset: number, length: number): Promise<Uint8Array>;
  /**
   * Appends at `offset`, which must be the segment's present size (0 creates it): entries cannot
   * interleave. Returns when the bytes survive the death of this process ("written": undefined,
   * or a promise where that cannot be had at once) or of the machine ("disk": a promise). Bytes
   * that are only written reach the disk within 50 ms, in groups.
   */
  appendLog(
    name: string,
    offset: number,
    bytes: Uint8Array,
    durability: LogDurability,
  ): Promise<void> | undefined;
  /** How many leading bytes of a segment are known to be on disk. */
  syncedLogBytes(name: string): number;
  /** Brings everything appended so far to the disk. */
  syncLogs(): Promise<void>;
  /** Cuts a segment to `size` bytes: the repair of a torn last line, and nothing else. */
  truncateLog(name: string, size: number): Promise<void>;
  /** Removes a whole segment, for retention. */
  deleteLog(name: string): Promise<void>;

  /**
   * Overwrites a small register (at most 480 bytes) that is written like a log: at once, synced
   * with the next group. An interrupted write leaves the value before it readable.
   */
  writeMark(name: string, bytes: Uint8Array): void;
  /** The copies of a register that can be read, in no order; one of them may be the value before. */
  readMark(name: string): Promise<readonly Uint8Array[]>;

  /**
   * Runs something soon: after what is running now, and before this process waits for anything else
   * than its other work at hand. What is run writes the log, so that the entries of a turn of the
   * event loop cost one write. Left out: each entry is written at once.
   */
  defer?(run: () => void): void;

  /** Names the running system, so that a log can tell a killed process from a power cut; or null. */
  readonly bootId: string | null;
  /** Finishes pending writes and releases the exclusive lock. */
  close(): Promise<void>;
}
