import { describe, expect, it } from "vitest";
import { storeConformance } from "../src/conformance.ts";
import { type LogDurability, MemoryStore, type Store, type StoreChange } from "../src/index.ts";
import { openFileStore, systemRandom } from "../src/node/index.ts";
import { temporaryDirectory } from "./support.ts";

const stores = {
  MemoryStore: {
    open: async () => new MemoryStore(),
    reopen: async (store: Store) => (store as MemoryStore).clone(),
  },
  FileStore: {
    open: () => openFileStore(temporaryDirectory()),
    reopen: (store: Store) => openFileStore(store.location),
  },
};

for (const [name, { open, reopen }] of Object.entries(stores)) {
  describe(name, () => {
    for (const { title, run } of storeConformance({ open, reopen, random: systemRandom })) {
      it(title, run);
    }
  });
}

class IgnoresExpectations extends MemoryStore {
  override commit(changes: readonly StoreChange[]) {
    return super.commit(changes.map(({ key, bytes }) => ({ key, bytes })));
  }
}

class CommitsOneByOne extends MemoryStore {
  override async commit(changes: readonly StoreChange[]) {
    const revisions: (string | null)[] = [];
    for (const change of changes) revisions.push(...(await super.commit([change])));
    return revisions;
  }
}

class ForgetsToPage extends MemoryStore {
  override async list(prefix: string) {
    return super.list(prefix);
  }
}

class KeepsTornEnds extends MemoryStore {
  override async truncateLog() {}
}

class AppendsAnywhere extends MemoryStore {
  override appendLog(name: string, _: number, bytes: Uint8Array, durability: LogDurability) {
    return super.appendLog(name, super.syncedLogBytes(name), bytes, durability);
  }
}

const careless = [
  IgnoresExpectations,
  CommitsOneByOne,
  ForgetsToPage,
  KeepsTornEnds,
  AppendsAnywhere,
];

describe("storeConformance", () => {
  it.each(careless.map((Store) => [Store.name, Store] as const))(
    "finds what is wrong with a store that is called %s",
    async (_, Careless) => {
      const checks = storeConformance({
        open: async () => new Careless(),
        reopen: async (store) => store,
        random: systemRandom,
      });
      const results = await Promise.allSettled(checks.map(({ run }) => run()));
      expect(results.filter(({ status }) => status === "rejected")).not.toEqual([]);
    },
  );
});
