import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import fsPromises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { basename, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  addSecret,
  CANARY,
  createVault,
  handClock,
  openVault,
  readSecret,
  temporaryDirectory,
} from "../../test/support.ts";
import { encodeUtf8 } from "../bytes.ts";
import { type FileStore, openFileStore } from "./file-store.ts";
import { digestHex, type JournalChange, serializeJournal } from "./journal.ts";

const code = (expected: string) => expect.objectContaining({ code: expected });

describe("FileStore", () => {
  it("refuses a second owner, and lets a reader in beside the first", async () => {
    const directory = temporaryDirectory();
    const store = await openFileStore(directory);
    await store.commit([{ key: "a.json", bytes: encodeUtf8("1") }]);
    await expect(openFileStore(directory)).rejects.toEqual(code("VAULT_BUSY"));
    const reader = await openFileStore(directory, { readOnly: true });
    expect((await reader.get("a.json"))?.bytes).toEqual(encodeUtf8("1"));
    await expect(reader.commit([{ key: "a.json", bytes: null }])).rejects.toEqual(
      code("VAULT_STORE_FAILED"),
    );
    await reader.close();
    await store.close();
    await (await openFileStore(directory)).close();
  });

  it("G18: begins a day after one whose last entries a dead process wrote and did not sync", async () => {
    const directory = temporaryDirectory();
    const now = handClock();
    const killed = await createVault(await openFileStore(directory), undefined, now);
    await killed.audit.append({ kind: "a" });
    // What a process leaves that dies now: entries the head does not know to be on disk.
    const copy = join(temporaryDirectory(), "vault");
    cpSync(directory, copy, {
      recursive: true,
      filter: (path) => !basename(path).startsWith("lock."),
    });
    await killed.close();
    now.ms += 24 * 60 * 60 * 1000;
    const vault = await openVault(await openFileStore(copy), undefined, now);
    expect((await vault.audit.append({ kind: "b" })).seq).toBe(3);
    expect(await vault.audit.verify()).toEqual({ ok: true, entries: 3, gaps: [] });
    await vault.close();
  });

  it("G11: writes nothing into a vault that took the place of the one it opened", async () => {
    const directory = join(temporaryDirectory(), "vault");
    const first = await openFileStore(directory);
    await first.commit([{ key: "a.json", bytes: encodeUtf8("1") }]);
    await first.appendLog("2026-01-01.jsonl", 0, encodeUtf8("x\n"), "written");
    renameSync(directory, `${directory}.moved`);
    const second = await openFileStore(directory);
    await second.commit([{ key: "a.json", bytes: encodeUtf8("2") }]);
    await expect(first.commit([{ key: "a.json", bytes: encodeUtf8("3") }])).rejects.toEqual(
      code("VAULT_STORE_FAILED"),
    );
    await expect(async () => first.writeMark("head", encodeUtf8("3"))).rejects.toEqual(
      code("VAULT_STORE_FAILED"),
    );
    await expect(first.syncLogs()).rejects.toEqual(code("VAULT_STORE_FAILED"));
    await first.close().catch(() => {});
    // The lock has the same name and is another's: it is still held.
    await expect(openFileStore(directory)).rejects.toEqual(code("VAULT_BUSY"));
    expect((await second.get("a.json"))?.bytes).toEqual(encodeUtf8("2"));
    await second.close();
  });

  it("does not make a directory for a reader", async () => {
    const directory = join(temporaryDirectory(), "absent");
    const reader = await openFileStore(directory, { readOnly: true });
    expect(await reader.get("vault.json")).toBeNull();
    expect(() => statSync(directory)).toThrow();
  });

  it("refuses keys that lead elsewhere", async () => {
    const store = await openFileStore(temporaryDirectory());
    for (const key of [
      "../a.json",
      "/etc/a.json",
      "a",
      "A.json",
      "a//b.json",
      ".a.json",
      "a/../b.json",
      "a\n.json",
    ]) {
      await expect(store.get(key)).rejects.toThrow(RangeError);
      await expect(store.commit([{ key, bytes: encodeUtf8("x") }])).rejects.toThrow(RangeError);
    }
    await store.close();
  });

  it("G11: refuses links, FIFOs and directories in place of a record, without following or waiting", async () => {
    const directory = temporaryDirectory();
    const vault = await createVault(await openFileStore(directory));
    const { secretId } = await addSecret(vault, "A");
    const other = await addSecret(vault, "B");
    await vault.close();
    const path = join(directory, "secrets", `${secretId}.json`);
    const elsewhere = join(directory, "elsewhere");
    renameSync(path, elsewhere);
    const plants = [
      () => symlinkSync(elsewhere, path),
      () => symlinkSync("/dev/zero", path),
      () => execFileSync("mkfifo", [path]),
      () => mkdirSync(path),
    ];
    for (const plant of plants) {
      rmSync(path, { recursive: true, force: true });
      plant();
      const again = await openVault(await openFileStore(directory));
      await expect(readSecret(again, secretId)).rejects.toMatchObject({
        code: "VAULT_TAMPERED",
        subject: `secrets/${secretId}.json`,
      });
      expect(await readSecret(again, other.secretId)).toBe(CANARY);
      await again.close();
    }
    rmSync(path, { recursive: true, force: true });
    linkSync(elsewhere, path);
    const again = await openVault(await openFileStore(directory));
    expect(await readSecret(again, secretId)).toBe(CANARY);
    await again.close();
  });

  it("G11: refuses a directory that is a link, before writing through it", async () => {
    const directory = temporaryDirectory();
    const outside = temporaryDirectory();
    const vault = await createVault(await openFileStore(directory));
    await vault.close();
    symlinkSync(outside, join(directory, "secrets"));
    const again = await openVault(await openFileStore(directory));
    await addSecret(again, "A").catch(() => {});
    expect(execFileSync("ls", [outside], { encoding: "utf8" })).toBe("");
    await again.close().catch(() => {});
  });

  it("ignores foreign files, and names them when asked to verify", async () => {
    const directory = temporaryDirectory();
    const vault = await createVault(await openFileStore(directory));
    await addSecret(vault, "A");
    writeFileSync(join(directory, "secrets", "notes.txt"), "hello");
    writeFileSync(join(directory, "secrets", "extra\nline.json"), "{}");
    writeFileSync(join(directory, "secrets", "extra.json"), "{}");
    expect((await vault.listSecrets()).items).toHaveLength(1);
    expect(await vault.verify()).toMatchObject({ ok: true, foreign: ["secrets/extra.json"] });
    await vault.close();
  });

  it("corrects modes that let others in, and says so", async () => {
    const directory = temporaryDirectory();
    const vault = await createVault(await openFileStore(directory));
    await vault.close();
    chmodSync(directory, 0o755);
    chmodSync(join(directory, "vault.json"), 0o644);
    const store = await openFileStore(directory);
    await store.get("vault.json");
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(store.warnings).toHaveLength(2);
    await store.close();
  });

  it("removes what a crash left in tmp, and nothing else there", async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "tmp"));
    writeFileSync(join(directory, "tmp", "12-0123456789abcdef.tmp"), "half");
    writeFileSync(join(directory, "tmp", "mine"), "keep");
    const store = await openFileStore(directory);
    expect(execFileSync("ls", [join(directory, "tmp")], { encoding: "utf8" })).toBe("mine\n");
    await store.close();
  });

  it("G20: finishes the transaction of a journal that was left", async () => {
    const directory = temporaryDirectory();
    const first = await openFileStore(directory);
    await first.commit([{ key: "a.json", bytes: encodeUtf8("old") }]);
    await first.close();
    const [before, after] = [encodeUtf8("old"), encodeUtf8("new")];
    const journal = serializeJournal([
      { key: "a.json", before: digestHex(before), after: digestHex(after), bytes: after },
      { key: "b/c.json", before: null, after: digestHex(after), bytes: after },
    ]);
    writeFileSync(join(directory, "journal"), journal, { mode: 0o600 });
    const store = await openFileStore(directory);
    expect((await store.get("a.json"))?.bytes).toEqual(after);
    expect((await store.get("b/c.json"))?.bytes).toEqual(after);
    expect(readFileSync(join(directory, "a.json"), "utf8")).toBe("new");
    await store.close();
  });

  it("G11: refuses an old journal that is put back, and one that leads outside", async () => {
    const directory = temporaryDirectory();
    const store = await openFileStore(directory);
    for (const text of ["1", "2", "3"])
      await store.commit([{ key: "a.json", bytes: encodeUtf8(text) }]);
    await store.close();
    const change = { key: "a.json", bytes: encodeUtf8("2") };
    const digest = (text: string) => digestHex(encodeUtf8(text));
    const planted = [
      serializeJournal([{ ...change, before: digest("1"), after: digest("2") }]),
      serializeJournal([{ ...change, key: "../x.json", before: null, after: digest("2") }]),
      serializeJournal([{ ...change, before: digest("3"), after: digest("2") }]).subarray(0, -1),
    ];
    for (const journal of planted) {
      writeFileSync(join(directory, "journal"), journal, { mode: 0o600 });
      await expect(openFileStore(directory)).rejects.toMatchObject({
        code: "VAULT_TAMPERED",
        subject: "journal",
      });
      expect(readFileSync(join(directory, "a.json"), "utf8")).toBe("3");
    }
  });
});

describe("what a file store says", () => {
  const put = (key: string, text: string) => ({ key, bytes: encodeUtf8(text) });
  const failure = (expected: string, subject: string | null, message: string) =>
    expect.objectContaining({
      code: expected,
      subject,
      message: expect.stringContaining(message),
    });

  it("names the key of a conflict", async () => {
    const store = await openFileStore(temporaryDirectory());
    await store.commit([put("a.json", "1")]);
    await expect(
      store.commit([{ ...put("a.json", "2"), expectedRevision: "other" }]),
    ).rejects.toEqual(
      failure(
        "VAULT_REVISION_CONFLICT",
        "a.json",
        "`a.json` was changed by someone else in the meantime",
      ),
    );
    await store.close();
  });

  it("writes nothing once it is closed, and nothing where it only reads", async () => {
    const directory = temporaryDirectory();
    const store = await openFileStore(directory);
    await store.close();
    const reader = await openFileStore(directory, { readOnly: true });
    expect([store.readOnly, reader.readOnly]).toEqual([false, true]);
    for (const closed of [store, reader]) {
      await expect(closed.commit([put("a.json", "1")])).rejects.toEqual(
        failure("VAULT_STORE_FAILED", null, `the vault in ${directory} is open for reading only`),
      );
    }
    expect(await reader.get("a.json")).toBeNull();
  });

  it("names a key that is none", async () => {
    const store = await openFileStore(temporaryDirectory());
    await expect(store.get("../x")).rejects.toThrow("`../x` is not a store key");
    for (const key of ["x/a.json", "a.b/c-d_e.json", "a.json/b.json", "a.json.json"]) {
      expect(await store.get(key)).toBeNull();
    }
    for (const key of [
      "a.jsonx",
      "xa.json\n",
      "a.JSON",
      "a-json",
      "_a.json",
      "a /b.json",
      "0/_/a.json",
      "é.json",
    ]) {
      await expect(store.get(key)).rejects.toThrow(RangeError);
    }
    await store.close();
  });

  it("knows its directory by its whole path", async () => {
    const directory = temporaryDirectory();
    const store = await openFileStore(`${directory}/x/../y`);
    expect(store.location).toBe(join(directory, "y"));
    expect(statSync(join(directory, "y")).mode & 0o777).toBe(0o700);
    await store.close();
  });

  it("refuses a directory that is a file or a link, before it makes anything there", async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "file"), "");
    symlinkSync(directory, join(directory, "link"));
    for (const name of ["file", "link"]) {
      for (const readOnly of [false, true]) {
        await expect(openFileStore(join(directory, name), { readOnly })).rejects.toEqual(
          failure("VAULT_TAMPERED", ".", "is not a directory"),
        );
      }
    }
    expect(readdirSync(directory).sort()).toEqual(["file", "link"]);
  });

  it("says which directory let others in, and which file does", async () => {
    const directory = temporaryDirectory();
    const first = await openFileStore(directory);
    await first.commit([put("a.json", "1"), put("b.json", "1")]);
    await first.close();
    chmodSync(directory, 0o701);
    chmodSync(join(directory, "a.json"), 0o640);
    const store = await openFileStore(directory);
    await store.get("b.json");
    for (let n = 0; n < 3; n += 1) await store.get("a.json");
    expect(store.warnings).toEqual([
      `${directory} let other users in; its mode is 0700 now`,
      "`a.json` lets other users in; it will be 0600 when next written",
    ]);
    await store.commit([put("a.json", "2")]);
    expect(statSync(join(directory, "a.json")).mode & 0o777).toBe(0o600);
    await store.close();
    const again = await openFileStore(directory);
    await again.get("a.json");
    expect(again.warnings).toEqual([]);
    await again.close();
  });

  it("says no more than a hundred such things", async () => {
    const directory = temporaryDirectory();
    const store = await openFileStore(directory);
    const keys = Array.from({ length: 105 }, (_, n) => `k${n}.json`);
    for (const key of keys) writeFileSync(join(directory, key), "", { mode: 0o644 });
    for (const key of keys) await store.get(key);
    expect(store.warnings).toHaveLength(100);
    await store.close();
  });

  it("lists what is committed and nothing else, of which there may be more", async () => {
    const directory = temporaryDirectory();
    const store = await openFileStore(directory);
    const keys = Array.from({ length: 1001 }, (_, n) => `k/${n + 1000}.json`);
    await store.commit([put("k/1000.json", ""), put("vault.json", "")]);
    for (const key of keys) writeFileSync(join(directory, key), "");
    await store.appendLog("2026-01-01.jsonl", 0, encodeUtf8("x"), "written");
    writeFileSync(join(directory, "audit", "x.json"), "");
    writeFileSync(join(directory, "tmp", "x.json"), "");
    mkdirSync(join(directory, "k", "tmp"));
    writeFileSync(join(directory, "k", "tmp", "deep.json"), "");
    mkdirSync(join(directory, "k", "folder.json"));
    writeFileSync(join(directory, "k", "no-key.txt"), "");
    const first = await store.list("k/");
    expect(first).toEqual({ items: keys.slice(0, 1000), next: keys[999] });
    expect(await store.list("k/", { after: keys[999] as string })).toEqual({
      items: [...keys.slice(1000), "k/tmp/deep.json"],
      next: null,
    });
    expect(await store.list("k/", { limit: 1002 })).toMatchObject({ next: null });
    expect(await store.list("k/", { limit: 0 })).toEqual({ items: [], next: null });
    expect((await store.list("", { limit: 2000 })).items).toEqual([
      ...keys,
      "k/tmp/deep.json",
      "vault.json",
    ]);
    expect(await store.list("absent/")).toEqual({ items: [], next: null });
    await store.close();
  });

  it("says that it cannot list a directory that is none", async () => {
    const directory = temporaryDirectory();
    const store = await openFileStore(directory);
    writeFileSync(join(directory, "secrets"), "");
    await expect(store.list("secrets/")).rejects.toEqual(
      failure("VAULT_TAMPERED", "secrets/", "is not a plain file"),
    );
    await store.close();
  });

  it("G11: applies no journal to a file that is neither as before nor as after", async () => {
    const directory = temporaryDirectory();
    const first = await openFileStore(directory);
    await first.commit([put("a.json", "present")]);
    await first.close();
    const [before, after] = ["before", "after"].map((text) => digestHex(encodeUtf8(text)));
    const write = (change: Partial<JournalChange>) =>
      writeFileSync(
        join(directory, "journal"),
        serializeJournal([
          {
            key: "a.json",
            before: before ?? null,
            after: after ?? null,
            bytes: encodeUtf8("after"),
            ...change,
          },
        ]),
        { mode: 0o600 },
      );
    const refused = failure(
      "VAULT_TAMPERED",
      "journal",
      "does not belong to the present state of the vault",
    );
    const present = digestHex(encodeUtf8("present"));
    for (const change of [{}, { before: null }, { after: null, bytes: null }]) {
      write(change);
      await expect(openFileStore(directory)).rejects.toEqual(refused);
      await expect(openFileStore(directory, { readOnly: true })).rejects.toEqual(refused);
    }
    write({ key: "a/../../x.json" });
    await expect(openFileStore(directory)).rejects.toEqual(
      failure("VAULT_TAMPERED", "journal", "names a file outside the vault"),
    );
    // As it is after already: applied once more, to the same end.
    write({ after: present, bytes: encodeUtf8("present") });
    await (await openFileStore(directory)).close();
    expect(readFileSync(join(directory, "a.json"), "utf8")).toBe("present");
    expect(readdirSync(directory)).not.toContain("journal");
  });

  it("G20: shows a reader what a journal holds, and leaves it to the owner to apply", async () => {
    const directory = temporaryDirectory();
    const first = await openFileStore(directory);
    await first.commit([put("a.json", "old"), put("b.json", "old"), put("d/old.json", "old")]);
    await first.close();
    const [old, fresh] = ["old", "new"].map((text) => digestHex(encodeUtf8(text)));
    writeFileSync(
      join(directory, "journal"),
      serializeJournal([
        { key: "a.json", before: old as string, after: fresh as string, bytes: encodeUtf8("new") },
        { key: "b.json", before: old as string, after: null, bytes: null },
        { key: "d/e/c.json", before: null, after: fresh as string, bytes: encodeUtf8("new") },
      ]),
      { mode: 0o600 },
    );
    const reader = await openFileStore(directory, { readOnly: true });
    const text = async (key: string) => {
      const record = await reader.get(key);
      return record === null ? null : new TextDecoder().decode(record.bytes);
    };
    expect(await text("a.json")).toBe("new");
    expect(await text("b.json")).toBeNull();
    expect(await text("d/e/c.json")).toBe("new");
    expect((await reader.list("")).items).toEqual(["a.json", "d/e/c.json", "d/old.json"]);
    expect((await reader.list("d/")).items).toEqual(["d/e/c.json", "d/old.json"]);
    // What is handed out is a copy.
    (await reader.get("a.json"))?.bytes.fill(0);
    expect(await text("a.json")).toBe("new");
    await reader.close();
    expect(readFileSync(join(directory, "a.json"), "utf8")).toBe("old");
    const owner = await openFileStore(directory);
    expect(readFileSync(join(directory, "a.json"), "utf8")).toBe("new");
    expect((await owner.list("")).items).toEqual(["a.json", "d/e/c.json", "d/old.json"]);
    expect(readdirSync(join(directory, "tmp"))).toEqual([]);
    await owner.close();
  });

  it("takes for leftovers only what a process of its own could have left", async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "tmp"));
    const kept = [
      "12-0123456789abcdef.tmpx",
      "x12-0123456789abcdef.tmp",
      "12-0123456789abcde.tmp",
      "12-0123456789ABCDEF.tmp",
      "-0123456789abcdef.tmp",
      "12_0123456789abcdef.tmp",
    ];
    for (const name of [...kept, "1-0123456789abcdef.tmp", "123456-ffffffffffffffff.tmp"]) {
      writeFileSync(join(directory, "tmp", name), "");
    }
    mkdirSync(join(directory, "tmp", "7-0123456789abcdef.tmp"));
    const store = await openFileStore(directory);
    expect(readdirSync(join(directory, "tmp")).sort()).toEqual(
      [...kept, "7-0123456789abcdef.tmp"].sort(),
    );
    expect(store.warnings).toEqual([
      expect.stringMatching(
        /^cannot remove the leftover `tmp\/7-0123456789abcdef\.tmp` \((?:EISDIR|EPERM)\)$/,
      ),
    ]);
    await store.close();
  });

  it("runs later what is deferred to after the present turn", async () => {
    const store = await openFileStore(temporaryDirectory());
    let run = false;
    store.defer(() => {
      run = true;
    });
    expect(run).toBe(false);
    await new Promise((resolve) => setImmediate(resolve));
    expect(run).toBe(true);
    await store.close();
  });
});

describe("a file store whose disk does not do as it is told", () => {
  const put = (key: string, text: string) => ({ key, bytes: encodeUtf8(text) });
  const text = async (store: FileStore, key: string) => {
    const record = await store.get(key);
    return record === null ? null : new TextDecoder().decode(record.bytes);
  };

  it("has copied everything into place when a commit returns, deletes too", async () => {
    const directory = temporaryDirectory();
    const store = await openFileStore(directory);
    await store.commit([put("a.json", "1"), put("b/c.json", "1")]);
    await store.commit([
      put("a.json", "2"),
      { key: "b/c.json", bytes: null },
      { key: "absent.json", bytes: null },
      { key: "absent/x.json", bytes: null },
    ]);
    expect(readFileSync(join(directory, "a.json"), "utf8")).toBe("2");
    expect(readdirSync(join(directory, "b"))).toEqual([]);
    expect(readdirSync(directory)).not.toContain("journal");
    expect(readdirSync(join(directory, "tmp"))).toEqual([]);
    await store.close();
    expect(readdirSync(directory)).not.toContain("journal");
  });

  it("changes nothing when the journal cannot be written, and goes on once it can", async () => {
    const directory = temporaryDirectory();
    const store = await openFileStore(directory);
    await store.commit([put("a.json", "1")]);
    rmSync(join(directory, "tmp"), { recursive: true });
    await expect(store.commit([put("a.json", "2")])).rejects.toMatchObject({
      code: "VAULT_STORE_FAILED",
      subject: "journal",
      message: "cannot write `journal` (ENOENT)",
    });
    expect(await text(store, "a.json")).toBe("1");
    mkdirSync(join(directory, "tmp"));
    await store.commit([put("a.json", "3")]);
    expect(await text(store, "a.json")).toBe("3");
    await store.close();
  });

  it("changes nothing when the journal cannot have its name, and leaves no temporary file", async () => {
    const directory = temporaryDirectory();
    const store = await openFileStore(directory);
    await store.commit([put("a.json", "1")]);
    mkdirSync(join(directory, "journal"));
    await expect(store.commit([put("a.json", "2")])).rejects.toMatchObject({
      code: "VAULT_TAMPERED",
      subject: "journal",
    });
    expect(readdirSync(join(directory, "tmp"))).toEqual([]);
    expect(await text(store, "a.json")).toBe("1");
    rmSync(join(directory, "journal"), { recursive: true });
    await store.commit([put("a.json", "3")]);
    expect(readFileSync(join(directory, "a.json"), "utf8")).toBe("3");
    await store.close();
  });

  it("G20: serves what it could not copy into place, and accepts nothing more until it has", async () => {
    const directory = temporaryDirectory();
    const store = await openFileStore(directory);
    await store.commit([put("a.json", "1"), put("b.json", "1")]);
    // A link to nowhere: nothing can be read through it, and no directory be made in its place.
    symlinkSync(join(directory, "nowhere"), join(directory, "d"));
    const [revision] = await store.commit([
      put("d/e.json", "new"),
      put("a.json", "2"),
      { key: "b.json", bytes: null },
    ]);
    // It has happened: the journal has it.
    expect(readdirSync(directory)).toContain("journal");
    expect(readFileSync(join(directory, "a.json"), "utf8")).toBe("1");
    expect(await text(store, "d/e.json")).toBe("new");
    expect((await store.get("d/e.json"))?.revision).toBe(revision);
    expect(await text(store, "a.json")).toBe("2");
    expect(await text(store, "b.json")).toBeNull();
    (await store.get("a.json"))?.bytes.fill(0);
    expect(await text(store, "a.json")).toBe("2");
    expect((await store.list("")).items).toEqual(["a.json", "d/e.json"]);
    await expect(store.commit([put("c.json", "1")])).rejects.toMatchObject({
      code: "VAULT_TAMPERED",
      subject: "d",
    });
    expect(await text(store, "c.json")).toBeNull();

    rmSync(join(directory, "d"));
    await store.commit([{ ...put("a.json", "3"), expectedRevision: digestHex(encodeUtf8("2")) }]);
    expect(readFileSync(join(directory, "d", "e.json"), "utf8")).toBe("new");
    expect(readFileSync(join(directory, "a.json"), "utf8")).toBe("3");
    expect(readdirSync(directory)).not.toContain("b.json");
    expect(readdirSync(directory)).not.toContain("journal");
    await store.close();
  });

  it("G20: leaves to the next start what it could not copy until it was closed", async () => {
    const directory = temporaryDirectory();
    const store = await openFileStore(directory);
    // A link to nowhere: nothing can be read through it, and no directory be made in its place.
    symlinkSync(join(directory, "nowhere"), join(directory, "d"));
    await store.commit([put("d/e.json", "new")]);
    await store.close();
    // The lock is free; the journal is refused as long as something is in the way.
    await expect(openFileStore(directory)).rejects.toMatchObject({ subject: "d" });
    rmSync(join(directory, "d"));
    const again = await openFileStore(directory);
    expect(readFileSync(join(directory, "d", "e.json"), "utf8")).toBe("new");
    expect(readdirSync(directory)).not.toContain("journal");
    await again.close();
  });

  it("G20: makes a directory again that somebody took away, and leaves no temporary file", async () => {
    const directory = temporaryDirectory();
    const store = await openFileStore(directory);
    await store.commit([put("d/a.json", "1")]);
    rmSync(join(directory, "d"), { recursive: true });
    await store.commit([put("d/b.json", "2"), put("c.json", "2")]);
    expect(await text(store, "d/b.json")).toBe("2");
    expect(readdirSync(join(directory, "tmp"))).toEqual([]);
    expect(readdirSync(directory)).toContain("journal");
    await store.commit([put("c.json", "3")]);
    expect(readFileSync(join(directory, "d", "b.json"), "utf8")).toBe("2");
    expect(readFileSync(join(directory, "c.json"), "utf8")).toBe("3");
    expect(readdirSync(directory)).not.toContain("journal");
    await store.close();
  });

  it("reports what it cannot make, by the name it was to have", async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "tmp"), "");
    await expect(openFileStore(directory)).rejects.toMatchObject({
      code: "VAULT_TAMPERED",
      subject: "tmp",
    });
    await expect(openFileStore(join(directory, "tmp", "below"))).rejects.toMatchObject({
      code: "VAULT_TAMPERED",
      subject: ".",
    });
  });
});

describe("a file store whose disk fails", () => {
  const put = (key: string, text: string) => ({ key, bytes: encodeUtf8(text) });
  const failed = (action: string) =>
    expect.objectContaining({
      code: "VAULT_STORE_FAILED",
      subject: "journal",
      message: `cannot ${action} \`journal\` (EIO)`,
    });
  const text = async (store: FileStore, key: string) => {
    const record = await store.get(key);
    return record === null ? null : new TextDecoder().decode(record.bytes);
  };

  /** Lets the next calls for one path fail, as a disk that is going does. */
  function fail(name: "open" | "unlink", path: string, times: number): void {
    const original = fsPromises[name] as (...call: unknown[]) => Promise<unknown>;
    let left = times;
    const replace = (call: unknown): void => {
      Object.assign(fsPromises, { [name]: call });
      syncBuiltinESMExports();
    };
    replace(async (...call: unknown[]) => {
      if (call[0] !== path || left === 0) return original(...call);
      left -= 1;
      throw Object.assign(new Error("EIO"), { code: "EIO" });
    });
    onTestFinished(() => replace(original));
  }

  async function opened() {
    const directory = temporaryDirectory();
    const store = await openFileStore(directory);
    await store.commit([put("a.json", "1"), put("b.json", "1")]);
    return { directory, store };
  }

  it("G20: takes a commit back whose name on disk is in doubt", async () => {
    const { directory, store } = await opened();
    fail("open", directory, 1);
    await expect(store.commit([put("a.json", "2")])).rejects.toEqual(failed("sync"));
    expect(readdirSync(directory)).not.toContain("journal");
    expect(await text(store, "a.json")).toBe("1");
    await store.commit([put("a.json", "3")]);
    expect(await text(store, "a.json")).toBe("3");
    await store.close();
  });

  it("G20: says nothing before it knows what the disk has, and then goes on", async () => {
    const reads: ((store: FileStore) => Promise<unknown>)[] = [
      (store) => text(store, "a.json"),
      (store) => store.list(""),
      (store) => store.commit([put("c.json", "1")]),
    ];
    for (const read of reads) {
      const { directory, store } = await opened();
      fail("open", directory, 3);
      await expect(store.commit([put("a.json", "2")])).rejects.toEqual(failed("sync"));
      await expect(read(store)).rejects.toEqual(failed("sync"));
      await read(store);
      expect(await text(store, "a.json")).toBe("1");
      await store.commit([put("a.json", "3")]);
      expect(readFileSync(join(directory, "a.json"), "utf8")).toBe("3");
      await store.close();
    }
  });

  it("G20: goes by the journal where it could not be taken back", async () => {
    const { directory, store } = await opened();
    fail("open", directory, 1);
    fail("unlink", join(directory, "journal"), 1);
    await expect(store.commit([put("a.json", "2")])).rejects.toEqual(failed("sync"));
    expect(readdirSync(directory)).toContain("journal");
    expect(readFileSync(join(directory, "a.json"), "utf8")).toBe("1");
    expect(await text(store, "a.json")).toBe("2");
    await store.commit([put("b.json", "2")]);
    expect(readFileSync(join(directory, "a.json"), "utf8")).toBe("2");
    expect(readdirSync(directory)).not.toContain("journal");
    await store.close();
  });

  it("G20: commits nothing over a journal that could not be taken back", async () => {
    const { directory, store } = await opened();
    fail("open", directory, 1);
    fail("unlink", join(directory, "journal"), 1);
    await expect(store.commit([put("a.json", "2")])).rejects.toEqual(failed("sync"));
    await store.commit([put("b.json", "2")]);
    expect(readFileSync(join(directory, "a.json"), "utf8")).toBe("2");
    expect(readFileSync(join(directory, "b.json"), "utf8")).toBe("2");
    await store.close();
  });

  it("G20: keeps the journal until everything is in place, deletes too", async () => {
    const { directory, store } = await opened();
    fail("unlink", join(directory, "b.json"), 2);
    await store.commit([put("a.json", "2"), { key: "b.json", bytes: null }]);
    expect(readdirSync(directory)).toContain("journal");
    expect(await text(store, "b.json")).toBeNull();
    expect((await store.list("")).items).toEqual(["a.json"]);
    await expect(store.commit([put("c.json", "1")])).rejects.toEqual(failed("apply"));
    await store.commit([put("c.json", "1")]);
    expect(readdirSync(directory).filter((name) => name.endsWith(".json"))).toEqual([
      "a.json",
      "c.json",
    ]);
    expect(readdirSync(directory)).not.toContain("journal");
    await store.close();
  });

  it("syncs, cuts, and deletes logs, and keeps marks", async () => {
    const { store } = await opened();
    const log = "2026-01-01.jsonl";
    await store.appendLog(log, 0, encodeUtf8("one\ntorn"), "written");
    await store.syncLogs();
    expect(store.syncedLogBytes(log)).toBe(8);
    await store.truncateLog(log, 4);
    expect(await store.readLog(log, 0, 9)).toEqual(encodeUtf8("one\n"));
    await store.deleteLog(log);
    expect(await store.listLogs()).toEqual([]);
    store.writeMark("head", encodeUtf8("m"));
    expect(await store.readMark("head")).toContainEqual(encodeUtf8("m"));
    await store.close();
  });
});
