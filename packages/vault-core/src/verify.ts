import { encodeBase64, wipe } from "./bytes.ts";
import { isRecordFailure } from "./errors.ts";
import { DOCUMENT_KINDS } from "./identifiers.ts";
import {
  COLLECTIONS,
  HEAD_FILE,
  loadManifest,
  ManifestTree,
  ROOT_FILE,
  ShardCache,
  shardFile,
} from "./manifest.ts";
import { documentFile, nameEntry, openSecret, secretFile } from "./record.ts";
import type { Session } from "./session.ts";
import { sha256 } from "./sha256.ts";
import { VAULT_FILE } from "./vault-file.ts";

/** What is wrong with one file of a vault. */
export interface VaultProblem {
  /** The store key. */
  readonly subject: string;
  readonly problem: string;
}

/** What reading the whole vault found. */
export interface VaultVerification {
  readonly ok: boolean;
  /** Intact secrets, deleted ones included. */
  readonly secrets: number;
  /** Intact documents. */
  readonly documents: number;
  readonly problems: readonly VaultProblem[];
  /** Store keys that the manifest does not list. They are never used. */
  readonly foreign: readonly string[];
}

/**
 * Reads every file of an unlocked vault from the store, past all caches, and opens what it holds.
 *
 * The caller keeps commits away meanwhile.
 */
export async function verifyRecords(session: Session): Promise<VaultVerification> {
  const problems: VaultProblem[] = [];
  const known = new Set([VAULT_FILE, ROOT_FILE, HEAD_FILE]);
  const note = (error: unknown, fallback: string): void => {
    if (!isRecordFailure(error)) throw error;
    problems.push({ subject: error.subject ?? fallback, problem: error.message });
  };
  await verifyManifest(session).catch((error: unknown) => note(error, ROOT_FILE));

  const tree = new ManifestTree(session.store, session.tree.root, new ShardCache(0));
  const names = new Map<string, string>();
  const expectedNames = new Map<string, string>();
  let [secrets, documents] = [0, 0];
  for (const collection of COLLECTIONS) {
    for (const prefix of Object.keys(tree.collection(collection).shards)) {
      known.add(shardFile(collection, prefix));
      const entries = await tree.shard(collection, prefix).catch((error: unknown) => {
        note(error, shardFile(collection, prefix));
        return new Map<string, string>();
      });
      for (const [key, value] of entries) {
        if (collection === "names") {
          names.set(key, value);
          continue;
        }
        const file = collection === "secrets" ? secretFile(key) : documentFile(collection, key);
        known.add(file);
        try {
          if (collection === "secrets") {
            for (const entry of await verifySecret(session, key, value))
              expectedNames.set(entry, key);
            secrets += 1;
          } else {
            await session.loadDocument(collection, key, value);
            documents += 1;
          }
        } catch (error) {
          note(error, file);
        }
      }
    }
  }
  if (problems.length === 0 && !sameEntries(names, expectedNames)) {
    problems.push({
      subject: "manifest/names",
      problem: "the index of names does not fit the secrets",
    });
  }
  const foreign = await listForeign(session, known);
  return { ok: problems.length === 0, secrets, documents, problems, foreign };
}

async function verifyManifest(session: Session): Promise<void> {
  const { store, ring, vaultId } = session;
  const file = await store.get(VAULT_FILE);
  const digest = file === null ? "" : encodeBase64(sha256(file.bytes));
  await loadManifest(store, ring, vaultId, digest);
}

/** @returns The name entries an active secret must have. */
async function verifySecret(session: Session, secretId: string, digest: string): Promise<string[]> {
  const { record, metadata } = await session.loadSecret(secretId, digest, { fresh: true });
  if (metadata.deletedAtMs !== null) return [];
  wipe(openSecret(record, metadata, session.vaultId, session.ring));
  return [metadata.name, ...metadata.aliases].map((name) =>
    nameEntry(session.ring, metadata.scope, name),
  );
}

function sameEntries(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}

async function listForeign(session: Session, known: ReadonlySet<string>): Promise<string[]> {
  const foreign: string[] = [];
  const prefixes = ["secrets/", "manifest/", ...DOCUMENT_KINDS.map((kind) => `documents/${kind}/`)];
  for (const prefix of prefixes) {
    let after: string | null = "";
    while (after !== null) {
      const page: { items: readonly string[]; next: string | null } = await session.store.list(
        prefix,
        { after },
      );
      foreign.push(...page.items.filter((key) => !known.has(key)));
      after = page.next;
    }
  }
  return foreign;
}
