import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import {
  constantKeyProvider,
  createVault,
  handClock,
  openVault,
  temporaryDirectory,
} from "../test/support.ts";
import { concatBytes, encodeUtf8, equalBytes } from "./bytes.ts";
import { MemoryStore } from "./memory-store.ts";
import { openFileStore, systemRandom } from "./node/index.ts";
import type { LogDurability } from "./store.ts";
import type { Vault } from "./vault.ts";

const DAY_MS = 86_400_000;
const SEGMENT = "2026-11-23.jsonl";
const code = (expected: string) => expect.objectContaining({ code: expected });

async function fill(entries: number, days = 1) {
  const store = new MemoryStore();
  const now = handClock();
  const vault = await createVault(store, constantKeyProvider(), now);
  for (let day = 0; day < days; day += 1) {
    for (let index = 0; index < entries; index += 1) {
      await vault.audit.append({ kind: "test", day, index });
    }
    if (day < days - 1) now.ms += DAY_MS;
  }
  return { store, vault, now };
}

async function rewrite(
  store: MemoryStore,
  name: string,
  change: (bytes: Uint8Array) => Uint8Array,
) {
  const size = (await store.listLogs()).find((log) => log.name === name)?.size ?? 0;
  const bytes = change(await store.readLog(name, 0, size));
  await store.deleteLog(name);
  store.appendLog(name, 0, bytes, "written");
}

const lines = (bytes: Uint8Array) => new TextDecoder().decode(bytes).split(/(?<=\n)/);

describe("audit log", () => {
  it("numbers entries without gaps and reads them back newest first", async () => {
    const { vault } = await fill(150);
    const read = await vault.audit.read();
    expect(read.map(({ seq }) => seq)).toEqual(Array.from({ length: 100 }, (_, i) => 151 - i));
    expect(read.every(({ broken }) => broken === undefined)).toBe(true);
    const older = await vault.audit.read({ beforeSeq: 52, limit: 100 });
    expect(older.at(0)?.seq).toBe(51);
    expect(older.at(-1)).toMatchObject({ seq: 1, event: { kind: "vault.created" } });
    expect(older).toHaveLength(51);
    expect(await vault.audit.verify()).toEqual({ ok: true, entries: 151, gaps: [] });
  });

  it("gives numbers in the order of the calls when they overlap", async () => {
    const { vault } = await fill(1);
    const entries = await Promise.all(
      Array.from({ length: 50 }, (_, index) => vault.audit.append({ kind: "test", index })),
    );
    expect(entries.map(({ event }) => event["index"])).toEqual(entries.map((_, index) => index));
    expect(await vault.audit.verify()).toMatchObject({ ok: true, entries: 52 });
  });

  it("starts a file for each UTC day, and stays in it when the clock goes back", async () => {
    const { vault, store, now } = await fill(2, 3);
    now.ms -= 2 * DAY_MS;
    expect(await vault.audit.append({ kind: "late" })).toMatchObject({ clockBack: true });
    expect((await store.listLogs()).map(({ name }) => name)).toEqual([
      "2026-11-23.jsonl",
      "2026-11-24.jsonl",
      "2026-11-25.jsonl",
    ]);
    expect(await vault.audit.verify()).toMatchObject({ ok: true, entries: 8 });
  });

  it("goes on after it was closed and opened", async () => {
    const { vault, store, now } = await fill(3);
    await vault.close();
    const again = await openVault(store, constantKeyProvider(), now);
    expect((await again.audit.append({ kind: "more" })).seq).toBe(5);
    expect(await again.audit.verify()).toEqual({ ok: true, entries: 5, gaps: [] });
  });

  it("refuses an event that is not JSON or too long", async () => {
    const { vault } = await fill(1);
    const bad = { kind: "x", f: (() => 1) as never };
    await expect(vault.audit.append(bad)).rejects.toEqual(code("VAULT_INVALID_INPUT"));
    const long = vault.audit.append({ kind: "x", text: "y".repeat(70_000) });
    await expect(long).rejects.toEqual(code("VAULT_INVALID_INPUT"));
    expect(await vault.audit.verify()).toMatchObject({ ok: true });
  });

  it("G18: random edits of the log are all found, at the entry they touch", async () => {
    const { vault, store } = await fill(20);
    const size = (await store.listLogs())[0]?.size ?? 0;
    const original = await store.readLog(SEGMENT, 0, size);
    const random = (below: number) => {
      const [a = 0, b = 0, c = 0] = systemRandom(3);
      return ((a << 16) | (b << 8) | c) % below;
    };
    let found = 0;
    const edits = process.env["AIVAULT_TEST_FULL"] === "1" ? 10_000 : 2_000;
    for (let edit = 0; edit < edits; edit += 1) {
      const at = random(size);
      const kind = random(3);
      const cut = kind === 2 ? 0 : kind === 0 ? 1 : 1 + random(200);
      const added = kind === 1 ? new Uint8Array() : systemRandom(kind === 0 ? 1 : 1 + random(8));
      const edited = concatBytes(original.slice(0, at), added, original.slice(at + cut));
      if (equalBytes(edited, original)) {
        found += 1;
        continue;
      }
      await rewrite(store, SEGMENT, () => edited);
      const result = await vault.audit.verify();
      if (result.ok) continue;
      // The first broken entry is the one the edit begins in; an edit of the line feed between two
      // may show in either.
      const entry = lines(original.slice(0, at)).length;
      expect([entry - 1, entry, entry + 1]).toContain(result.firstBrokenSeq);
      found += 1;
    }
    process.stderr.write(`audit: ${edits} random edits, ${found} found\n`);
    expect(found).toBe(edits);
  }, 120_000);

  it("G18: a removed, repeated or moved entry is found", async () => {
    const { vault, store } = await fill(5);
    const changes: [number, (all: string[]) => string[]][] = [
      [3, (all) => all.filter((_, index) => index !== 2)],
      [4, (all) => [...all.slice(0, 3), all[2] as string, ...all.slice(3)]],
      [2, (all) => [all[0], all[2], all[1], ...all.slice(3)] as string[]],
      [1, (all) => all.slice(1)],
      [6, (all) => all.slice(0, -1)],
    ];
    const copy = store.clone();
    const size = (await copy.listLogs())[0]?.size ?? 0;
    const original = await copy.readLog(SEGMENT, 0, size);
    for (const [firstBrokenSeq, change] of changes) {
      await rewrite(store, SEGMENT, () => encodeUtf8(change(lines(original)).join("")));
      expect(await vault.audit.verify()).toMatchObject({ ok: false, firstBrokenSeq });
    }
  });

  it("G18: a dropped day is found, the first, the middle and the last", async () => {
    for (const [name, seq] of [
      ["2026-11-23.jsonl", 1],
      ["2026-11-24.jsonl", 4],
      ["2026-11-25.jsonl", 6],
    ] as const) {
      const { vault, store, now } = await fill(2, 3);
      await vault.close();
      await store.deleteLog(name);
      const again = await openVault(store, constantKeyProvider(), now);
      expect(await again.audit.verify()).toMatchObject({ ok: false, firstBrokenSeq: seq });
    }
  });

  it("G18: a tail cut off while the vault was closed is recorded and stays broken", async () => {
    const { vault, store, now } = await fill(5);
    await vault.close();
    await rewrite(store, SEGMENT, (bytes) => encodeUtf8(lines(bytes).slice(0, 4).join("")));
    const again = await openVault(store, constantKeyProvider(), now);
    expect((await again.audit.read({ limit: 1 }))[0]).toMatchObject({
      seq: 7,
      event: { kind: "audit.tail.removed", fromSeq: 5, toSeq: 6 },
    });
    await again.audit.append({ kind: "more" });
    expect(await again.audit.verify()).toMatchObject({ ok: false, firstBrokenSeq: 5 });
  });

  it("G20: a torn last line that nobody was told of is removed and recorded", async () => {
    const { vault, store, now } = await fill(3);
    await vault.close();
    await rewrite(store, SEGMENT, (bytes) => encodeUtf8(`${lines(bytes).join("")}{"event":{"ki`));
    const again = await openVault(store, constantKeyProvider(), now);
    expect((await again.audit.read({ limit: 1 }))[0]?.event).toMatchObject({
      kind: "audit.repaired",
      tornBytes: 13,
    });
    expect(await again.audit.verify()).toEqual({ ok: true, entries: 5, gaps: [] });
  });

  it("G18: a second copy of the last entry is found, and not taken for the end of the log", async () => {
    class Booted extends MemoryStore {
      override readonly bootId = "one boot";
    }
    const store = new Booted();
    const now = handClock();
    const vault = await createVault(store, constantKeyProvider(), now);
    for (let index = 0; index < 3; index += 1) await vault.audit.append({ kind: "test", index });
    await rewrite(store, SEGMENT, (bytes) => {
      const all = lines(bytes);
      return encodeUtf8([...all, all.at(-1)].join(""));
    });
    expect(await vault.audit.verify()).toMatchObject({ ok: false, firstBrokenSeq: 5 });
    vault.lock();
    const again = await openVault(store, constantKeyProvider(), now);
    const kinds = (await again.audit.read()).map(({ event }) => event.kind);
    expect(kinds).toContain("audit.tail.damaged");
    expect(await again.audit.verify()).toMatchObject({ ok: false, firstBrokenSeq: 5 });
  });

  it("G18: bytes behind the last entry are found in an open log", async () => {
    const { vault, store } = await fill(3);
    await rewrite(store, SEGMENT, (bytes) => concatBytes(bytes, encodeUtf8("x")));
    expect(await vault.audit.verify()).toMatchObject({ ok: false, firstBrokenSeq: 5 });
  });

  it.each([
    ["half a line", (all: string[]) => [...all.slice(0, 2), (all[2] as string).slice(0, 9)]],
    ["zeros", (all: string[]) => [...all.slice(0, 2), "\0".repeat(99)]],
    ["a damaged line", (all: string[]) => [...all.slice(0, 2), "\0".repeat(9), "x\n"]],
    [
      "a damaged line before a sound one",
      (all: string[]) => [all[0], "\0\n", ...all.slice(2)] as string[],
    ],
  ])(
    "G18: takes %s where a power cut took bytes not yet on disk for their loss",
    async (_, change) => {
      class Unsynced extends MemoryStore {
        override syncedLogBytes(): number {
          return 0;
        }
      }
      const store = new Unsynced();
      const now = handClock();
      const vault = await createVault(store, constantKeyProvider(), now);
      await vault.audit.append({ kind: "a" });
      await vault.audit.append({ kind: "b" });
      const after = store.clone();
      await rewrite(after, SEGMENT, (bytes) => encodeUtf8(change(lines(bytes)).join("")));
      const again = await openVault(after, constantKeyProvider(), now);
      expect(await again.audit.verify()).toMatchObject({ ok: true });
      const kinds = (await again.audit.read()).map(({ event }) => event.kind);
      expect(kinds).toContain("audit.tail.lost");
      expect((await again.audit.append({ kind: "c" })).seq).toBeGreaterThan(4);
      expect(await again.audit.verify()).toMatchObject({ ok: true });
    },
  );

  it("G20: an entry whose head was not written any more is kept", async () => {
    const { vault, store, now } = await fill(3);
    const behind = store.clone();
    await vault.audit.append({ kind: "last" });
    const size = (await store.listLogs())[0]?.size ?? 0;
    const log = await store.readLog(SEGMENT, 0, size);
    await rewrite(behind, SEGMENT, () => log);
    const again = await openVault(behind, constantKeyProvider(), now);
    expect((await again.audit.read({ limit: 1 }))[0]).toMatchObject({
      seq: 5,
      event: { kind: "last" },
    });
    expect((await again.audit.append({ kind: "next" })).seq).toBe(6);
    expect(await again.audit.verify()).toMatchObject({ ok: true });
  });

  it("G20: the first entry of a day follows those that a killed process had only written", async () => {
    const directory = join(temporaryDirectory(), "vault");
    const left = `${directory}-left`;
    const now = handClock();
    const vault = await createVault(await openFileStore(directory), constantKeyProvider(), now);
    await vault.audit.append({ kind: "last" });
    // As a kill leaves it: written, the lock taken, and nothing brought to the disk yet.
    cpSync(directory, left, { recursive: true });
    for (const name of readdirSync(left)) if (name.startsWith("lock.")) rmSync(join(left, name));
    now.ms += DAY_MS;
    const again = await openVault(await openFileStore(left), constantKeyProvider(), now);
    expect(await again.audit.append({ kind: "first" })).toMatchObject({ event: { kind: "first" } });
    expect(await again.audit.verify()).toMatchObject({ ok: true, gaps: [] });
    await again.close();
    await vault.close();
  });

  it("G18: a head that was deleted or put back is recorded", async () => {
    const { vault, store, now } = await fill(3);
    const [old] = await store.readMark("head");
    for (let index = 0; index < 3; index += 1) await vault.audit.append({ kind: "test", index });
    expect(await vault.audit.verify()).toMatchObject({ ok: true });
    store.writeMark("head", old as Uint8Array);
    expect(await vault.audit.verify()).toMatchObject({ ok: false });
    vault.lock();
    const again = await openVault(store, constantKeyProvider(), now);
    const { event } = (await again.audit.read({ limit: 1 }))[0] ?? {};
    expect(event).toMatchObject({ kind: "audit.head.behind", headSeq: 4, lastSeq: 7 });
    store.writeMark("head", new Uint8Array(3));
    const third = await openVault(store, constantKeyProvider(), now);
    expect((await third.audit.read({ limit: 1 }))[0]?.event.kind).toBe("audit.head.missing");
  });

  it("accepts the loss of written but unsynced entries after a power cut, and records it", async () => {
    class Unsynced extends MemoryStore {
      override syncedLogBytes(): number {
        return 0;
      }
    }
    const store = new Unsynced();
    const now = handClock();
    const vault = await createVault(store, constantKeyProvider(), now);
    await vault.audit.append({ kind: "a" });
    await vault.audit.append({ kind: "b" });
    const after = store.clone();
    await rewrite(after, SEGMENT, (bytes) => encodeUtf8(lines(bytes).slice(0, 1).join("")));
    const again = await openVault(after, constantKeyProvider(), now);
    expect((await again.audit.read({ limit: 1 }))[0]).toMatchObject({
      seq: 4,
      event: { kind: "audit.tail.lost", fromSeq: 2, toSeq: 3 },
    });
    expect(await again.audit.verify()).toEqual({
      ok: true,
      entries: 2,
      gaps: [{ fromSeq: 2, toSeq: 3 }],
    });
  });

  it("fails the append when the store cannot write, and works again when it can", async () => {
    class Failing extends MemoryStore {
      failing = false;
      override appendLog(name: string, offset: number, bytes: Uint8Array, how: LogDurability) {
        if (!this.failing) return super.appendLog(name, offset, bytes, how);
        super.appendLog(name, offset, bytes.slice(0, 7), how);
        throw new Error("disk full");
      }
    }
    const store = new Failing();
    const vault = await createVault(store);
    store.failing = true;
    await expect(vault.audit.append({ kind: "a" })).rejects.toEqual(code("VAULT_AUDIT_FAILED"));
    await expect(vault.audit.append({ kind: "b" })).rejects.toEqual(code("VAULT_AUDIT_FAILED"));
    store.failing = false;
    expect((await vault.audit.append({ kind: "c" })).seq).toBe(2);
    expect(await vault.audit.verify()).toEqual({ ok: true, entries: 2, gaps: [] });
  });

  /** A store whose turns of the event loop end when a test says so. */
  class Deferring extends MemoryStore {
    heads = 0;
    appends = 0;
    failing = false;
    readonly due: (() => void)[] = [];
    defer(run: () => void): void {
      this.due.push(run);
    }
    endTurn(): void {
      for (const run of this.due.splice(0)) run();
    }
    override appendLog(name: string, offset: number, bytes: Uint8Array, how: LogDurability) {
      this.appends += 1;
      if (this.failing) throw new Error("disk full");
      return super.appendLog(name, offset, bytes, how);
    }
    override writeMark(name: string, bytes: Uint8Array): void {
      this.heads += 1;
      super.writeMark(name, bytes);
    }
  }

  async function createDeferring(): Promise<{ store: Deferring; vault: Vault }> {
    const store = new Deferring();
    const created = createVault(store);
    for (let done = false; !done; ) {
      done = await Promise.race([created.then(() => true), setTimeout(1, false)]);
      store.endTurn();
    }
    return { store, vault: await created };
  }

  it("G18: writes the entries of a turn together, and tells nobody before", async () => {
    const { store, vault } = await createDeferring();
    const { appends, heads } = store;
    const told: number[] = [];
    const appending = Array.from({ length: 20 }, async () => {
      told.push((await vault.audit.append({ kind: "a" })).seq);
    });
    await setTimeout(1);
    expect(store.due).toHaveLength(1);
    expect([store.appends, store.heads, told]).toEqual([appends, heads, []]);
    store.endTurn();
    await Promise.all(appending);
    expect([store.appends, store.heads]).toEqual([appends + 1, heads + 1]);
    expect(told).toEqual(Array.from({ length: 20 }, (_, index) => index + 2));
    expect(await vault.audit.verify()).toMatchObject({ ok: true, entries: 21 });
  });

  it("G18: fails every entry of a turn that could not be written, and goes on where it was", async () => {
    const { store, vault } = await createDeferring();
    store.failing = true;
    const appending = Promise.allSettled(
      ["a", "b", "c"].map((kind) => vault.audit.append({ kind })),
    );
    store.endTurn();
    for (const { status } of await appending) expect(status).toBe("rejected");
    store.failing = false;
    const later = vault.audit.append({ kind: "d" });
    await setTimeout(1);
    store.endTurn();
    expect((await later).seq).toBe(2);
    expect(await vault.audit.verify()).toEqual({ ok: true, entries: 2, gaps: [] });
  });

  it("G18: never lets the head be ahead of the log, not while it is brought to the disk", async () => {
    const { store, vault } = await createDeferring();
    const flushed = vault.audit.flush();
    const pending = vault.audit.append({ kind: "a" });
    await flushed;
    // What a process leaves that is killed now.
    const killed = await openVault(store.clone());
    expect(await killed.audit.verify()).toEqual({ ok: true, entries: 1, gaps: [] });
    store.endTurn();
    expect((await pending).seq).toBe(2);
    expect(await vault.audit.verify()).toMatchObject({ ok: true, entries: 2 });
  });

  it("G18: states in a checkpoint what is in the log, and nothing that could not be written", async () => {
    const { store, vault } = await createDeferring();
    store.failing = true;
    const lost = ["a", "b", "c"].map((kind) => vault.audit.append({ kind }));
    const settled = Promise.allSettled(lost);
    expect(await vault.audit.checkpoint()).toBeNull();
    for (const { status } of await settled) expect(status).toBe("rejected");
  });

  it("G19: appends nothing once it is locked, not even what waited for a repair", async () => {
    const { store, vault } = await createDeferring();
    store.failing = true;
    const lost = vault.audit.append({ kind: "a" });
    store.endTurn();
    await expect(lost).rejects.toEqual(code("VAULT_AUDIT_FAILED"));
    store.failing = false;
    const late = vault.audit.append({ kind: "b" });
    vault.lock();
    await expect(late).rejects.toEqual(code("VAULT_LOCKED"));
    store.endTurn();
    const again = await openVault(store.clone());
    expect(await again.audit.verify()).toEqual({ ok: true, entries: 1, gaps: [] });
  });

  it("G18: writes what was appended before it reads, and before it forgets the key", async () => {
    const { store, vault } = await createDeferring();
    const read = vault.audit.append({ kind: "a" });
    expect(await vault.audit.read({ limit: 1 })).toMatchObject([{ seq: 2 }]);
    await read;
    const locked = vault.audit.append({ kind: "b" });
    vault.lock();
    expect((await locked).seq).toBe(3);
    store.endTurn();
    const again = await openVault(store.clone());
    expect(await again.audit.verify()).toMatchObject({ ok: true, entries: 3 });
  });

  it("G18: brings what was only written to the disk when the setting asks for it", async () => {
    let syncs = 0;
    class Counting extends MemoryStore {
      override async syncLogs() {
        syncs += 1;
      }
    }
    const vault = await createVault(new Counting());
    await vault.audit.append({ kind: "a" });
    expect(syncs).toBe(0);
    await vault.setAuditDurability("disk");
    expect(syncs).toBeGreaterThan(0);
  });

  it("waits for the disk when the sealed setting says so", async () => {
    const asked: LogDurability[] = [];
    class Recording extends MemoryStore {
      override appendLog(name: string, offset: number, bytes: Uint8Array, how: LogDurability) {
        asked.push(how);
        return super.appendLog(name, offset, bytes, how);
      }
    }
    const store = new Recording();
    const vault = await createVault(store);
    await vault.setAuditDurability("disk");
    await vault.audit.append({ kind: "a" });
    await vault.close();
    const again = await openVault(store);
    expect(again.auditDurability).toBe("disk");
    await again.audit.append({ kind: "b" });
    expect(asked).toEqual(["written", "disk", "disk"]);
  });
});
