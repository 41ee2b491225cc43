import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { ChainedAuditLog } from "../src/audit-log.ts";
import { encodeBase64, encodeUtf8 } from "../src/bytes.ts";
import {
  type KeyProvider,
  MemoryStore,
  type Store,
  Vault,
  type VaultTransaction,
} from "../src/index.ts";
import { KeyRing } from "../src/key-ring.ts";
import {
  type CollectionRoot,
  HEAD_FILE,
  ManifestTree,
  ROOT_FILE,
  ShardCache,
  serializeManifest,
} from "../src/manifest.ts";
import { systemRandom } from "../src/node/index.ts";
import { Session } from "../src/session.ts";
import { sha256 } from "../src/sha256.ts";
import type { StoreChange } from "../src/store.ts";
import { Transaction } from "../src/transaction.ts";

/** A recognisable value that must never be seen outside a callback. */
export const CANARY = "canary-b1946ac92492d2347c6235b4d2611184";

/** A provider that holds a constant key, and the staged one of a rotation, in memory. */
export function constantKeyProvider(fill = 7): KeyProvider & { key: Uint8Array } {
  let staged: Uint8Array | null = null;
  const provider: KeyProvider & { key: Uint8Array } = {
    config: { kind: "file", path: `/keys/${fill}` },
    key: new Uint8Array(32).fill(fill),
    create: async () => provider.key.slice(),
    obtain: async () => provider.key.slice(),
    stage: async () => {
      staged = systemRandom(32);
      return staged.slice();
    },
    obtainStaged: async () => staged?.slice() ?? null,
    promote: async () => {
      if (staged !== null) provider.key = staged;
      staged = null;
    },
  };
  return provider;
}

/** A clock that is moved by hand. */
export function handClock(startMs = Date.UTC(2026, 10, 23, 12)): (() => number) & { ms: number } {
  const clock = Object.assign(() => clock.ms, { ms: startMs });
  return clock;
}

/** A directory that is removed when the test ends. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "aivault-core-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A new, unlocked vault in a store. */
export function createVault(
  store: Store,
  keyProvider: KeyProvider = constantKeyProvider(),
  now: () => number = handClock(),
): Promise<Vault> {
  return Vault.create({ store, random: systemRandom, now, keyProvider });
}

/** The vault in a store, unlocked. */
export async function openVault(
  store: Store,
  keyProvider: KeyProvider = constantKeyProvider(),
  now: () => number = handClock(),
): Promise<Vault> {
  const vault = await Vault.open({ store, random: systemRandom, now });
  await vault.unlock(keyProvider);
  return vault;
}

/** Adds a secret to a vault. */
export function addSecret(vault: Vault, name: string, value = CANARY) {
  return vault.transaction((tx) => tx.createSecret({ name, value: encodeUtf8(value) }));
}

/** A secret's value as text, for comparison in a test only. */
export function readSecret(vault: Vault, secretId: string): Promise<string> {
  return vault.useSecret(secretId, (value) => new TextDecoder().decode(value));
}

/** What a {@link BareSession} can commit. */
interface Edited {
  readonly changes: readonly StoreChange[];
  readonly collections: { readonly [name: string]: CollectionRoot };
}

/** An unlocked vault without its audit log and its lock: what lies below {@link Vault}. */
export interface BareSession {
  readonly session: Session;
  readonly store: MemoryStore;
  readonly now: ReturnType<typeof handClock>;
  readonly wiped: () => number;
  /** Commits a change, its root and its head. */
  commit(edited: Edited): Promise<void>;
  transaction<T>(run: (tx: VaultTransaction) => Promise<T>): Promise<T>;
}

/** A new one, over a store in memory that holds nothing but a manifest and a `vault.json`. */
export async function bareSession(store = new MemoryStore()): Promise<BareSession> {
  const vaultId = "00112233445566778899aabbccddeeff";
  const now = handClock();
  const ring = KeyRing.create(vaultId, systemRandom, now());
  let audits = 0;
  const file = encodeUtf8("{}");
  await store.commit([{ key: "vault.json", bytes: file }]);
  const tree = new ManifestTree(
    store,
    {
      version: 1,
      vaultId,
      revision: 0,
      updatedAtMs: now(),
      keyId: ring.currentId,
      config: encodeBase64(sha256(file)),
      collections: {},
      audit: { durability: "written", started: false, firstSeq: 1, previousMac: "" },
      rewrap: null,
    },
    new ShardCache(),
  );
  const wipe = (): void => {
    audits += 1;
  };
  const audit = { wipe } as unknown as ChainedAuditLog;
  const session = new Session({
    store,
    vaultId,
    ring,
    tree,
    rootRevision: "",
    headRevision: "",
    audit,
  });
  const commit = async ({ changes, collections }: Edited): Promise<void> => {
    const before = session.tree.root;
    const root = { ...before, revision: before.revision + 1, collections };
    const { root: rootBytes, head } = serializeManifest(root, session.ring);
    await store.commit([
      ...changes,
      { key: ROOT_FILE, bytes: rootBytes },
      { key: HEAD_FILE, bytes: head },
    ]);
    session.tree = session.tree.withRoot(root);
  };
  return {
    session,
    store,
    now,
    wiped: () => audits,
    commit,
    transaction: async (run) => {
      const transaction = new Transaction(session, systemRandom, now);
      const result = await run(transaction);
      await transaction.end();
      const edited = transaction.finish();
      if (edited !== null) await commit(edited);
      return result;
    },
  };
}
