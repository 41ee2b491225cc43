import { expect, it } from "vitest";
import type { Store } from "../src/index.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string => new TextDecoder().decode(value);
const conflict = expect.objectContaining({ code: "VAULT_REVISION_CONFLICT" });

/**
 * What every store must do, as tests: call it inside a `describe`.
 *
 * @param open - A new, empty store for each test.
 */
export function describeStoreConformance(open: () => Promise<Store>): void {
  it("returns null for a key that is not there", async () => {
    const store = await open();
    expect(await store.get("secrets/a.json")).toBeNull();
    await store.close();
  });

  it("gives back what was committed, with the revision that commit announced", async () => {
    const store = await open();
    const [a, b] = await store.commit([
      { key: "secrets/a.json", bytes: bytes("1") },
      { key: "vault.json", bytes: bytes("2") },
    ]);
    expect(await store.get("secrets/a.json")).toEqual({ bytes: bytes("1"), revision: a });
    expect((await store.get("vault.json"))?.revision).toBe(b);
    await store.close();
  });

  it("hands out copies", async () => {
    const store = await open();
    const given = bytes("1");
    await store.commit([{ key: "a.json", bytes: given }]);
    given.fill(0);
    const got = await store.get("a.json");
    expect(text(got?.bytes)).toBe("1");
    got?.bytes.fill(0);
    expect(text((await store.get("a.json"))?.bytes)).toBe("1");
    await store.close();
  });

  it("changes the revision with the bytes", async () => {
    const store = await open();
    const [first] = await store.commit([{ key: "a.json", bytes: bytes("1") }]);
    const [second] = await store.commit([{ key: "a.json", bytes: bytes("2") }]);
    expect(second).not.toBe(first);
    await store.close();
  });

  it("changes nothing when one expectation of a transaction does not hold", async () => {
    const store = await open();
    const [revision] = await store.commit([{ key: "a.json", bytes: bytes("1") }]);
    await expect(
      store.commit([
        { key: "b.json", bytes: bytes("new") },
        { key: "a.json", bytes: bytes("2"), expectedRevision: null },
      ]),
    ).rejects.toEqual(conflict);
    await expect(
      store.commit([{ key: "c.json", bytes: null, expectedRevision: revision ?? null }]),
    ).rejects.toEqual(conflict);
    expect(await store.get("b.json")).toBeNull();
    await store.commit([
      { key: "a.json", bytes: bytes("2"), expectedRevision: revision ?? null },
      { key: "b.json", bytes: bytes("new"), expectedRevision: null },
    ]);
    expect(text((await store.get("a.json"))?.bytes)).toBe("2");
    await store.close();
  });

  it("deletes, and does not mind deleting what is not there", async () => {
    const store = await open();
    await store.commit([{ key: "a.json", bytes: bytes("1") }]);
    const revisions = await store.commit([
      { key: "a.json", bytes: null },
      { key: "b.json", bytes: null },
    ]);
    expect(revisions).toEqual([null, null]);
    expect(await store.get("a.json")).toBeNull();
    await store.close();
  });

  it("runs commits that are started together one after another", async () => {
    const store = await open();
    const [start] = await store.commit([{ key: "a.json", bytes: bytes("0") }]);
    const attempts = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) =>
        store.commit([
          { key: "a.json", bytes: bytes(`new ${index}`), expectedRevision: start ?? null },
          { key: `b${index}.json`, bytes: bytes("x") },
        ]),
      ),
    );
    expect(attempts.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const { items } = await store.list("");
    expect(items.filter((key) => key.startsWith("b"))).toHaveLength(1);
    await store.close();
  });

  it("lists keys under a prefix in order, in pages", async () => {
    const store = await open();
    const keys = ["c", "a", "e", "b", "d"].map((name) => `secrets/${name}.json`);
    await store.commit([...keys, "vault.json"].map((key) => ({ key, bytes: bytes("x") })));
    const seen: string[] = [];
    let after = "";
    for (;;) {
      const page = await store.list("secrets/", { after, limit: 2 });
      expect(page.items.length).toBeLessThanOrEqual(2);
      seen.push(...page.items);
      if (page.next === null) break;
      after = page.next;
    }
    expect(seen).toEqual([...keys].sort());
    await store.close();
  });

  it("appends to logs at their end and nowhere else", async () => {
    const store = await open();
    await store.appendLog("2026-01-01.jsonl", 0, bytes("one\n"), "written");
    await store.appendLog("2026-01-01.jsonl", 4, bytes("two\n"), "disk");
    expect(store.syncedLogBytes("2026-01-01.jsonl")).toBe(8);
    expect(() => store.appendLog("2026-01-01.jsonl", 4, bytes("x"), "written")).toThrow();
    await store.appendLog("2026-01-02.jsonl", 0, bytes("three\n"), "written");
    await store.syncLogs();
    expect(store.syncedLogBytes("2026-01-02.jsonl")).toBe(6);
    expect(await store.listLogs()).toEqual([
      { name: "2026-01-01.jsonl", size: 8 },
      { name: "2026-01-02.jsonl", size: 6 },
    ]);
    expect(text(await store.readLog("2026-01-01.jsonl", 2, 4))).toBe("e\ntw");
    expect(text(await store.readLog("2026-01-01.jsonl", 6, 100))).toBe("o\n");
    expect(await store.readLog("2026-01-03.jsonl", 0, 10)).toHaveLength(0);
    await store.close();
  });

  it("cuts a log, goes on appending at the cut, and deletes it", async () => {
    const store = await open();
    await store.appendLog("2026-01-01.jsonl", 0, bytes("one\ntorn"), "written");
    await store.truncateLog("2026-01-01.jsonl", 4);
    await store.appendLog("2026-01-01.jsonl", 4, bytes("two\n"), "disk");
    expect(text(await store.readLog("2026-01-01.jsonl", 0, 100))).toBe("one\ntwo\n");
    await store.deleteLog("2026-01-01.jsonl");
    expect(await store.listLogs()).toEqual([]);
    await store.close();
  });

  it("keeps the last value of a mark readable", async () => {
    const store = await open();
    expect(await store.readMark("head")).toEqual([]);
    for (const value of ["one", "two", "three"]) store.writeMark("head", bytes(value));
    const copies = (await store.readMark("head")).map(text);
    expect(copies).toContain("three");
    expect(copies.length).toBeLessThanOrEqual(2);
    await store.close();
  });
}
