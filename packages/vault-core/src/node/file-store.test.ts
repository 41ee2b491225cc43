import { execFileSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  addSecret,
  CANARY,
  createVault,
  openVault,
  readSecret,
  temporaryDirectory,
} from "../../test/support.ts";
import { encodeUtf8 } from "../bytes.ts";
import { openFileStore } from "./file-store.ts";
import { digestHex, serializeJournal } from "./journal.ts";

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
