import { concatBytes } from "./bytes.ts";
import { VaultError } from "./errors.ts";
import type { LogDurability, LogSegment, Store, StoreChange, StoredRecord } from "./store.ts";

/**
 * A store that lives and dies with this process: for tests, and for embedders that persist its
 * contents by other means. It is as durable as the object.
 */
export class MemoryStore implements Store {
  readonly location = "memory";
  readonly readOnly = false;
  readonly bootId: string | null = null;
  readonly #records = new Map<string, { bytes: Uint8Array; revision: string }>();
  readonly #logs = new Map<string, Uint8Array>();
  readonly #marks = new Map<string, Uint8Array>();
  #commits = 0;

  async get(key: string): Promise<StoredRecord | null> {
    const record = this.#records.get(key);
    return record === undefined ? null : { bytes: record.bytes.slice(), revision: record.revision };
  }

  async commit(changes: readonly StoreChange[]): Promise<readonly (string | null)[]> {
    for (const change of changes) {
      if (change.expectedRevision === undefined) continue;
      if ((this.#records.get(change.key)?.revision ?? null) !== change.expectedRevision) {
        throw new VaultError(
          "VAULT_REVISION_CONFLICT",
          `\`${change.key}\` was changed by someone else in the meantime`,
          { subject: change.key },
        );
      }
    }
    this.#commits += 1;
    for (const { key, bytes } of changes) {
      if (bytes === null) this.#records.delete(key);
      else this.#records.set(key, { bytes: Uint8Array.from(bytes), revision: `${this.#commits}` });
    }
    return changes.map(({ bytes }) => (bytes === null ? null : `${this.#commits}`));
  }

  async list(
    prefix: string,
    options: { readonly after?: string; readonly limit?: number } = {},
  ): Promise<{ items: readonly string[]; next: string | null }> {
    const { after = "", limit = 1000 } = options;
    const keys = [...this.#records.keys()]
      .filter((key) => key.startsWith(prefix) && key > after)
      .sort();
    const items = keys.slice(0, limit);
    return { items, next: keys.length > limit ? (items.at(-1) ?? null) : null };
  }

  async listLogs(): Promise<readonly LogSegment[]> {
    return [...this.#logs]
      .map(([name, bytes]) => ({ name, size: bytes.length }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async readLog(name: string, offset: number, length: number): Promise<Uint8Array> {
    return (this.#logs.get(name) ?? new Uint8Array()).slice(offset, offset + length);
  }

  appendLog(
    name: string,
    offset: number,
    bytes: Uint8Array,
    _durability: LogDurability,
  ): undefined {
    const log = this.#logs.get(name) ?? new Uint8Array();
    if (log.length !== offset) {
      throw new VaultError("VAULT_STORE_FAILED", `log \`${name}\` is not ${offset} bytes long`, {
        subject: `audit/${name}`,
      });
    }
    this.#logs.set(name, concatBytes(log, bytes));
  }

  syncedLogBytes(name: string): number {
    return this.#logs.get(name)?.length ?? 0;
  }

  async syncLogs(): Promise<void> {}

  async truncateLog(name: string, size: number): Promise<void> {
    const log = this.#logs.get(name);
    if (log !== undefined) this.#logs.set(name, log.slice(0, size));
  }

  async deleteLog(name: string): Promise<void> {
    this.#logs.delete(name);
  }

  writeMark(name: string, bytes: Uint8Array): void {
    this.#marks.set(name, Uint8Array.from(bytes));
  }

  async readMark(name: string): Promise<readonly Uint8Array[]> {
    const mark = this.#marks.get(name);
    return mark === undefined ? [] : [mark.slice()];
  }

  async close(): Promise<void> {}

  /** A store with a copy of everything in this one, as a file copy of a vault folder would be. */
  clone(): MemoryStore {
    const copy = new MemoryStore();
    for (const [key, { bytes, revision }] of this.#records) {
      copy.#records.set(key, { bytes: bytes.slice(), revision });
    }
    for (const [name, bytes] of this.#logs) copy.#logs.set(name, bytes.slice());
    for (const [name, bytes] of this.#marks) copy.#marks.set(name, bytes.slice());
    copy.#commits = this.#commits;
    return copy;
  }
}
