import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../test/support.ts";
import { environmentKeyProvider, fileKeyProvider } from "./key-file.ts";
import { systemRandom } from "./random.ts";

const unavailable = expect.objectContaining({ code: "VAULT_KEY_UNAVAILABLE" });
const HEX = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

describe("fileKeyProvider", () => {
  it("makes a key of mode 0600 in directories of mode 0700, and gives it back", async () => {
    const path = join(temporaryDirectory(), "keys", "kek.key");
    const provider = fileKeyProvider(path);
    const key = await provider.create(systemRandom);
    expect(await provider.obtain()).toEqual(key);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, "..")).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(path, ".."))).toEqual(["kek.key"]);
    expect(await provider.create(systemRandom)).toEqual(key);
  });

  it("reads base64 and hexadecimal, with white space around", async () => {
    for (const text of [HEX, HEX.toUpperCase(), Buffer.from(HEX, "hex").toString("base64")]) {
      const path = join(temporaryDirectory(), "k");
      writeFileSync(path, ` ${text}\r\n`, { mode: 0o600 });
      expect(await fileKeyProvider(path).obtain()).toEqual(new Uint8Array(Buffer.from(HEX, "hex")));
    }
  });

  it("never replaces something that is there but is no key", async () => {
    const short = Buffer.alloc(31).toString("base64");
    for (const text of ["", "garbage", HEX.slice(2), short, `${HEX}${HEX}`, "x".repeat(9999)]) {
      const path = join(temporaryDirectory(), "k");
      writeFileSync(path, text, { mode: 0o600 });
      await expect(fileKeyProvider(path).create(systemRandom)).rejects.toEqual(unavailable);
      expect(readFileSync(path, "utf8")).toBe(text);
    }
  });

  it("refuses links, directories, and files that others can read", async () => {
    const directory = temporaryDirectory();
    const path = join(directory, "k");
    writeFileSync(path, HEX, { mode: 0o600 });
    symlinkSync(path, join(directory, "link"));
    mkdirSync(join(directory, "directory"));
    for (const name of ["link", "directory"]) {
      await expect(fileKeyProvider(join(directory, name)).create(systemRandom)).rejects.toEqual(
        unavailable,
      );
    }
    chmodSync(path, 0o640);
    await expect(fileKeyProvider(path).obtain()).rejects.toEqual(unavailable);
    const missing = fileKeyProvider(join(directory, "missing"));
    await expect(missing.obtain()).rejects.toEqual(unavailable);
  });

  it("removes what a process that died while writing the key has left", async () => {
    const directory = temporaryDirectory();
    const provider = fileKeyProvider(join(directory, "k"));
    const left = [
      ".k.4194303-0123456789abcdef.tmp",
      ".k.next.4194303-0123456789abcdef.tmp",
      // In a container, pids come again with each start.
      `.k.${process.pid}-0123456789abcdef.tmp`,
    ];
    const kept = [`.k.${process.ppid}-0123456789abcdef.tmp`, ".other.4194303-0123456789abcdef.tmp"];
    for (const name of [...left, ...kept]) writeFileSync(join(directory, name), HEX);
    await provider.create(systemRandom);
    expect(readdirSync(directory).sort()).toEqual([...kept, "k"].sort());
  });

  it("drops a staged key when it is told to, and does not mind when there is none", async () => {
    const directory = temporaryDirectory();
    const provider = fileKeyProvider(join(directory, "k"));
    await provider.create(systemRandom);
    await provider.stage?.(systemRandom);
    await provider.discardStaged?.();
    await provider.discardStaged?.();
    expect(readdirSync(directory)).toEqual(["k"]);
  });

  it("stages a key beside the present one and promotes it", async () => {
    const provider = fileKeyProvider(join(temporaryDirectory(), "k"));
    const old = await provider.create(systemRandom);
    expect(await provider.obtainStaged?.()).toBeNull();
    await provider.promote?.();
    const staged = await provider.stage?.(systemRandom);
    expect(await provider.obtain()).toEqual(old);
    expect(await provider.obtainStaged?.()).toEqual(staged);
    await provider.promote?.();
    expect(await provider.obtain()).toEqual(staged);
    expect(await provider.obtainStaged?.()).toBeNull();
  });
});

describe("environmentKeyProvider", () => {
  it("reads the variable each time and makes no key of its own", async () => {
    const environment: Record<string, string> = {};
    const provider = environmentKeyProvider("KEK", environment);
    await expect(provider.create(systemRandom)).rejects.toEqual(unavailable);
    environment["KEK"] = "nonsense";
    await expect(provider.obtain()).rejects.toEqual(unavailable);
    environment["KEK"] = HEX;
    expect(await provider.obtain()).toEqual(new Uint8Array(Buffer.from(HEX, "hex")));
  });
});
