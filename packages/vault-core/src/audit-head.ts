import { concatBytes, equalBytes } from "./bytes.ts";
import { decodeUint64, writeUint64 } from "./framing.ts";
import type { Mac } from "./mac.ts";

/**
 * Where the audit log ends. It is rewritten after each write to the log, like the log itself without waiting
 * for the disk, so that cutting entries off the log's end shows (G18).
 */
export interface AuditHead {
  /** The last entry. */
  readonly seq: number;
  /** Every entry up to this one is known to be on disk. */
  readonly syncedSeq: number;
  /** The day of the last entry's segment, in days since 1970-01-01. */
  readonly day: number;
  /** Size of that segment. */
  readonly bytes: number;
  /** 32 bytes: the MAC of the last entry. */
  readonly mac: Uint8Array;
  /** 16 bytes that name the running system, or zeros. */
  readonly boot: Uint8Array;
}

const VERSION = 1;
const BODY_BYTES = 1 + 8 + 8 + 8 + 8 + 32 + 16;

/** version (1) || seq || syncedSeq || day || bytes (8 each) || mac (32) || boot (16) || tag (32). */
export function serializeAuditHead(head: AuditHead, key: Mac): Uint8Array {
  const body = new Uint8Array(BODY_BYTES);
  body[0] = VERSION;
  writeUint64(body, 1, head.seq);
  writeUint64(body, 9, head.syncedSeq);
  writeUint64(body, 17, head.day);
  writeUint64(body, 25, head.bytes);
  body.set(head.mac, 33);
  body.set(head.boot, 65);
  return concatBytes(body, key.compute([body]));
}

/** @returns null for anything that does not authenticate. */
export function parseAuditHead(bytes: Uint8Array, key: Mac): AuditHead | null {
  if (bytes.length !== BODY_BYTES + 32 || bytes[0] !== VERSION) return null;
  const body = bytes.subarray(0, BODY_BYTES);
  if (!equalBytes(key.compute([body]), bytes.subarray(BODY_BYTES))) return null;
  const [seq, syncedSeq, day, size] = [1, 9, 17, 25].map((offset) => decodeUint64(body, offset));
  if (seq == null || syncedSeq == null || day == null || size == null) return null;
  return {
    seq,
    syncedSeq,
    day,
    bytes: size,
    mac: body.slice(33, 65),
    boot: body.slice(65, 81),
  };
}
