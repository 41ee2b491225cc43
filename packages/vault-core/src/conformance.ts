import { decodeUtf8, encodeUtf8, equalBytes, type RandomBytes } from "./bytes.ts";
import { isVaultError } from "./errors.ts";
import type { KeyProvider } from "./key-provider.ts";
import type { Store, StoreChange } from "./store.ts";
import { Vault } from "./vault.ts";

// What the interface of a store says in words, as checks that any test runner can run, so that a store
// of somebody else's can be held to it.

/** One thing that every store must do. */
export interface StoreCheck {
  /** A sentence about the store, for the title of a test. */
  readonly title: string;
  /** Rejects, saying what was expected, when the store does not do it. */
  readonly run: () => Promise<void>;
}

/** How {@link storeConformance} gets at the stores it checks. */
export interface StoreConformanceOptions {
  /** A new, empty store each time. */
  readonly open: () => Promise<Store>;
  /** A store as another process would find it, with what `store`, which is closed, holds. */
  readonly reopen: (store: Store) => Promise<Store>;
  readonly random: RandomBytes;
}

/**
 * The checks that a store must pass to hold a vault. They need no test framework:
 *
 * ```js
 * for (const { title, run } of storeConformance({ open, reopen, random })) test(title, run);
 * ```
 *
 * They cannot show what becomes of a store whose process is killed or whose machine loses power.
 */
export function storeConformance(options: StoreConformanceOptions): readonly StoreCheck[] {
  const { open } = options;
  return CHECKS.map(([title, check]) => ({
    title,
    run: async () => {
      const world = { store: await open(), closed: false, options };
      try {
        await check(world);
      } finally {
        if (!world.closed) await world.store.close();
      }
    },
  }));
}

interface World {
  store: Store;
  closed: boolean;
  readonly options: StoreConformanceOptions;
}

const bytes = encodeUtf8;
const put = (key: string, text: string): StoreChange => ({ key, bytes: bytes(text) });

function expect(condition: boolean, expectation: string): asserts condition {
  if (!condition) throw new Error(`the store does not conform: ${expectation}`);
}

async function expectText(store: Store, key: string, text: string | null): Promise<void> {
  const record = await store.get(key);
  const found = record === null ? null : decodeUtf8(record.bytes);
  expect(found === text, `\`${key}\` holds ${JSON.stringify(text)}, not ${JSON.stringify(found)}`);
}

async function expectConflict(commit: Promise<unknown>): Promise<void> {
  const code = await commit.then(
    () => "no error",
    (error: unknown) => (isVaultError(error) ? error.code : `${error}`),
  );
  expect(
    code === "VAULT_REVISION_CONFLICT",
    `it refuses with VAULT_REVISION_CONFLICT, not ${code}`,
  );
}

function expectEqual(found: unknown, wanted: unknown, what: string): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  expect(a === b, `${what}: ${b}, not ${a}`);
}

async function reopen(world: World, close = () => world.store.close()): Promise<Store> {
  world.closed = true;
  await close();
  world.store = await world.options.reopen(world.store);
  world.closed = false;
  return world.store;
}

const LOG = "2026-01-01.jsonl";
const NEXT_LOG = "2026-01-02.jsonl";

const CHECKS: readonly (readonly [string, (world: World) => Promise<void>])[] = [
  [
    "returns null for a key that is not there",
    async ({ store }) => expectText(store, "secrets/a.json", null),
  ],
  [
    "gives back what was committed, with the revision that commit announced",
    async ({ store }) => {
      const [a, b] = await store.commit([put("secrets/a.json", "1"), put("vault.json", "2")]);
      await expectText(store, "secrets/a.json", "1");
      expectEqual((await store.get("secrets/a.json"))?.revision, a, "the revision of the first");
      expectEqual((await store.get("vault.json"))?.revision, b, "the revision of the second");
    },
  ],
  [
    "keeps every byte, and records of no bytes and of a megabyte",
    async ({ store }) => {
      const all = Uint8Array.from({ length: 2 ** 20 }, (_, index) => index & 0xff);
      await store.commit([
        { key: "all.json", bytes: all },
        { key: "none.json", bytes: new Uint8Array() },
      ]);
      const kept = await store.get("all.json");
      expect(kept !== null && equalBytes(kept.bytes, all), "a megabyte comes back as it was");
      expectEqual((await store.get("none.json"))?.bytes.length, 0, "the length of no bytes");
    },
  ],
  [
    "hands out copies, and keeps one of what it is given",
    async ({ store }) => {
      const given = bytes("1");
      await store.commit([{ key: "a.json", bytes: given }]);
      given.fill(0);
      (await store.get("a.json"))?.bytes.fill(0);
      await expectText(store, "a.json", "1");
    },
  ],
  [
    "changes the revision with the bytes",
    async ({ store }) => {
      const [first] = await store.commit([put("a.json", "1")]);
      const [second] = await store.commit([put("a.json", "2")]);
      expect(first !== second, "other bytes have another revision");
    },
  ],
  [
    "changes nothing when one expectation of a transaction does not hold",
    async ({ store }) => {
      const [revision = null] = await store.commit([put("a.json", "1")]);
      await expectConflict(
        store.commit([put("b.json", "new"), { ...put("a.json", "2"), expectedRevision: null }]),
      );
      await expectConflict(
        store.commit([
          put("b.json", "new"),
          { key: "c.json", bytes: null, expectedRevision: revision },
        ]),
      );
      await expectText(store, "b.json", null);
      await expectText(store, "a.json", "1");
    },
  ],
  [
    "applies a transaction whose expectations hold, and asks nothing where none is given",
    async ({ store }) => {
      const [revision = null] = await store.commit([put("a.json", "1"), put("b.json", "1")]);
      await store.commit([
        { ...put("a.json", "2"), expectedRevision: revision },
        { ...put("c.json", "2"), expectedRevision: null },
        put("b.json", "2"),
      ]);
      for (const key of ["a.json", "b.json", "c.json"]) await expectText(store, key, "2");
    },
  ],
  [
    "deletes, and does not mind deleting what is not there",
    async ({ store }) => {
      await store.commit([put("a.json", "1")]);
      const revisions = await store.commit([
        { key: "a.json", bytes: null },
        { key: "b.json", bytes: null },
      ]);
      expectEqual(revisions, [null, null], "the revisions of deletes");
      await expectText(store, "a.json", null);
    },
  ],
  [
    "runs commits that are started together one after another",
    async ({ store }) => {
      const [start = null] = await store.commit([put("a.json", "0")]);
      const attempts = await Promise.allSettled(
        Array.from({ length: 8 }, (_, index) =>
          store.commit([
            { ...put("a.json", `new ${index}`), expectedRevision: start },
            put(`b${index}.json`, "x"),
          ]),
        ),
      );
      const done = attempts.filter(({ status }) => status === "fulfilled").length;
      expectEqual(done, 1, "how many of eight commits over one revision succeed");
      const { items } = await store.list("");
      expectEqual(items.filter((key) => key.startsWith("b")).length, 1, "what those leave");
    },
  ],
  [
    "commits a thousand records at once",
    async (world) => {
      const keys = Array.from({ length: 1000 }, (_, index) => `secrets/${index + 1000}.json`);
      await world.store.commit(keys.map((key) => put(key, key)));
      const store = await reopen(world);
      for (const key of [keys[0], keys[999]]) await expectText(store, `${key}`, `${key}`);
      expectEqual((await store.list("secrets/")).items.length, 1000, "how many are listed");
    },
  ],
  [
    "lists keys under a prefix in order, in pages",
    async ({ store }) => {
      const keys = ["c", "a", "e", "b", "d"].map((name) => `secrets/${name}.json`);
      await store.commit([...keys, "vault.json", "secret.json"].map((key) => put(key, "x")));
      const seen: string[] = [];
      for (let after: string | null = ""; after !== null; ) {
        const page: { items: readonly string[]; next: string | null } = await store.list(
          "secrets/",
          { after, limit: 2 },
        );
        expect(page.items.length <= 2, "a page is no longer than its limit");
        seen.push(...page.items);
        after = page.next;
      }
      expectEqual(seen, keys.sort(), "all pages together");
    },
  ],
  [
    "has everything that was committed when it is opened again, with the same revisions",
    async (world) => {
      const revisions = await world.store.commit([
        put("documents/x/a.json", "1"),
        put("b.json", "2"),
      ]);
      await world.store.commit([{ key: "b.json", bytes: null }]);
      const store = await reopen(world);
      await expectText(store, "documents/x/a.json", "1");
      await expectText(store, "b.json", null);
      const found = (await store.get("documents/x/a.json"))?.revision;
      await store.commit([{ ...put("documents/x/a.json", "2"), expectedRevision: found ?? null }]);
      expectEqual(found, revisions[0], "the revision after opening again");
    },
  ],
  [
    "appends to logs at their end and nowhere else",
    async ({ store }) => {
      await store.appendLog(LOG, 0, bytes("one\n"), "written");
      await store.appendLog(LOG, 4, bytes("two\n"), "disk");
      expectEqual(store.syncedLogBytes(LOG), 8, "what is on disk");
      for (const wrong of [0, 4, 9]) {
        const refused = await (async () =>
          store.appendLog(LOG, wrong, bytes("x"), "written"))().then(
          () => false,
          () => true,
        );
        expect(refused, `it refuses to append at ${wrong} to a log of 8 bytes`);
      }
      await store.appendLog(NEXT_LOG, 0, bytes("three\n"), "written");
      await store.syncLogs();
      expectEqual(store.syncedLogBytes(NEXT_LOG), 6, "what is on disk after a sync");
      expectEqual(
        (await store.listLogs()).map(({ name, size }) => [name, size]),
        [
          [LOG, 8],
          [NEXT_LOG, 6],
        ],
        "the logs",
      );
    },
  ],
  [
    "reads logs from anywhere, and nothing behind their end",
    async ({ store }) => {
      await store.appendLog(LOG, 0, bytes("one\ntwo\n"), "written");
      expectEqual(decodeUtf8(await store.readLog(LOG, 2, 4)), "e\ntw", "the middle");
      expectEqual(decodeUtf8(await store.readLog(LOG, 6, 100)), "o\n", "the end");
      expectEqual((await store.readLog(LOG, 8, 10)).length, 0, "what is behind the end");
      expectEqual((await store.readLog(NEXT_LOG, 0, 10)).length, 0, "a log that is not there");
    },
  ],
  [
    "cuts a log, goes on appending at the cut, and deletes it",
    async ({ store }) => {
      await store.appendLog(LOG, 0, bytes("one\ntorn"), "written");
      await store.truncateLog(LOG, 4);
      await store.appendLog(LOG, 4, bytes("two\n"), "disk");
      expectEqual(decodeUtf8(await store.readLog(LOG, 0, 100)), "one\ntwo\n", "what is left");
      await store.deleteLog(LOG);
      expectEqual(await store.listLogs(), [], "the logs after the last was deleted");
    },
  ],
  [
    "has its logs and marks when it is opened again, and goes on",
    async (world) => {
      await world.store.appendLog(LOG, 0, bytes("one\n"), "written");
      world.store.writeMark("head", bytes("1"));
      const store = await reopen(world);
      expectEqual(decodeUtf8(await store.readLog(LOG, 0, 100)), "one\n", "the log");
      expect(
        (await store.readMark("head")).some((copy) => decodeUtf8(copy) === "1"),
        "the mark",
      );
      await store.appendLog(LOG, 4, bytes("two\n"), "disk");
      expectEqual(decodeUtf8(await store.readLog(LOG, 0, 100)), "one\ntwo\n", "the longer log");
    },
  ],
  [
    "keeps the last value of a mark readable",
    async ({ store }) => {
      expectEqual(await store.readMark("head"), [], "a mark that is not there");
      const longest = "x".repeat(480);
      for (const value of ["one", "two", longest]) store.writeMark("head", bytes(value));
      const copies = (await store.readMark("head")).map(decodeUtf8);
      expect(copies.includes(longest), "the last value is among the copies");
      expect(copies.length <= 2, "there are at most two copies");
    },
  ],
  ["holds a vault through its whole life", holdVault],
];

/** A KEK in memory, and the one that is to replace it. */
function keptKey(random: RandomBytes): KeyProvider {
  let key = random(32);
  let staged: Uint8Array | null = null;
  return {
    config: { kind: "file", path: "/conformance" },
    create: async () => key.slice(),
    obtain: async () => key.slice(),
    stage: async () => {
      staged = random(32);
      return staged.slice();
    },
    obtainStaged: async () => staged?.slice() ?? null,
    promote: async () => {
      key = staged ?? key;
      staged = null;
    },
  };
}

async function holdVault(world: World): Promise<void> {
  const { random } = world.options;
  const keyProvider = keptKey(random);
  let nowMs = Date.UTC(2026, 0, 1);
  const now = (): number => nowMs++;
  const value = bytes("a value");
  const fresh = await Vault.create({ store: world.store, random, now, keyProvider });
  const { secretId } = await fresh.transaction(async (tx) => {
    for (let n = 0; n < 200; n += 1) await tx.createSecret({ name: `SECRET_${n}`, value });
    await tx.putDocument("credential", "openai", { secret: "SECRET_7" });
    return tx.createSecret({ name: "ONE", value });
  });
  await fresh.audit.append({ kind: "test.happened" });
  nowMs += 24 * 60 * 60_000;
  await fresh.audit.append({ kind: "test.happened" });
  await fresh.rotateMaster({ provider: keyProvider });

  const store = await reopen(world, () => fresh.close());
  const vault = await Vault.open({ store, random, now });
  await vault.unlock(keyProvider);
  expect((await vault.verify()).ok, "everything in it verifies");
  expect((await vault.audit.verify()).ok, "its audit log verifies");
  const found = await vault.findSecret("SECRET_7", { kind: "global" });
  expect(found !== null, "a secret is found by its name");
  const same = await vault.useSecret(secretId, (opened) => equalBytes(opened, value));
  expect(same, "a secret opens to its value");
  const page = await vault.listSecrets({ limit: 150 });
  expectEqual(page.items.length, 150, "the first page of secrets");
  const rest = await vault.listSecrets({ limit: 150, after: page.next ?? "" });
  expectEqual([rest.items.length, rest.next], [51, null], "the second page of secrets");
  await vault.transaction((tx) => tx.purgeSecret(secretId));
  expect((await vault.verify()).ok, "it verifies after a purge");
  world.closed = true;
  await vault.close();
}
