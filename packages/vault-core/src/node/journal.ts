import { createHash } from "node:crypto";
import { VaultError } from "../errors.ts";

// The write-ahead journal of one transaction. Once a file of this form has its final name on disk
// the transaction has happened; what remains is to copy it into place, as often as it takes.

/** One record of a journal. */
export interface JournalChange {
  readonly key: string;
  /** SHA-256, hexadecimal, of what is replaced; null for nothing. */
  readonly before: string | null;
  /** SHA-256, hexadecimal, of what replaces it; null for a delete. */
  readonly after: string | null;
  readonly bytes: Uint8Array | null;
}

const MAGIC = "aivault journal 1\n";
const DIGEST_BYTES = 32;

/** SHA-256 as lower-case hexadecimal. */
export function digestHex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** magic || header length (uint32) || header (JSON) || bytes of each change || SHA-256 of it all. */
export function serializeJournal(changes: readonly JournalChange[]): Uint8Array {
  const header = Buffer.from(
    JSON.stringify(
      changes.map(({ key, before, after, bytes }) => ({
        key,
        before,
        after,
        length: bytes?.length ?? null,
      })),
    ),
  );
  const length = Buffer.alloc(4);
  length.writeUInt32BE(header.length);
  const bodies = changes.flatMap(({ bytes }) => (bytes === null ? [] : [bytes]));
  const content = Buffer.concat([Buffer.from(MAGIC), length, header, ...bodies]);
  return Buffer.concat([content, createHash("sha256").update(content).digest()]);
}

/** @throws {VaultError} `VAULT_TAMPERED`: the journal is not whole. */
export function parseJournal(journal: Uint8Array): JournalChange[] {
  const bytes = Buffer.from(journal.buffer, journal.byteOffset, journal.length);
  const content = bytes.subarray(0, -DIGEST_BYTES);
  const start = MAGIC.length + 4;
  if (
    bytes.length < start + DIGEST_BYTES ||
    content.toString("latin1", 0, MAGIC.length) !== MAGIC ||
    !createHash("sha256").update(content).digest().equals(bytes.subarray(-DIGEST_BYTES))
  ) {
    throw journalError("is damaged");
  }
  // The digest vouches for the shape: only serializeJournal gives such bytes, or someone who could
  // as well have written the files; the digests before and after decide whether it may be applied.
  const end = start + content.readUInt32BE(MAGIC.length);
  const header = parseHeader(content.toString("utf8", start, end));
  let offset = end;
  return header.map(({ key, before, after, length }) => {
    if (length === null) return { key, before, after: null, bytes: null };
    const record = new Uint8Array(content.subarray(offset, offset + length));
    offset += length;
    if (digestHex(record) !== after) throw journalError("is damaged");
    return { key, before, after, bytes: record };
  });
}

function parseHeader(text: string): {
  readonly key: string;
  readonly before: string | null;
  readonly after: string | null;
  readonly length: number | null;
}[] {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    throw journalError("is damaged");
  }
  if (!Array.isArray(header)) throw journalError("is damaged");
  return header;
}

/** The journal cannot be applied. */
export function journalError(problem: string): VaultError {
  return new VaultError(
    "VAULT_TAMPERED",
    `\`journal\` ${problem}; move it away if the vault is otherwise intact, or restore from a backup`,
    { subject: "journal" },
  );
}
