import { AuditBatch } from "./audit-batch.ts";
import {
  type AuditEntry,
  type AuditEvent,
  ENTRY_BYTES_MAX,
  entryAuthenticates,
  type ParsedEntry,
  parseEntry,
  sealEntry,
  splitLines,
} from "./audit-entry.ts";
import { type AuditHead, parseAuditHead, serializeAuditHead } from "./audit-head.ts";
import {
  type Clock,
  concatBytes,
  decodeBase64,
  encodeBase64,
  encodeUtf8,
  equalBytes,
  wipe,
} from "./bytes.ts";
import { CHECKPOINT, type Checkpoint, checkpointEvent, foldLine, NO_LINES } from "./checkpoint.ts";
import { VaultError } from "./errors.ts";
import { isJsonObject } from "./json.ts";
import type { KeyRing } from "./key-ring.ts";
import { LABELS } from "./labels.ts";
import type { Mac } from "./mac.ts";
import { sha256 } from "./sha256.ts";
import type { LogDurability, LogSegment, Store } from "./store.ts";

/** What checking the whole log found. */
export type AuditVerification =
  | {
      readonly ok: true;
      readonly entries: number;
      /** Entries that a power cut took before they were synced, each gap recorded at the time. */
      readonly gaps: readonly { readonly fromSeq: number; readonly toSeq: number }[];
    }
  | {
      readonly ok: false;
      /** The first entry that is missing or does not authenticate. */
      readonly firstBrokenSeq: number;
      /** What is wrong with it, and in which file. */
      readonly problem: string;
      /** How many entries before it are intact. */
      readonly entries: number;
    };

/** The append-only, keyed, chained record of a vault. Usable while the vault is unlocked. */
export interface AuditLog {
  /**
   * Records an event. Resolves when the entry survives the death of this process, or with
   * durability `disk` of the machine.
   *
   * @throws {VaultError} `VAULT_AUDIT_FAILED`: it could not be written; whoever called must not
   *   go on. `VAULT_INVALID_INPUT`: the event is not JSON or longer than 64 KiB. `VAULT_LOCKED`.
   */
  append(event: AuditEvent): Promise<AuditEntry>;
  /** Resolves when every entry so far is on disk. */
  flush(): Promise<void>;
  /** Entries with `seq < beforeSeq` (default: all), newest first, at most `limit` (default 100). */
  read(options?: {
    readonly limit?: number;
    readonly beforeSeq?: number;
  }): Promise<readonly AuditEntry[]>;
  /** Checks every entry, and that none is missing at either end. */
  verify(): Promise<AuditVerification>;
  /**
   * Appends a signed statement of what the lines since the last one are, which anyone who has the
   * vault's public key can check. Where nothing was appended since, the last one stands.
   *
   * @returns The entry that carries it; null when there was nothing to state.
   */
  checkpoint(): Promise<AuditEntry | null>;
  /** The lines of the log in order, as they are stored, for {@link verifyCheckpoints}. */
  lines(): AsyncIterable<Uint8Array>;
}

/** Where the kept part of the log begins; it is in the manifest's root. */
export interface AuditAnchor {
  readonly firstSeq: number;
  /** The MAC the first kept entry is chained to; for seq 1 the genesis MAC. */
  readonly previousMac: Uint8Array;
}

const MARK = "head";
const DAY_MS = 86_400_000;
const CHUNK_BYTES = 64 * 1024;
const NO_BOOT = new Uint8Array(16);
const LINE_FEED = Uint8Array.of(0x0a);
const NOTHING = new Uint8Array();
const TAIL_LOST = "audit.tail.lost";

/** The segment that holds a day's entries: `2026-11-23.jsonl`. */
export function segmentName(day: number): string {
  return `${new Date(day * DAY_MS).toISOString().slice(0, 10)}.jsonl`;
}

function segmentDay(name: string): number | null {
  if (!/^\d{4}-\d\d-\d\d\.jsonl$/.test(name)) return null;
  const ms = Date.parse(`${name.slice(0, 10)}T00:00:00.000Z`);
  return Number.isNaN(ms) ? null : ms / DAY_MS;
}

/** The MAC that entry 1 of a vault is chained to. */
export function genesisMac(ring: KeyRing): Uint8Array {
  const mac = ring.auditMac(LABELS.auditGenesis);
  try {
    return mac.compute([]);
  } finally {
    mac.wipe();
  }
}

/**
 * The audit log of one unlocked vault: a single writer over the store's log segments.
 *
 * The entries of one turn of the event loop are one write to the log, and a write to the head follows
 * at once; then whoever appended them is told. Killing the process between the two writes leaves the
 * log ahead by those entries, which is how it is found again. The reverse, a head ahead of the
 * log, means that entries were removed, or, after a power cut, that written bytes which nobody had
 * yet synced are gone; the two are told apart by the running system's id and by how far the log
 * was known to be on disk, and either leaves an entry of its own.
 */
export class ChainedAuditLog implements AuditLog {
  readonly #store: Store;
  readonly #now: Clock;
  readonly #entryKey: Mac;
  readonly #headKey: Mac;
  #anchor: AuditAnchor;
  readonly #vaultId: string;
  readonly #signingSeed: Uint8Array;
  /** The last entry that a checkpoint covers; null before the log was searched for one. */
  #coveredSeq: number | null = null;
  readonly #boot: Uint8Array;
  durability: LogDurability;

  /** The last entry that was sealed. */
  #sealed: LogEnd = { seq: 0, mac: new Uint8Array(32), tsMs: 0 };
  /** The last entry that is in the log; those after it are in {@link #batch}. */
  #written = this.#sealed;
  #day = 0;
  /** The present segment; {@link segmentName} of the day, which costs too much for each entry. */
  #segment = { day: -1, name: "" };
  #offset = 0;
  #syncedSeq = 0;
  /** Entries of the present segment that are not known to be on disk: where each one ends. */
  #unsynced: { seq: number; end: number }[] = [];
  /** True after a failed write: the log's end must be looked at before anything is appended. */
  #suspect = false;
  #repair: Promise<void> | null = null;
  /** Sealed in this turn of the event loop, and not written yet: nobody was told that they are there. */
  #batch = new AuditBatch();
  #closed = false;

  private constructor(
    store: Store,
    ring: KeyRing,
    now: Clock,
    anchor: AuditAnchor,
    durability: LogDurability,
  ) {
    this.#store = store;
    this.#now = now;
    this.#anchor = anchor;
    this.durability = durability;
    this.#vaultId = ring.vaultId;
    this.#signingSeed = ring.auditSigningSeed.slice();
    this.#entryKey = ring.auditMac(LABELS.audit);
    this.#headKey = ring.auditMac(LABELS.auditHead);
    this.#boot = store.bootId === null ? NO_BOOT : sha256(encodeUtf8(store.bootId)).subarray(0, 16);
  }

  /**
   * Finds the end of the log, repairs what a crash left, and records what it found.
   *
   * @param started - False for a vault whose first entry may not have been written yet.
   */
  static async open(
    store: Store,
    ring: KeyRing,
    now: Clock,
    anchor: AuditAnchor,
    options: { readonly durability: LogDurability; readonly started: boolean },
  ): Promise<ChainedAuditLog> {
    const log = new ChainedAuditLog(store, ring, now, anchor, options.durability);
    await log.#recover(options.started);
    return log;
  }

  /** The last entry's number. */
  get seq(): number {
    return this.#sealed.seq;
  }

  // Not async: two of these are between every caller and the provider.
  append(event: AuditEvent): Promise<AuditEntry> {
    return this.#suspect || this.#closed ? this.#appendLater(event) : this.#seal(event);
  }

  async #appendLater(event: AuditEvent): Promise<AuditEntry> {
    this.#requireOpen();
    while (this.#suspect) await this.#repaired();
    // The vault may have been locked meanwhile.
    return this.append(event);
  }

  /** Takes an event into the present batch. Entries get their numbers in the order of the calls. */
  #seal(event: AuditEvent): Promise<AuditEntry> {
    const tsMs = this.#now();
    // A clock that went back does not reopen an older segment: entries stay in order of their seq.
    const day = Math.max(Math.floor(tsMs / DAY_MS), this.#day);
    if (day !== this.#day) {
      this.#writeBatch();
      if (this.#unsynced.length > 0 || this.#suspect) return this.#appendOn(day, event);
      this.#startDay(day);
    }
    const last = this.#sealed;
    const clockBack = tsMs < last.tsMs;
    const unsealed = { seq: last.seq + 1, tsMs, event, ...(clockBack && { clockBack }) };
    let sealed: ReturnType<typeof sealEntry>;
    try {
      sealed = sealEntry(unsealed as Omit<AuditEntry, "mac">, last.mac, this.#entryKey);
    } catch (cause) {
      const message = "an audit event must be plain JSON";
      return Promise.reject(new VaultError("VAULT_INVALID_INPUT", message, { cause }));
    }
    const { entry, mac, line } = sealed;
    if (isTooLong(line)) {
      const message = `an audit entry is at most ${ENTRY_BYTES_MAX} bytes`;
      return Promise.reject(new VaultError("VAULT_INVALID_INPUT", message));
    }
    if (this.#batch.isEmpty) this.#store.defer?.(() => this.#writeBatch());
    this.#sealed = { seq: entry.seq, mac, tsMs };
    const written = this.#batch.add(entry, line);
    if (this.#store.defer === undefined) this.#writeBatch();
    return written;
  }

  /** The day before is brought to the disk first: only the last segment can lose bytes. */
  async #appendOn(day: number, event: AuditEvent): Promise<AuditEntry> {
    this.#requireOpen();
    while (this.#suspect) await this.#repaired();
    const name = this.#segmentName();
    try {
      // Its last entries may be those of a process that died: syncing what this one wrote is not enough.
      await this.#store.appendLog(name, this.#offset, NOTHING, "disk");
    } catch (cause) {
      this.#suspect = true;
      throw auditFailed(name, cause);
    }
    this.#noteSynced();
    // Other appends may have run meanwhile, and may have begun the day.
    if (day > this.#day && this.#batch.isEmpty && this.#unsynced.length === 0) this.#startDay(day);
    return this.append(event);
  }

  #startDay(day: number): void {
    this.#day = day;
    this.#offset = 0;
  }

  /** Writes what was sealed, then the head, and tells those who wait. Never throws. */
  #writeBatch(): void {
    if (this.#batch.isEmpty) return;
    const batch = this.#batch;
    this.#batch = new AuditBatch();
    const name = this.#segmentName();
    const bytes = batch.bytes();
    let onDisk: Promise<void> | undefined;
    try {
      onDisk = this.#store.appendLog(name, this.#offset, bytes, this.durability);
    } catch (cause) {
      // None of them is in the log, and nobody was told otherwise: their numbers are free again.
      this.#sealed = this.#written;
      this.#suspect = true;
      batch.fail(auditFailed(name, cause));
      return;
    }
    this.#written = this.#sealed;
    this.#offset += bytes.length;
    this.#unsynced.push({ seq: this.#written.seq, end: this.#offset });
    this.#noteSynced();
    try {
      this.#writeHead();
    } catch {
      // The entries are in the log. Nothing more is appended before the head is written, too.
      this.#suspect = true;
    }
    if (onDisk === undefined) batch.succeed();
    else {
      onDisk.then(
        () => batch.succeed(),
        (cause: unknown) => {
          this.#suspect = true;
          batch.fail(auditFailed(name, cause));
        },
      );
    }
  }

  #segmentName(): string {
    if (this.#segment.day !== this.#day) {
      this.#segment = { day: this.#day, name: segmentName(this.#day) };
    }
    return this.#segment.name;
  }

  #noteSynced(): void {
    if (this.#unsynced.length === 0) return;
    const bytes = this.#store.syncedLogBytes(this.#segmentName());
    let count = 0;
    for (const { seq, end } of this.#unsynced) {
      if (end > bytes) break;
      this.#syncedSeq = seq;
      count += 1;
    }
    if (count > 0) this.#unsynced.splice(0, count);
  }

  #head(): AuditHead {
    return {
      seq: this.#written.seq,
      syncedSeq: this.#syncedSeq,
      day: this.#day,
      bytes: this.#offset,
      mac: this.#written.mac,
      boot: this.#boot,
    };
  }

  #writeHead(): void {
    this.#store.writeMark(MARK, serializeAuditHead(this.#head(), this.#headKey));
  }

  async flush(): Promise<void> {
    this.#writeBatch();
    try {
      await this.#store.syncLogs();
      this.#noteSynced();
      if (this.#written.seq > 0 && !this.#closed) this.#writeHead();
      await this.#store.syncLogs();
    } catch (cause) {
      throw auditFailed(this.#segmentName(), cause);
    }
  }

  /** Flushes and forgets the keys. */
  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      if (!this.#store.readOnly) await this.flush();
    } finally {
      this.wipe();
    }
  }

  /** Forgets the keys at once; what was appended still reaches the disk with its group. */
  wipe(): void {
    this.#writeBatch();
    this.#closed = true;
    wipe(this.#signingSeed);
    this.#entryKey.wipe();
    this.#headKey.wipe();
  }

  /** After a failed write: cuts off what the failure left, so that the next entry starts a line. */
  #repaired(): Promise<void> {
    this.#repair ??= (async () => {
      // What was sealed before the failure was seen: it gets into the log now, or fails as well.
      this.#writeBatch();
      try {
        const name = this.#segmentName();
        const segment = (await this.#store.listLogs()).find((log) => log.name === name);
        const size = segment?.size ?? 0;
        if (size < this.#offset)
          throw new Error(`${size} bytes where ${this.#offset} were written`);
        if (size > this.#offset) await this.#store.truncateLog(name, this.#offset);
        await this.#store.syncLogs();
        if (this.#written.seq > 0 && !this.#closed) this.#writeHead();
        this.#noteSynced();
        this.#suspect = false;
      } catch (cause) {
        throw auditFailed(this.#segmentName(), cause);
      } finally {
        this.#repair = null;
      }
    })();
    return this.#repair;
  }

  async #recover(started: boolean): Promise<void> {
    if (this.#anchor.firstSeq > 1 && !this.#store.readOnly) await this.#removeDropped();
    const copies = await this.#store.readMark(MARK);
    const heads = copies.map((copy) => parseAuditHead(copy, this.#headKey));
    const head = newest(heads);
    let tail = await this.#tail(head);
    if (head !== null && this.#rebootedSince(head) && (tail.damaged || tail.seq > head.syncedSeq)) {
      tail = (await this.#lostBytes(tail, head)) ?? tail;
    }
    this.#adopt(tail, head);
    if (this.#store.readOnly) return;
    const findings: AuditEvent[] = [];
    if (tail.torn > 0) findings.push(await this.#closeTornLine(tail, head));
    if (tail.damaged) findings.push({ kind: "audit.tail.damaged", file: `audit/${tail.name}` });
    if (head === null) {
      if (started || tail.seq > 0) findings.push({ kind: "audit.head.missing", lastSeq: tail.seq });
    } else {
      if (heads.includes(null)) findings.push({ kind: "audit.head.repaired" });
      // The entry after a gap carries the MAC before it, so that it can be checked on its own; it
      // therefore has to be the first one written.
      if (tail.seq < head.seq) findings.unshift(this.#missingTail(tail, head));
      else if (tail.seq > head.seq + 1) {
        findings.push({ kind: "audit.head.behind", lastSeq: tail.seq, headSeq: head.seq });
      }
    }
    for (const event of findings) await this.append(event);
    // A process killed between an entry and its head leaves the head one behind.
    if (findings.length === 0 && head !== null && head.seq < this.#written.seq) this.#writeHead();
  }

  /**
   * After a power cut the bytes that were not yet on disk may hold anything, in any part. When
   * everything up to an entry that was known to be on disk is sound, what stops making sense after
   * that is such bytes.
   *
   * @returns The log's end before them, or null when the damage cannot be explained that way.
   */
  async #lostBytes(tail: Tail, head: AuditHead): Promise<Tail | null> {
    const { firstSeq, previousMac } = this.#anchor;
    /** Newest first, back to the entry before the one known to be on disk. */
    const lines: { parsed: ParsedEntry | null; end: number }[] = [];
    let end = tail.size;
    let beginning = true;
    for await (const line of this.#linesBackward()) {
      lines.push({ parsed: parseEntry(line), end });
      end -= line.length;
      const seq = lines.at(-2)?.parsed?.entry.seq ?? Number.POSITIVE_INFINITY;
      beginning = seq > head.syncedSeq;
      // Days before the last one were brought to the disk before it began.
      if (!beginning || end < -ENTRY_BYTES_MAX) break;
    }
    const before = beginning ? null : lines.pop();
    let sound = { seq: firstSeq - 1, tsMs: 0, mac: previousMac as Uint8Array, end: 0 };
    let chainedTo = before === null ? previousMac : (before?.parsed?.mac ?? null);
    for (const { parsed, end } of lines.reverse()) {
      if (parsed === null || !follows(parsed, chainedTo, this.#entryKey)) break;
      const { seq, tsMs } = parsed.entry;
      sound = { seq, tsMs, mac: parsed.mac, end: Math.max(0, end) };
      chainedTo = parsed.mac;
    }
    if (sound.seq < head.syncedSeq) return null;
    const { seq, tsMs, mac } = sound;
    const torn = tail.torn + tail.size - sound.end;
    return { ...tail, seq, tsMs, mac, size: sound.end, torn, damaged: false };
  }

  #rebootedSince(head: AuditHead): boolean {
    return !equalBytes(head.boot, this.#boot) || equalBytes(head.boot, NO_BOOT);
  }

  /** Whether what is missing between log and head is what a power cut takes: bytes not yet synced. */
  #isExplained(tail: Tail, head: AuditHead): boolean {
    return this.#rebootedSince(head) && tail.seq >= head.syncedSeq && !tail.damaged;
  }

  /**
   * Bytes after the last whole entry. When the head does not know the entry, a crash interrupted its
   * write, nobody was told it exists, and it goes; so it does when a power cut explains it.
   * Otherwise it is evidence of damage and stays.
   */
  async #closeTornLine(tail: Tail, head: AuditHead | null): Promise<AuditEvent> {
    const file = `audit/${tail.name}`;
    if (head === null || head.seq <= tail.seq || this.#isExplained(tail, head)) {
      await this.#store.truncateLog(tail.name, tail.size);
      return { kind: "audit.repaired", file, tornBytes: tail.torn };
    }
    await this.#store.appendLog(tail.name, tail.size + tail.torn, LINE_FEED, "written");
    this.#offset = tail.size + tail.torn + 1;
    return { kind: "audit.line.damaged", file, bytes: tail.torn };
  }

  #missingTail(tail: Tail, head: AuditHead): AuditEvent {
    return {
      kind: this.#isExplained(tail, head) ? TAIL_LOST : "audit.tail.removed",
      fromSeq: tail.seq + 1,
      toSeq: head.seq,
      previousMac: encodeBase64(head.mac),
    };
  }

  /** Goes on after whichever is further, the log or its head, so that a gap stays visible. */
  #adopt(tail: Tail, head: AuditHead | null): void {
    this.#day = tail.day;
    this.#offset = tail.size;
    const fromHead = head !== null && head.seq > tail.seq;
    const { seq, mac } = fromHead ? head : tail;
    this.#written = { seq, mac, tsMs: tail.tsMs };
    this.#sealed = this.#written;
    this.#syncedSeq = Math.min(head?.syncedSeq ?? 0, seq);
    if (seq > this.#syncedSeq) this.#unsynced.push({ seq, end: this.#offset });
  }

  async #segments(): Promise<{ name: string; day: number; size: number }[]> {
    const segments: { name: string; day: number; size: number }[] = [];
    for (const { name, size } of await this.#store.listLogs()) {
      const day = segmentDay(name);
      if (day !== null) segments.push({ name, day, size });
    }
    return segments;
  }

  /** The last whole entry, authenticated by the one before it or by the head. */
  async #tail(head: AuditHead | null): Promise<Tail> {
    const { firstSeq, previousMac } = this.#anchor;
    const nothing = { seq: firstSeq - 1, tsMs: 0, mac: previousMac, damaged: false };
    const last = (await this.#segments()).filter(({ size }) => size > 0).at(-1);
    if (last === undefined) return { ...nothing, day: head?.day ?? 0, name: "", size: 0, torn: 0 };
    const torn = await this.#tornBytes(last);
    const place = { day: last.day, name: last.name, size: last.size - torn, torn };

    const lines: (ParsedEntry | null)[] = [];
    for await (const line of this.#linesBackward()) {
      lines.push(parseEntry(line));
      if (lines.length === 2) break;
    }
    const [latest, before] = lines;
    if (latest === undefined) return { ...nothing, ...place };
    if (latest !== null) {
      const { seq, tsMs } = latest.entry;
      const chainedTo = before === undefined ? previousMac : (before?.mac ?? null);
      // Without a readable entry before it the head can vouch for the last one; not for a second
      // copy of it.
      const repeated = before?.entry.seq === seq;
      const namedByHead = head?.seq === seq && equalBytes(head.mac, latest.mac) && !repeated;
      if (namedByHead || follows(latest, chainedTo, this.#entryKey)) {
        return { seq, tsMs, mac: latest.mac, damaged: false, ...place };
      }
    }
    // Damage, not a crash. Numbers go on from the head, so that none is given out twice.
    return { ...nothing, ...place, damaged: true };
  }

  async #tornBytes(segment: { name: string; size: number }): Promise<number> {
    let torn = 0;
    while (torn < segment.size) {
      const length = Math.min(CHUNK_BYTES, segment.size - torn);
      const from = segment.size - torn - length;
      const end = (await this.#store.readLog(segment.name, from, length)).lastIndexOf(0x0a);
      if (end >= 0) return torn + length - end - 1;
      torn += length;
    }
    return torn;
  }

  async read(
    options: { readonly limit?: number; readonly beforeSeq?: number } = {},
  ): Promise<readonly AuditEntry[]> {
    const { limit = 100, beforeSeq = Number.POSITIVE_INFINITY } = options;
    this.#requireOpen();
    this.#writeBatch();
    const found: AuditEntry[] = [];
    // One line more than asked for: an entry is checked against the MAC of the one before it.
    let pending: ParsedEntry | null = null;
    const settle = (previousMac: Uint8Array | null): void => {
      if (pending === null) return;
      const whole = follows(pending, previousMac, this.#entryKey);
      found.push(whole ? pending.entry : { ...pending.entry, broken: true });
      pending = null;
    };
    for await (const line of this.#linesBackward()) {
      this.#requireOpen();
      const parsed = parseEntry(line);
      settle(parsed?.mac ?? null);
      if (found.length >= limit) return found;
      if (parsed === null) found.push(UNREADABLE);
      else if (parsed.entry.seq < beforeSeq) pending = parsed;
      if (found.length >= limit) return found;
    }
    settle(this.#anchor.previousMac);
    return found;
  }

  /**
   * The log as it is now, for a copy: whole entries only, and the head that belongs to them. Entries
   * that are appended later are not part of it.
   */
  async snapshot(): Promise<{
    readonly segments: readonly LogSegment[];
    /** Null before the first entry. */
    readonly head: Uint8Array | null;
    readonly lastSeq: number;
  }> {
    for (;;) {
      const segments = await this.#segments();
      this.#requireOpen();
      this.#writeBatch();
      const last = segments.at(-1);
      // A day that began meanwhile is not listed yet.
      if (this.#written.seq > 0 && this.#offset > 0 && (last === undefined || last.day < this.#day))
        continue;
      return {
        segments: segments.map(({ name, day, size }) => ({
          name,
          size: day === this.#day ? this.#offset : size,
        })),
        head: this.#written.seq === 0 ? null : serializeAuditHead(this.#head(), this.#headKey),
        lastSeq: this.#written.seq,
      };
    }
  }

  async checkpoint(): Promise<AuditEntry | null> {
    this.#coveredSeq ??= await this.#lastCovered();
    this.#writeBatch();
    const last = this.#written.seq;
    // A checkpoint of nothing but the one before would be followed by another, for ever.
    if (last - this.#coveredSeq <= 1) return null;
    const checkpoint = await this.#state(Math.max(this.#coveredSeq + 1, this.#anchor.firstSeq));
    this.#requireOpen();
    const entry = await this.append(checkpointEvent(checkpoint, this.#signingSeed));
    this.#coveredSeq = Math.max(this.#coveredSeq, checkpoint.toSeq);
    return entry;
  }

  /** What a checkpoint says of the lines from an entry to the present end. */
  async #state(fromSeq: number, firstSeq = this.#anchor.firstSeq): Promise<Checkpoint> {
    this.#writeBatch();
    const toSeq = this.#written.seq;
    let digest = NO_LINES;
    for await (const line of this.lines()) {
      const seq = parseEntry(line)?.entry.seq;
      if (seq === undefined) throw brokenLog("a line that is no entry");
      if (seq > toSeq) break;
      if (seq >= fromSeq) digest = foldLine(digest, line);
    }
    const base = { version: 1, vaultId: this.#vaultId, firstSeq } as const;
    return { ...base, fromSeq, toSeq, digest: encodeBase64(digest) };
  }

  async #lastCovered(): Promise<number> {
    for await (const line of this.#linesBackward()) {
      const event = parseEntry(line)?.entry.event;
      const stated = event?.kind === CHECKPOINT ? event["checkpoint"] : undefined;
      if (isJsonObject(stated) && typeof stated["toSeq"] === "number") return stated["toSeq"];
    }
    return this.#anchor.firstSeq - 1;
  }

  async *lines(): AsyncGenerator<Uint8Array, void, void> {
    this.#requireOpen();
    this.#writeBatch();
    for (const segment of await this.#segments()) {
      let carried: Uint8Array = new Uint8Array();
      for (let offset = 0; offset < segment.size; offset += CHUNK_BYTES) {
        const length = Math.min(CHUNK_BYTES, segment.size - offset);
        const chunk = await this.#store.readLog(segment.name, offset, length);
        const { lines, rest } = splitLines(concatBytes(carried, chunk));
        yield* lines;
        carried = rest.slice();
      }
    }
  }

  /**
   * Prepares to drop the days before one: checks the log, and states, signed, what is kept and that
   * it begins there. The caller seals the new anchor and then calls {@link drop}.
   *
   * @returns The anchor of what is kept; null when no whole day is that old.
   */
  async prepareDrop(beforeDay: number): Promise<AuditAnchor | null> {
    const verification = await this.verify();
    if (!verification.ok) throw brokenLog(verification.problem);
    const segments = (await this.#segments()).filter(({ size }) => size > 0);
    const kept = segments.filter(({ day }) => day >= beforeDay)[0] ?? segments.at(-1);
    if (kept === undefined || kept === segments[0]) return null;
    const [firstKept] = splitLines(await this.#store.readLog(kept.name, 0, ENTRY_BYTES_MAX)).lines;
    let previousMac = this.#anchor.previousMac;
    for await (const line of this.lines()) {
      const parsed = parseEntry(line);
      if (parsed === null) throw brokenLog("a line that is no entry");
      const { seq, tsMs, event } = parsed.entry;
      if (firstKept === undefined || !equalBytes(line, firstKept)) {
        previousMac = parsed.mac;
        continue;
      }
      // An entry after a gap brings the MAC it is chained to.
      const own = event["previousMac"];
      const chainedTo = gapAuthenticates(parsed, this.#entryKey) ? decodeBase64(`${own}`) : null;
      const checkpoint = await this.#state(seq, seq);
      await this.append({
        ...checkpointEvent(checkpoint, this.#signingSeed),
        droppedBeforeMs: tsMs,
      });
      this.#coveredSeq = checkpoint.toSeq;
      await this.flush();
      return { firstSeq: seq, previousMac: chainedTo ?? previousMac };
    }
    return null;
  }

  /** Deletes the days before the anchor, which the manifest has by now. */
  async drop(anchor: AuditAnchor): Promise<void> {
    this.#anchor = anchor;
    await this.#removeDropped();
  }

  /** Days that retention dropped but, being cut off, did not delete. */
  async #removeDropped(): Promise<void> {
    const segments = (await this.#segments()).filter(({ size }) => size > 0);
    for (const { name } of segments.slice(0, -1)) {
      const start = await this.#store.readLog(name, 0, ENTRY_BYTES_MAX);
      const [line] = splitLines(start).lines;
      const seq = line === undefined ? undefined : parseEntry(line)?.entry.seq;
      if (seq === undefined || seq >= this.#anchor.firstSeq) return;
      await this.#store.deleteLog(name);
    }
  }

  async *#linesBackward(): AsyncGenerator<Uint8Array> {
    for (const segment of (await this.#segments()).reverse()) {
      let carried: Uint8Array = new Uint8Array();
      let start = segment.size;
      while (start > 0) {
        const from = Math.max(0, start - CHUNK_BYTES);
        const chunk = concatBytes(
          await this.#store.readLog(segment.name, from, start - from),
          carried,
        );
        start = from;
        const { lines, rest } = splitLines(chunk);
        const whole = start === 0 ? lines : lines.slice(1);
        carried = start === 0 ? new Uint8Array() : (lines[0] ?? rest);
        for (const line of whole.reverse()) yield line;
      }
    }
  }

  async verify(): Promise<AuditVerification> {
    this.#requireOpen();
    this.#writeBatch();
    const [lastSeq, day] = [this.#written.seq, this.#day];
    let expected = this.#anchor.firstSeq;
    let previous = this.#anchor.previousMac;
    const gaps: { fromSeq: number; toSeq: number }[] = [];
    const broken = (problem: string): AuditVerification => ({
      ok: false,
      firstBrokenSeq: expected,
      problem,
      entries: expected - this.#anchor.firstSeq,
    });
    for (const segment of await this.#segments()) {
      let carried: Uint8Array = new Uint8Array();
      const file = `\`audit/${segment.name}\``;
      for (let offset = 0; offset < segment.size; offset += CHUNK_BYTES) {
        const chunk = await this.#store.readLog(segment.name, offset, CHUNK_BYTES);
        this.#requireOpen();
        const { lines, rest } = splitLines(concatBytes(carried, chunk));
        for (const line of lines) {
          const parsed = parseEntry(line);
          if (parsed === null) return broken(`${file} has an unreadable line`);
          const gap = explainedGap(parsed, expected, this.#entryKey);
          if (gap !== null) gaps.push(gap);
          else if (parsed.entry.seq !== expected) {
            return broken(`${file} has entry ${parsed.entry.seq} where ${expected} belongs`);
          } else if (!entryAuthenticates(parsed, previous, this.#entryKey)) {
            return broken(`${file} has an entry that was changed`);
          }
          const entryDay = Math.floor(parsed.entry.tsMs / DAY_MS);
          if (entryDay > segment.day) return broken(`${file} has an entry of another day`);
          previous = parsed.mac;
          expected = parsed.entry.seq + 1;
        }
        carried = rest.slice();
        if (carried.length > ENTRY_BYTES_MAX) return broken(`${file} has an unreadable line`);
      }
      // An entry appended since the sizes were read may be there in part; anything else may not.
      const growing = segment.day === day && expected > lastSeq;
      if (carried.length > 0 && (!growing || segment.size > this.#bytesOf(day))) {
        return broken(`${file} ends within a line`);
      }
    }
    if (expected <= lastSeq) return broken(`the log ends before entry ${lastSeq}`);
    const headProblem = await this.#headProblem(lastSeq);
    if (headProblem !== null) return broken(headProblem);
    const lost = gaps.reduce((sum, { fromSeq, toSeq }) => sum + toSeq - fromSeq + 1, 0);
    return { ok: true, entries: expected - this.#anchor.firstSeq - lost, gaps };
  }

  /** Bytes this log has written to a day's segment, as far as it knows. */
  #bytesOf(day: number): number {
    return day === this.#day ? this.#offset : Number.POSITIVE_INFINITY;
  }

  async #headProblem(lastSeq: number): Promise<string | null> {
    if (lastSeq === 0) return null;
    const heads = (await this.#store.readMark(MARK)).map((copy) =>
      parseAuditHead(copy, this.#headKey),
    );
    const head = newest(heads);
    if (head === null) return "`audit/head` is missing or damaged";
    if (heads.includes(null)) return "`audit/head` is damaged";
    // Entries may have been appended since verification began; fewer is what an old copy shows.
    return head.seq < lastSeq ? `\`audit/head\` was put back to entry ${head.seq}` : null;
  }

  #requireOpen(): void {
    if (this.#closed) throw new VaultError("VAULT_LOCKED", "the vault is locked; unlock it first");
  }
}

/** Where the chain ends, and the next entry goes on. */
interface LogEnd {
  readonly seq: number;
  /** 32 bytes. */
  readonly mac: Uint8Array;
  readonly tsMs: number;
}

interface Tail {
  readonly seq: number;
  readonly tsMs: number;
  readonly mac: Uint8Array;
  readonly day: number;
  readonly name: string;
  /** Bytes of whole lines in that segment. */
  readonly size: number;
  /** Bytes after the last whole line. */
  readonly torn: number;
  /** The last whole line does not authenticate. */
  readonly damaged: boolean;
}

const UNREADABLE: AuditEntry = {
  seq: 0,
  tsMs: 0,
  event: { kind: "audit.unreadable" },
  mac: "",
  broken: true,
};

/** Most lines are far from it, and are not encoded to find out. */
function isTooLong(line: string): boolean {
  return line.length * 3 > ENTRY_BYTES_MAX && encodeUtf8(line).length > ENTRY_BYTES_MAX;
}

/** Whether an entry follows the one with this MAC, or vouches for a gap before it by itself. */
function follows(parsed: ParsedEntry, previousMac: Uint8Array | null, key: Mac): boolean {
  return (
    (previousMac !== null && entryAuthenticates(parsed, previousMac, key)) ||
    gapAuthenticates(parsed, key)
  );
}

/** The gap that an entry explains by itself, when its MAC is right. */
function explainedGap(
  parsed: ParsedEntry,
  expected: number,
  key: Mac,
): { fromSeq: number; toSeq: number } | null {
  const { kind, fromSeq, toSeq } = parsed.entry.event;
  if (kind !== TAIL_LOST || fromSeq !== expected || toSeq !== parsed.entry.seq - 1) return null;
  return gapAuthenticates(parsed, key) ? { fromSeq, toSeq } : null;
}

function gapAuthenticates(parsed: ParsedEntry, key: Mac): boolean {
  const { previousMac } = parsed.entry.event;
  const mac = typeof previousMac === "string" ? decodeBase64(previousMac) : null;
  return mac !== null && entryAuthenticates(parsed, mac, key);
}

function newest(heads: readonly (AuditHead | null)[]): AuditHead | null {
  let best: AuditHead | null = null;
  for (const head of heads)
    if (head !== null && (best === null || head.seq > best.seq)) best = head;
  return best;
}

function brokenLog(problem: string): VaultError {
  return new VaultError("VAULT_TAMPERED", `the audit log is damaged: ${problem}; verify it first`);
}

function auditFailed(name: string, cause: unknown): VaultError {
  const reason = cause instanceof Error ? `: ${cause.message}` : "";
  return new VaultError("VAULT_AUDIT_FAILED", `the audit log could not be written${reason}`, {
    subject: `audit/${name}`,
    cause,
  });
}
