import { decodeBase64, decodeUtf8, encodeBase64, equalBytes } from "./bytes.ts";
import { canonicalJson, isJsonObject, type JsonValue } from "./json.ts";
import type { Mac } from "./mac.ts";

/** Something to record. Its members are JSON; none may hold a secret value. */
export interface AuditEvent {
  /** Dotted, past tense: `invocation.decided`, `secret.created`. */
  readonly kind: string;
  readonly requestId?: string;
  readonly [field: string]: JsonValue | undefined;
}

/** One line of the audit log. */
export interface AuditEntry {
  /** 1 for the first entry of a vault, then without gaps. */
  readonly seq: number;
  /** Unix milliseconds. */
  readonly tsMs: number;
  readonly event: AuditEvent;
  /** Base64 of HMAC-SHA256 over this entry and the `mac` of the one before it. */
  readonly mac: string;
  /** Present when the clock had gone back since the entry before this one. */
  readonly clockBack?: true;
  /** Present, on reading, when the entry does not authenticate: believe nothing in it. */
  readonly broken?: true;
}

const LINE_FEED = 0x0a;

/** Bytes of the longest line, line feed included. */
export const ENTRY_BYTES_MAX = 64 * 1024;

/** Chains an event to the MAC before it. */
export function sealEntry(
  entry: Omit<AuditEntry, "mac">,
  previousMac: Uint8Array,
  key: Mac,
): { entry: AuditEntry; mac: Uint8Array; line: string } {
  const { seq, tsMs, event, clockBack } = entry;
  const back = clockBack === true ? '"clockBack":true,' : "";
  const before = `{${back}"event":${canonicalJson(event)}`;
  const after = `"seq":${seq},"tsMs":${tsMs}}`;
  const mac = key.compute([previousMac, `${before},${after}`]);
  const text = encodeBase64(mac);
  const sealed = { seq, tsMs, event, mac: text };
  return {
    entry: clockBack === true ? { ...sealed, clockBack } : sealed,
    mac,
    line: `${before},"mac":"${text}",${after}\n`,
  };
}

/** A line that has the form of an entry; nothing in it is known to be true yet. */
export interface ParsedEntry {
  readonly entry: AuditEntry;
  /** 32 bytes. */
  readonly mac: Uint8Array;
}

/**
 * Reads one line, its line feed included. The line must be exactly what {@link sealEntry} writes.
 *
 * @returns null for any other bytes.
 */
export function parseEntry(line: Uint8Array): ParsedEntry | null {
  if (line.at(-1) !== LINE_FEED) return null;
  try {
    const text = decodeUtf8(line.subarray(0, -1));
    const value: JsonValue = JSON.parse(text);
    if (!isJsonObject(value) || canonicalJson(value) !== text) return null;
    const { clockBack, event, mac, seq, tsMs, ...rest } = value;
    const macBytes = typeof mac === "string" ? decodeBase64(mac) : null;
    if (
      macBytes === null ||
      macBytes.length !== 32 ||
      !isJsonObject(event) ||
      typeof event["kind"] !== "string" ||
      !Number.isSafeInteger(seq) ||
      !Number.isSafeInteger(tsMs) ||
      (clockBack !== undefined && clockBack !== true) ||
      Object.keys(rest).length > 0
    ) {
      return null;
    }
    return { entry: value as unknown as AuditEntry, mac: macBytes };
  } catch {
    return null;
  }
}

/** Whether the entry follows the one that has `previousMac`. */
export function entryAuthenticates(
  parsed: ParsedEntry,
  previousMac: Uint8Array,
  key: Mac,
): boolean {
  const { mac: _mac, ...unsealed } = parsed.entry;
  return equalBytes(sealEntry(unsealed, previousMac, key).mac, parsed.mac);
}

/** Where each line of a chunk ends, line feed included. The rest, without one, is torn. */
export function splitLines(bytes: Uint8Array): { lines: Uint8Array[]; rest: Uint8Array } {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (;;) {
    const end = bytes.indexOf(LINE_FEED, start);
    if (end < 0) return { lines, rest: bytes.subarray(start) };
    lines.push(bytes.subarray(start, end + 1));
    start = end + 1;
  }
}
