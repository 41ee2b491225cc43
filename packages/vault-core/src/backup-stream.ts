import { open, seal } from "./aead.ts";
import { concatBytes, decodeUtf8, encodeUtf8, type RandomBytes, wipe } from "./bytes.ts";
import { VaultError } from "./errors.ts";
import { decodeUint64, encodeUint64, type Field } from "./framing.ts";
import { canonicalJson, isJsonObject, type JsonValue } from "./json.ts";
import { FORMAT_VERSION, LABELS } from "./labels.ts";
import { deriveKey } from "./mac.ts";
import { type Argon2id, type Argon2idParameters, derivePassphraseKey } from "./passphrase.ts";
import { sha256 } from "./sha256.ts";

// A backup is one file: a header in clear, then sealed chunks. Each chunk is bound to the header, to
// its place and to whether it is the last, so that nothing can be changed, moved, cut off or added
// without showing. Inside the chunks is a sequence of items. See docs/format.md#backup.

const MAGIC = encodeUtf8("aivault backup 1\n");
const HEADER_BYTES_MAX = 4096;
/** Bytes of plaintext in each chunk but the last. */
const CHUNK_BYTES = 64 * 1024;
const SEAL_BYTES = 24 + 16;
const ITEM_HEADER_BYTES = 1 + 2 + 8 + 4;
const ITEM_BYTES_MAX = 64 * 1024 * 1024;

/** What an item of a backup is. */
export const ITEM = { meta: 1, ring: 2, record: 3, log: 4, head: 5, end: 6 } as const;

/** One item: a record, a part of a log, or what describes them. */
export interface BackupItem {
  readonly type: number;
  /** A store key or a log segment; empty for the others. */
  readonly name: string;
  /** Where in the segment a part of a log begins; 0 for the others. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** The part of a backup that is not secret. */
export interface BackupHeader {
  readonly vaultId: string;
  readonly createdAtMs: number;
  readonly argon2id: Argon2idParameters;
}

/** The backup is not what {@link sealBackup} wrote, or the passphrase is another. */
export function damagedBackup(problem: string): VaultError {
  return new VaultError("VAULT_OPEN_FAILED", `the backup ${problem}`);
}

/**
 * The bytes of a backup, in pieces. Items are wiped once they are sealed.
 *
 * @param passphrase - Borrowed until the first piece was given.
 */
export async function* sealBackup(
  header: BackupHeader,
  items: AsyncIterable<BackupItem>,
  passphrase: Uint8Array,
  argon2id: Argon2id,
  random: RandomBytes,
): AsyncGenerator<Uint8Array, void, void> {
  const headerBytes = encodeUtf8(canonicalJson({ ...header, version: FORMAT_VERSION }));
  const start = concatBytes(MAGIC, uint32(headerBytes.length), headerBytes);
  const derived = await derivePassphraseKey(passphrase, header.argon2id, argon2id);
  const key = deriveKey(derived, header.vaultId, LABELS.backup);
  wipe(derived);
  const digest = sha256(start);
  const pending = new Uint8Array(CHUNK_BYTES);
  let filled = 0;
  let index = 0;
  const sealChunk = (final: boolean): Uint8Array => {
    const chunk = seal(
      key,
      chunkContext(digest, index, final),
      pending.subarray(0, filled),
      random,
    );
    index += 1;
    filled = 0;
    return concatBytes(uint32(chunk.length), chunk);
  };
  try {
    yield start;
    for await (const item of items) {
      const parts = [itemHeader(item), item.bytes];
      for (const part of parts) {
        for (let from = 0; from < part.length; ) {
          if (filled === CHUNK_BYTES) yield sealChunk(false);
          const take = part.subarray(from, from + CHUNK_BYTES - filled);
          pending.set(take, filled);
          filled += take.length;
          from += take.length;
        }
      }
      wipe(item.bytes);
    }
    yield sealChunk(true);
  } finally {
    wipe(key, pending);
  }
}

/**
 * The items of a backup, each checked before it is given. Only when this ends without an error is
 * the backup whole. An item's bytes are the receiver's.
 *
 * @throws {VaultError} `VAULT_OPEN_FAILED`: damage, or another passphrase.
 */
export async function* openBackup(
  input: AsyncIterable<Uint8Array>,
  passphrase: Uint8Array,
  argon2id: Argon2id,
): AsyncGenerator<BackupItem, BackupHeader, void> {
  const reader = new ByteReader(input);
  try {
    const { header, digest } = await readHeader(reader);
    const derived = await derivePassphraseKey(passphrase, header.argon2id, argon2id);
    const key = deriveKey(derived, header.vaultId, LABELS.backup);
    wipe(derived);
    const plain = new ByteReader(openChunks(reader, key, digest));
    try {
      for (;;) {
        const item = await readItem(plain);
        if (item === null) return header;
        yield item;
      }
    } finally {
      await plain.end();
      wipe(key);
    }
  } finally {
    await reader.end();
  }
}

async function readHeader(
  reader: ByteReader,
): Promise<{ header: BackupHeader; digest: Uint8Array }> {
  const magic = await reader.take(MAGIC.length);
  if (magic === null || decodeLatin(magic) !== decodeLatin(MAGIC)) {
    throw damagedBackup("is not an aivault backup, or its beginning is damaged");
  }
  const lengthBytes = await reader.take(4);
  const length = lengthBytes === null ? 0 : readUint32(lengthBytes, 0);
  const bytes =
    length > 0 && length <= HEADER_BYTES_MAX && lengthBytes !== null
      ? await reader.take(length)
      : null;
  const value = bytes === null ? null : parseJson(bytes);
  if (bytes === null || lengthBytes === null || !isHeader(value)) {
    throw damagedBackup("has a damaged header");
  }
  return { header: value, digest: sha256(concatBytes(MAGIC, lengthBytes, bytes)) };
}

function isHeader(value: unknown): value is BackupHeader {
  return (
    isJsonObject(value) &&
    value["version"] === FORMAT_VERSION &&
    typeof value["vaultId"] === "string" &&
    typeof value["createdAtMs"] === "number" &&
    isJsonObject(value["argon2id"])
  );
}

async function* openChunks(
  reader: ByteReader,
  key: Uint8Array,
  digest: Uint8Array,
): AsyncGenerator<Uint8Array, void, void> {
  for (let index = 0; ; index += 1) {
    const lengthBytes = await reader.take(4);
    if (lengthBytes === null) throw damagedBackup("ends too early");
    const length = readUint32(lengthBytes, 0);
    if (length < SEAL_BYTES || length > SEAL_BYTES + CHUNK_BYTES) {
      throw damagedBackup(`is damaged at part ${index + 1}`);
    }
    const sealed = await reader.take(length);
    if (sealed === null) throw damagedBackup("ends too early");
    const final = await reader.atEnd();
    try {
      yield open(key, chunkContext(digest, index, final), sealed);
    } catch (cause) {
      const problem =
        index === 0
          ? "does not open: another passphrase, or damage at its beginning"
          : `is damaged at part ${index + 1}`;
      throw new VaultError("VAULT_OPEN_FAILED", `the backup ${problem}`, { cause });
    }
    if (final) return;
  }
}

async function readItem(reader: ByteReader): Promise<BackupItem | null> {
  if (await reader.atEnd()) return null;
  const head = await reader.take(ITEM_HEADER_BYTES);
  if (head === null) throw damagedBackup("holds a part of an item");
  const nameLength = ((head[1] as number) << 8) | (head[2] as number);
  const offset = decodeUint64(head, 3);
  const length = readUint32(head, 11);
  const name = await reader.take(nameLength);
  const bytes = length <= ITEM_BYTES_MAX ? await reader.take(length) : null;
  if (name === null || bytes === null || offset === null) {
    throw damagedBackup("holds a part of an item");
  }
  return { type: head[0] as number, name: decodeUtf8(name), offset, bytes };
}

/** type (1) || name length (2) || offset (8) || length (4) || name || bytes. */
function itemHeader({ type, name, offset, bytes }: BackupItem): Uint8Array {
  const text = encodeUtf8(name);
  return concatBytes(
    Uint8Array.of(type, text.length >> 8, text.length),
    encodeUint64(offset),
    uint32(bytes.length),
    text,
  );
}

function chunkContext(digest: Uint8Array, index: number, final: boolean): Field[] {
  return [LABELS.backup, FORMAT_VERSION, digest, index, final ? 1 : 0];
}

function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

function readUint32(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset);
}

function decodeLatin(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function parseJson(bytes: Uint8Array): JsonValue | null {
  try {
    const text = decodeUtf8(bytes);
    const value: JsonValue = JSON.parse(text);
    return canonicalJson(value) === text ? value : null;
  } catch {
    return null;
  }
}

/** Takes a stream of bytes apart, holding no more of it than was asked for and one piece. */
class ByteReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array();

  constructor(input: AsyncIterable<Uint8Array>) {
    this.#pieces = input[Symbol.asyncIterator]();
  }

  /** Whether nothing follows. */
  async atEnd(): Promise<boolean> {
    while (this.#piece.length === 0) {
      const { done, value } = await this.#pieces.next();
      if (done === true) return true;
      this.#piece = value;
    }
    return false;
  }

  /** The next `length` bytes, as a copy; null when fewer follow. */
  async take(length: number): Promise<Uint8Array | null> {
    const parts: Uint8Array[] = [];
    for (let missing = length; missing > 0; ) {
      if (await this.atEnd()) return null;
      const part = this.#piece.slice(0, missing);
      this.#piece = this.#piece.subarray(part.length);
      missing -= part.length;
      parts.push(part);
    }
    return parts.length === 1 ? (parts[0] as Uint8Array) : concatBytes(...parts);
  }

  /** Tells the source that no more is wanted. */
  async end(): Promise<void> {
    await this.#pieces.return?.();
  }
}
