import { encodeBase64, type RandomBytes } from "./bytes.ts";
import { isRecordFailure } from "./errors.ts";
import type { DocumentKind } from "./identifiers.ts";
import {
  COLLECTIONS,
  type Collection,
  type CollectionRoot,
  type RewrapProgress,
} from "./manifest.ts";
import {
  documentFile,
  rewrapSecret,
  sealDocument,
  secretFile,
  serializeDocumentRecord,
  serializeSecretRecord,
} from "./record.ts";
import type { Session } from "./session.ts";
import { sha256 } from "./sha256.ts";
import type { StoreChange } from "./store.ts";

// Names are listed by a key that a rotation does not change, so they stay as they are.
const REWRAPPED = COLLECTIONS.filter((collection) => collection !== "names");
const BATCH = 64;

/** A rewrap at its beginning. */
export function firstRewrapProgress(): RewrapProgress {
  return { collection: REWRAPPED[0] as Collection, after: "", skipped: 0 };
}

/** One batch of records under the current vault key, ready to be committed. */
export interface RewrapBatch {
  readonly changes: StoreChange[];
  readonly collections: { [name: string]: CollectionRoot };
  readonly progress: RewrapProgress;
  readonly rewrapped: number;
}

/**
 * Rewraps the records after `progress`.
 *
 * @param report - Told of each record that cannot be opened; it is counted and left as it is.
 */
export async function rewrapBatch(
  session: Session,
  progress: RewrapProgress,
  random: RandomBytes,
  report: (error: unknown) => void,
): Promise<RewrapBatch> {
  const collection = progress.collection as Exclude<Collection, "names">;
  const edit = session.tree.edit();
  const changes: StoreChange[] = [];
  let { after, skipped } = progress;
  let page: Awaited<ReturnType<typeof session.tree.page>>;
  try {
    page = await session.tree.page(collection, after, BATCH);
  } catch (error) {
    if (!isRecordFailure(error)) throw error;
    // Without the shard it is not even known which records it lists: leave the rest of the
    // collection to the old key.
    report(error);
    page = { entries: [], more: false };
    skipped += 1;
  }
  const { entries, more } = page;
  for (const [key, digest] of entries) {
    after = key;
    try {
      const change = await rewrapRecord(session, collection, key, digest, random);
      if (change === null) continue;
      await edit.set(collection, key, encodeBase64(sha256(change.bytes as Uint8Array)));
      changes.push(change);
    } catch (error) {
      if (!isRecordFailure(error)) throw error;
      report(error);
      skipped += 1;
    }
  }
  const finished = edit.finish();
  const next = more ? collection : (REWRAPPED[REWRAPPED.indexOf(collection) + 1] ?? null);
  return {
    changes: [...changes, ...finished.changes],
    collections: finished.collections,
    progress: { collection: next, after: more ? after : "", skipped },
    rewrapped: changes.length,
  };
}

async function rewrapRecord(
  session: Session,
  collection: "secrets" | DocumentKind,
  key: string,
  digest: string,
  random: RandomBytes,
): Promise<StoreChange | null> {
  const { vaultId } = session;
  if (collection === "secrets") {
    const { record, metadata } = await session.loadSecret(key, digest);
    if (record.keyId === session.ring.currentId) return null;
    const rewrapped = rewrapSecret(record, metadata, metadata, vaultId, session.ring, random);
    return { key: secretFile(key), bytes: serializeSecretRecord(rewrapped, vaultId) };
  }
  const { record, document } = await session.loadDocument(collection, key, digest);
  if (record.keyId === session.ring.currentId) return null;
  const resealed = sealDocument(document, vaultId, session.ring, random);
  return { key: documentFile(collection, key), bytes: serializeDocumentRecord(resealed, vaultId) };
}
