import { ed25519 } from "@noble/curves/ed25519.js";
import { type ParsedEntry, parseEntry } from "./audit-entry.ts";
import { concatBytes, decodeBase64, encodeBase64 } from "./bytes.ts";
import { encodeFields } from "./framing.ts";
import { canonicalJson, isJsonObject, type JsonValue } from "./json.ts";
import { FORMAT_VERSION, LABELS } from "./labels.ts";
import { sha256 } from "./sha256.ts";

// A checkpoint is an entry of the audit log that says, signed, what the lines before it are. The
// log's own chain is keyed, so only the vault can check it; a checkpoint can be checked by anyone who
// has the vault's public key, and no secret.

/** The kind of the entries that carry a checkpoint. */
export const CHECKPOINT = "audit.checkpoint";

/** What a checkpoint states: these are the lines from one entry to another. */
export interface Checkpoint {
  readonly version: 1;
  readonly vaultId: string;
  /** The first entry that retention has kept at that time. */
  readonly firstSeq: number;
  readonly fromSeq: number;
  readonly toSeq: number;
  /** Base64 of {@link foldLine} over these lines, from 32 zeros. */
  readonly digest: string;
}

/** What checking a log by its checkpoints found. */
export type CheckpointVerification =
  | {
      readonly ok: true;
      readonly firstSeq: number;
      /** The last entry that a checkpoint vouches for; later ones are not yet vouched for. */
      readonly toSeq: number;
      readonly checkpoints: number;
    }
  | {
      readonly ok: false;
      /** The entry at fault, or the first that no checkpoint vouches for. */
      readonly seq: number;
      readonly problem: string;
    };

/** The Ed25519 public key (32 bytes) of a signing seed. @see RFC 8032 */
export function auditPublicKey(seed: Uint8Array): Uint8Array {
  return ed25519.getPublicKey(seed);
}

/** SHA-256 of the digest so far and one line, its line feed included. */
export function foldLine(digest: Uint8Array, line: Uint8Array): Uint8Array {
  return sha256(concatBytes(digest, line));
}

/** The digest of no lines. */
export const NO_LINES: Uint8Array = new Uint8Array(32);

/** @param seed - 32 bytes, borrowed. @returns Base64 of the 64-byte signature. */
function signCheckpoint(checkpoint: Checkpoint, seed: Uint8Array): string {
  return encodeBase64(ed25519.sign(signedBytes(checkpoint), seed));
}

function signedBytes(checkpoint: Checkpoint): Uint8Array {
  return encodeFields([LABELS.auditCheckpoint, canonicalJson(checkpoint)]);
}

/** The checkpoint an entry carries, its signature checked; null for one that does not verify. */
function openCheckpoint(
  { entry }: ParsedEntry,
  vaultId: string,
  publicKey: Uint8Array,
): Checkpoint | null {
  const { checkpoint, signature } = entry.event;
  const bytes = typeof signature === "string" ? decodeBase64(signature) : null;
  if (bytes === null || !isCheckpoint(checkpoint) || checkpoint.vaultId !== vaultId) return null;
  try {
    // RFC 8032's strict rules: one signature for one message and key.
    const options = { zip215: false };
    return ed25519.verify(bytes, signedBytes(checkpoint), publicKey, options) ? checkpoint : null;
  } catch {
    return null;
  }
}

function isCheckpoint(value: JsonValue | undefined): value is JsonValue & Checkpoint {
  return (
    isJsonObject(value) &&
    value["version"] === FORMAT_VERSION &&
    typeof value["vaultId"] === "string" &&
    typeof value["digest"] === "string" &&
    ["firstSeq", "fromSeq", "toSeq"].every((member) => Number.isSafeInteger(value[member]))
  );
}

/**
 * Checks a log by its checkpoints, with no secret: every line that one vouches for is as it was
 * signed, none is missing between them, and a log that does not begin with entry 1 has a signed
 * statement that retention dropped what was before.
 *
 * Entries after the last checkpoint, and the removal of that checkpoint with all after it, cannot be
 * judged this way: compare `toSeq` with a checkpoint that was kept elsewhere.
 *
 * @param lines - Gives the lines of the log in order, each with its line feed; called twice.
 * @param vault - The vault's id and its 32-byte public key, from where the auditor keeps them.
 */
export async function verifyCheckpoints(
  lines: () => AsyncIterable<Uint8Array>,
  vault: { readonly vaultId: string; readonly publicKey: Uint8Array },
): Promise<CheckpointVerification> {
  const found: Checkpoint[] = [];
  let firstSeq: number | null = null;
  let lastSeq = 0;
  for await (const line of lines()) {
    const parsed = parseEntry(line);
    if (parsed === null) return broken(lastSeq + 1, "a line is not an audit entry");
    const { seq, event } = parsed.entry;
    firstSeq ??= seq;
    if (seq <= lastSeq) return broken(seq, `entry ${seq} comes after entry ${lastSeq}`);
    lastSeq = seq;
    if (event.kind !== CHECKPOINT) continue;
    const checkpoint = openCheckpoint(parsed, vault.vaultId, vault.publicKey);
    if (checkpoint === null) return broken(seq, `checkpoint ${seq} has no valid signature`);
    if (checkpoint.toSeq >= seq) return broken(seq, `checkpoint ${seq} speaks of itself`);
    found.push(checkpoint);
  }
  if (firstSeq === null) return broken(1, "the log is empty");
  const first = firstSeq;
  if (first !== 1 && !found.some((checkpoint) => checkpoint.firstSeq === first)) {
    return broken(first, `nothing signed says that the log begins with entry ${first}`);
  }
  const whole = found
    .filter(({ fromSeq }) => fromSeq >= first)
    .sort((a, b) => a.fromSeq - b.fromSeq || a.toSeq - b.toSeq);
  let covered = first - 1;
  for (const { fromSeq, toSeq } of whole) {
    if (fromSeq > covered + 1) return broken(covered + 1, "no checkpoint vouches for this entry");
    covered = Math.max(covered, toSeq);
  }
  const wrong = await wrongRange(lines, whole);
  if (wrong !== null) {
    const { fromSeq, toSeq } = wrong;
    return broken(fromSeq, `entries ${fromSeq} to ${toSeq} are not those that were signed`);
  }
  return { ok: true, firstSeq: first, toSeq: covered, checkpoints: whole.length };
}

function broken(seq: number, problem: string): CheckpointVerification {
  return { ok: false, seq, problem };
}

/** The first range whose lines do not have the digest that was signed. */
async function wrongRange(
  lines: () => AsyncIterable<Uint8Array>,
  checkpoints: readonly Checkpoint[],
): Promise<Checkpoint | null> {
  const waiting = [...checkpoints];
  let open: { checkpoint: Checkpoint; digest: Uint8Array }[] = [];
  const settle = (below: number): Checkpoint | null => {
    const ended = open.filter(({ checkpoint }) => checkpoint.toSeq < below);
    open = open.filter(({ checkpoint }) => checkpoint.toSeq >= below);
    return (
      ended.find(({ checkpoint, digest }) => encodeBase64(digest) !== checkpoint.digest)
        ?.checkpoint ?? null
    );
  };
  for await (const line of lines()) {
    const seq = parseEntry(line)?.entry.seq ?? 0;
    const wrong = settle(seq);
    if (wrong !== null) return wrong;
    while (waiting[0] !== undefined && waiting[0].fromSeq <= seq) {
      open.push({ checkpoint: waiting.shift() as Checkpoint, digest: NO_LINES });
    }
    for (const range of open) range.digest = foldLine(range.digest, line);
  }
  return settle(Number.POSITIVE_INFINITY) ?? waiting[0] ?? null;
}

/** The event that records a checkpoint. */
export function checkpointEvent(
  checkpoint: Checkpoint,
  seed: Uint8Array,
): { kind: string; checkpoint: JsonValue; signature: string } {
  return {
    kind: CHECKPOINT,
    checkpoint: { ...checkpoint },
    signature: signCheckpoint(checkpoint, seed),
  };
}
