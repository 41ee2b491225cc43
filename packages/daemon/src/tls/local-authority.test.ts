import { randomBytes } from "node:crypto";
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadLocalAuthority } from "./local-authority.ts";

let base: string;
let directory: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "aivault-tls-"));
  directory = join(base, "tls");
});
afterEach(() => rmSync(base, { recursive: true }));

const load = (nowMs = Date.now(), names = ["localhost", "127.0.0.1"]) =>
  loadLocalAuthority({ directory, names, nowMs, random: (length) => randomBytes(length) });
const DAY_MS = 86_400_000;

describe("loadLocalAuthority", () => {
  it("makes a certificate once, and keeps its key to its account", () => {
    const first = load();
    expect(first.isNew).toBe(true);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory, "server.pem")).mode & 0o777).toBe(0o600);
    expect(readFileSync(first.authorityFile, "latin1")).toBe(first.authority);
    expect(first.authority).not.toContain("PRIVATE");
    expect(load()).toEqual({ ...first, isNew: false });
  });

  it.each<[string, () => void, () => object]>([
    ["is about to end", () => undefined, () => load(Date.now() + 800 * DAY_MS)],
    ["is not for an address", () => undefined, () => load(Date.now(), ["127.0.0.7"])],
    ["is damaged", () => writeFileSync(join(directory, "server.pem"), "x"), load],
    ["is gone", () => rmSync(join(directory, "server.pem")), load],
  ])("makes another where the one there %s", (_, change, again) => {
    const first = load();
    change();
    const next = again();
    expect(next).toMatchObject({ isNew: true });
    expect(next).not.toMatchObject({ authority: first.authority });
    expect(readFileSync(first.authorityFile, "latin1")).not.toBe(first.authority);
  });

  it("writes again what clients are to trust, where it is not what it should be", () => {
    const { authority, authorityFile } = load();
    writeFileSync(authorityFile, "another");
    expect(load().isNew).toBe(false);
    expect(readFileSync(authorityFile, "latin1")).toBe(authority);
  });

  it.each<[string, () => void]>([
    ["a key that others may read", () => chmodSync(join(directory, "server.pem"), 0o640)],
    ["a directory that others may write", () => chmodSync(directory, 0o770)],
    [
      "a link",
      () => {
        rmSync(directory, { recursive: true });
        symlinkSync(base, directory);
      },
    ],
  ])("does not use %s", (_, change) => {
    load();
    change();
    expect(() => load()).toThrow(expect.objectContaining({ code: "DAEMON_DIRECTORY_UNSAFE" }));
  });
});
