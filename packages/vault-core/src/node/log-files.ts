import {
  closeSync,
  fdatasync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  readdirSync,
  type Stats,
  writeSync,
} from "node:fs";
import { unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { crc32 } from "node:zlib";
import { VaultError } from "../errors.ts";
import type { LogDurability, LogSegment } from "../store.ts";
import {
  ensureDirectory,
  notPlain,
  openRegular,
  readAt,
  storeError,
  syncDirectory,
} from "./file-system.ts";

// Append-only files written through open descriptors: one system call for the entries of a turn of
// the event loop, one fdatasync a group. A write is in the kernel when it returns, so it survives the
// process; the timer, or a caller who asks for durability "disk", brings it to the disk.

const SYNC_WITHIN_MS = 25;
const SEGMENT = /^[0-9a-z][0-9a-z-]*\.jsonl$/;
const SLOT_BYTES = 512;
const SLOT_PAYLOAD_MAX = SLOT_BYTES - 8 - 2 - 4;
const fdatasyncAsync = promisify(fdatasync);

interface OpenLog {
  readonly descriptor: number;
  size: number;
  /** Leading bytes known to be on disk. */
  synced: number;
  /** A sync failed: the kernel may have dropped the pages, so they are written again first. */
  rewrite: boolean;
}

interface OpenMark {
  readonly descriptor: number;
  counter: bigint;
  dirty: boolean;
}

/** The audit directory of a file store. */
export class LogFiles {
  readonly #directory: string;
  readonly #readOnly: boolean;
  readonly #requireHeld: () => void;
  readonly #logs = new Map<string, OpenLog>();
  readonly #marks = new Map<string, OpenMark>();
  readonly #slot = Buffer.alloc(SLOT_BYTES);
  #directoryDirty = false;
  #parentDirty = false;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #queued: Promise<void> | null = null;
  #failure: unknown = null;

  /** @param requireHeld - Throws when the directory is not the one any more that we may write to. */
  constructor(directory: string, readOnly: boolean, requireHeld: () => void) {
    this.#directory = directory;
    this.#readOnly = readOnly;
    this.#requireHeld = requireHeld;
  }

  list(): readonly LogSegment[] {
    let names: string[];
    try {
      names = readdirSync(this.#directory);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
      throw storeError(error, "audit", "list");
    }
    return names
      .filter((name) => SEGMENT.test(name))
      .sort()
      .map((name) => {
        const stats = this.#inspect(name);
        if (!stats.isFile()) throw notPlain(`audit/${name}`);
        return { name, size: stats.size };
      });
  }

  #inspect(name: string): Stats {
    try {
      return lstatSync(join(this.#directory, name));
    } catch (error) {
      throw storeError(error, `audit/${name}`, "inspect");
    }
  }

  read(name: string, offset: number, length: number): Uint8Array {
    const known = this.#logs.get(name);
    const file = known ?? openRegular(this.#path(name), `audit/${name}`, "read");
    if (file === null) return new Uint8Array();
    try {
      const { size } = fstatSync(file.descriptor);
      return readAt(file.descriptor, offset, Math.min(length, Math.max(0, size - offset)));
    } catch (error) {
      throw storeError(error, `audit/${name}`, "read");
    } finally {
      if (known === undefined) closeSync(file.descriptor);
    }
  }

  append(
    name: string,
    offset: number,
    bytes: Uint8Array,
    durability: LogDurability,
  ): Promise<void> | undefined {
    // Entries older than the promised 50 ms are not on disk: take no more until they are.
    if (this.#failure !== null) throw storeError(this.#failure, `audit/${name}`, "sync");
    const log = this.#open(name);
    if (log.size !== offset) {
      throw new VaultError(
        "VAULT_STORE_FAILED",
        `\`audit/${name}\` has ${log.size} bytes where ${offset} were written`,
        {
          subject: `audit/${name}`,
        },
      );
    }
    try {
      let done = 0;
      while (done < bytes.length) {
        done += writeSync(log.descriptor, bytes, done, bytes.length - done, offset + done);
      }
    } catch (error) {
      try {
        ftruncateSync(log.descriptor, offset);
      } catch {
        // The next append finds the size wrong and repairs it before it writes.
        log.size = -1;
      }
      throw storeError(error, `audit/${name}`, "append to");
    }
    log.size = offset + bytes.length;
    if (durability === "disk") return this.sync();
    this.#syncSoon();
    return undefined;
  }

  synced(name: string): number {
    return this.#logs.get(name)?.synced ?? 0;
  }

  truncate(name: string, size: number): void {
    const log = this.#open(name);
    try {
      ftruncateSync(log.descriptor, size);
    } catch (error) {
      throw storeError(error, `audit/${name}`, "repair");
    }
    log.size = size;
    log.synced = Math.min(log.synced, size);
    log.rewrite = true;
    this.#syncSoon();
  }

  async delete(name: string): Promise<void> {
    this.#requireWritable();
    this.#requireHeld();
    const log = this.#logs.get(name);
    if (log !== undefined) closeSync(log.descriptor);
    this.#logs.delete(name);
    try {
      await unlink(this.#path(name));
      await syncDirectory(this.#directory);
    } catch (error) {
      throw storeError(error, `audit/${name}`, "delete");
    }
  }

  /** Two slots written in turn: slot = counter (8) || length (2) || payload || zeros || CRC-32 (4). */
  writeMark(name: string, payload: Uint8Array): void {
    if (payload.length > SLOT_PAYLOAD_MAX) throw new RangeError("a mark has at most 480 bytes");
    const mark = this.#openMark(name);
    const slot = this.#slot.fill(0);
    slot.writeBigUInt64BE(mark.counter + 1n);
    slot.writeUInt16BE(payload.length, 8);
    slot.set(payload, 10);
    slot.writeUInt32BE(crc32(slot.subarray(0, SLOT_BYTES - 4)), SLOT_BYTES - 4);
    const position = Number((mark.counter + 1n) % 2n) * SLOT_BYTES;
    try {
      let done = 0;
      while (done < SLOT_BYTES) {
        done += writeSync(mark.descriptor, slot, done, SLOT_BYTES - done, position + done);
      }
    } catch (error) {
      throw storeError(error, `audit/${name}`, "write");
    }
    mark.counter += 1n;
    mark.dirty = true;
    this.#syncSoon();
  }

  /** The payload of each slot that was ever written; an empty one for a slot that is damaged. */
  readMark(name: string): Uint8Array[] {
    const file = openRegular(this.#path(name), `audit/${name}`, "read");
    if (file === null) return [];
    try {
      return readSlots(file.descriptor, file.size).map(({ payload }) => payload);
    } catch (error) {
      throw storeError(error, `audit/${name}`, "read");
    } finally {
      closeSync(file.descriptor);
    }
  }

  /** Brings everything written before this call to the disk. Calls share the work. */
  sync(): Promise<void> {
    if (this.#running === null) return this.#start();
    this.#queued ??= this.#running.catch(() => {}).then(() => this.#start());
    return this.#queued;
  }

  #start(): Promise<void> {
    this.#queued = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#running = this.#syncAll().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #syncAll(): Promise<void> {
    try {
      // What is synced into a file that is nobody's any more is on record nowhere.
      this.#requireHeld();
      for (const log of this.#logs.values()) {
        const { size } = log;
        if (log.synced === size && !log.rewrite) continue;
        if (log.rewrite && size > 0) rewriteTail(log);
        log.rewrite = true;
        await fdatasyncAsync(log.descriptor);
        log.rewrite = false;
        // A truncation may have run meanwhile.
        log.synced = Math.min(size, log.size);
      }
      for (const mark of this.#marks.values()) {
        if (!mark.dirty) continue;
        mark.dirty = false;
        try {
          await fdatasyncAsync(mark.descriptor);
        } catch (error) {
          mark.dirty = true;
          throw error;
        }
      }
      if (this.#directoryDirty) {
        this.#directoryDirty = false;
        try {
          await syncDirectory(this.#directory);
        } catch (error) {
          this.#directoryDirty = true;
          throw error;
        }
      }
      if (this.#parentDirty) {
        await syncDirectory(dirname(this.#directory));
        this.#parentDirty = false;
      }
      this.#failure = null;
    } catch (error) {
      this.#failure = error;
      throw storeError(error, "audit", "sync");
    }
  }

  #syncSoon(): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      // The failure is kept, and refuses the next append.
      this.sync().catch(() => {});
    }, SYNC_WITHIN_MS);
    // A process that has nothing else to do may end: what was written survives it.
    this.#timer.unref();
  }

  /** Syncs and closes. */
  async close(): Promise<void> {
    try {
      if (!this.#readOnly) await this.sync();
    } finally {
      if (this.#timer !== null) clearTimeout(this.#timer);
      for (const { descriptor } of [...this.#logs.values(), ...this.#marks.values()]) {
        closeSync(descriptor);
      }
      this.#logs.clear();
      this.#marks.clear();
    }
  }

  #path(name: string): string {
    if (!/^[0-9a-z][0-9a-z.-]*$/.test(name)) throw new RangeError("a log has a plain name");
    return join(this.#directory, name);
  }

  #requireWritable(): void {
    if (this.#readOnly)
      throw new VaultError("VAULT_STORE_FAILED", "the store was opened for reading only");
  }

  #open(name: string): OpenLog {
    const known = this.#logs.get(name);
    if (known !== undefined && known.size >= 0) return known;
    this.#requireWritable();
    if (known !== undefined) closeSync(known.descriptor);
    this.#closeSettled(name);
    const file = this.#create(name);
    const log = { descriptor: file.descriptor, size: file.size, synced: 0, rewrite: false };
    this.#logs.set(name, log);
    return log;
  }

  /** Closes segments of days gone by whose bytes are on disk. */
  #closeSettled(except: string): void {
    for (const [name, log] of this.#logs) {
      if (name === except || log.synced !== log.size || log.rewrite) continue;
      closeSync(log.descriptor);
      this.#logs.delete(name);
    }
  }

  #openMark(name: string): OpenMark {
    const known = this.#marks.get(name);
    if (known !== undefined) return known;
    this.#requireWritable();
    const file = this.#create(name);
    let counter = 0n;
    for (const slot of readSlots(file.descriptor, file.size)) {
      if (slot.counter > counter) counter = slot.counter;
    }
    const mark = { descriptor: file.descriptor, counter, dirty: false };
    this.#marks.set(name, mark);
    return mark;
  }

  #create(name: string): { descriptor: number; size: number } {
    this.#requireHeld();
    if (ensureDirectory(this.#directory, "audit")) this.#parentDirty = true;
    const existing = openRegular(this.#path(name), `audit/${name}`, "write");
    if (existing !== null) return existing;
    this.#directoryDirty = true;
    const created = openRegular(this.#path(name), `audit/${name}`, "create");
    if (created === null) throw new VaultError("VAULT_STORE_FAILED", "the audit directory is gone");
    return created;
  }
}

/** Dirties the pages after the synced prefix again, with the bytes they hold. */
function rewriteTail(log: OpenLog): void {
  const bytes = readAt(log.descriptor, log.synced, log.size - log.synced);
  let done = 0;
  while (done < bytes.length) {
    done += writeSync(log.descriptor, bytes, done, bytes.length - done, log.synced + done);
  }
}

interface Slot {
  readonly counter: bigint;
  readonly payload: Uint8Array;
}

const DAMAGED: Slot = { counter: 0n, payload: new Uint8Array() };

/** The slots that were ever written: counter 1 goes to the second one, 2 to the first, and so on. */
function readSlots(descriptor: number, size: number): Slot[] {
  if (size === 0) return [];
  const first = readSlot(descriptor, 0);
  const second = readSlot(descriptor, SLOT_BYTES);
  const slots = [first ?? [], second ?? DAMAGED].flat();
  // Only after the very first write is the first slot still a hole.
  const partial = first === null && second?.counter !== 1n;
  return partial || size !== 2 * SLOT_BYTES ? [...slots, DAMAGED] : slots;
}

/** Null for a slot of zeros. */
function readSlot(descriptor: number, position: number): Slot | null {
  const slot = Buffer.from(readAt(descriptor, position, SLOT_BYTES));
  if (slot.every((byte) => byte === 0)) return null;
  if (slot.length !== SLOT_BYTES) return DAMAGED;
  const checksum = crc32(slot.subarray(0, SLOT_BYTES - 4));
  const length = slot.readUInt16BE(8);
  if (slot.readUInt32BE(SLOT_BYTES - 4) !== checksum || length > SLOT_PAYLOAD_MAX) return DAMAGED;
  return {
    counter: slot.readBigUInt64BE(0),
    payload: new Uint8Array(slot.subarray(10, 10 + length)),
  };
}
