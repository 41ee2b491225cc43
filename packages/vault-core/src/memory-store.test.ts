import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "./bytes.ts";
import { MemoryStore } from "./memory-store.ts";

const put = (key: string, text: string) => ({ key, bytes: encodeUtf8(text) });

describe("MemoryStore", () => {
  it("says what it is", async () => {
    const store = new MemoryStore();
    expect(store).toMatchObject({ location: "memory", readOnly: false, bootId: null });
    await store.syncLogs();
    await store.close();
  });

  it("counts commits in its revisions, and names the key of a conflict", async () => {
    const store = new MemoryStore();
    expect(await store.commit([put("a.json", "1"), put("b.json", "1")])).toEqual(["1", "1"]);
    expect(await store.commit([put("a.json", "2"), { key: "b.json", bytes: null }])).toEqual([
      "2",
      null,
    ]);
    await expect(
      store.commit([{ ...put("a.json", "3"), expectedRevision: "1" }]),
    ).rejects.toMatchObject({
      code: "VAULT_REVISION_CONFLICT",
      subject: "a.json",
      message: "`a.json` was changed by someone else in the meantime",
    });
    expect(await store.commit([put("c.json", "1")])).toEqual(["3"]);
  });

  it("lists a thousand keys unless told otherwise", async () => {
    const store = new MemoryStore();
    const keys = Array.from({ length: 1001 }, (_, n) => `k/${n + 1000}.json`);
    await store.commit(keys.map((key) => put(key, "")));
    const first = await store.list("k/");
    expect(first).toEqual({ items: keys.slice(0, 1000), next: keys[999] });
    expect(await store.list("k/", { after: keys[999] as string })).toEqual({
      items: keys.slice(1000),
      next: null,
    });
    // A page that is exactly full is the last one.
    expect(await store.list("k/", { limit: 1001 })).toEqual({ items: keys, next: null });
    expect(await store.list("k/", { limit: 0 })).toEqual({ items: [], next: null });
    expect(await store.list("other/")).toEqual({ items: [], next: null });
  });

  it("keeps its logs in order, and appends to each at its end only", async () => {
    const store = new MemoryStore();
    store.appendLog("b", 0, encodeUtf8("1"), "written");
    store.appendLog("a", 0, encodeUtf8("22"), "disk");
    store.appendLog("c", 0, encodeUtf8("333"), "disk");
    expect(await store.listLogs()).toEqual([
      { name: "a", size: 2 },
      { name: "b", size: 1 },
      { name: "c", size: 3 },
    ]);
    expect(() => store.appendLog("a", 1, encodeUtf8("x"), "disk")).toThrow(
      expect.objectContaining({
        code: "VAULT_STORE_FAILED",
        subject: "audit/a",
        message: "log `a` is not 1 bytes long",
      }),
    );
    expect(store.syncedLogBytes("a")).toBe(2);
    expect(store.syncedLogBytes("absent")).toBe(0);
    await store.truncateLog("absent", 0);
    expect((await store.listLogs()).map(({ name }) => name)).toEqual(["a", "b", "c"]);
  });

  it("keeps a mark of its own", async () => {
    const store = new MemoryStore();
    const mark = encodeUtf8("1");
    store.writeMark("head", mark);
    mark.fill(0);
    (await store.readMark("head"))[0]?.fill(0);
    expect(await store.readMark("head")).toEqual([encodeUtf8("1")]);
  });

  it("clones everything in it, and shares nothing with the clone", async () => {
    const store = new MemoryStore();
    await store.commit([put("a.json", "1")]);
    await store.commit([put("a.json", "2")]);
    store.appendLog("log", 0, encodeUtf8("x"), "disk");
    store.writeMark("head", encodeUtf8("m"));
    const clone = store.clone();
    await store.commit([put("a.json", "3"), put("b.json", "3")]);
    store.appendLog("log", 1, encodeUtf8("y"), "disk");
    store.writeMark("head", encodeUtf8("n"));
    expect(await clone.get("a.json")).toEqual({ bytes: encodeUtf8("2"), revision: "2" });
    expect(await clone.get("b.json")).toBeNull();
    expect(await clone.readLog("log", 0, 9)).toEqual(encodeUtf8("x"));
    expect(await clone.readMark("head")).toEqual([encodeUtf8("m")]);
    // It goes on counting where the other was.
    expect(await clone.commit([put("c.json", "1")])).toEqual(["3"]);
  });
});
