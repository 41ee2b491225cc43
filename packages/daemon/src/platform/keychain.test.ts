// The Secret Service is a real one: gnome-keyring on a private D-Bus session. macOS and Windows cannot
// be had here; what is tested for them is the refusal and, with a keychain made of a Map, the rules
// that are the same on every system.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RandomBytes } from "@aivault/vault-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type KeychainBinding, keychainKeyProvider, loadKeychain } from "./keychain.ts";

const unavailable = expect.objectContaining({ code: "VAULT_KEY_UNAVAILABLE" });
const config = { kind: "secret-service", service: "aivault-test", account: "kek" } as const;
const ones: RandomBytes = (length) => new Uint8Array(length).fill(1);
const twos: RandomBytes = (length) => new Uint8Array(length).fill(2);

/** A keychain that is a Map: stands for macOS and Windows, which cannot be had here. */
function mapKeychain(entries = new Map<string, string>()): KeychainBinding {
  return {
    getPassword: async (_, account) => entries.get(account) ?? null,
    setPassword: async (_, account, password) => void entries.set(account, password),
    deletePassword: async (_, account) => entries.delete(account),
  };
}

describe("loadKeychain", () => {
  it("refuses the keychain of another system", async () => {
    await expect(loadKeychain("macos-keychain", "linux")).rejects.toThrow(unavailable);
    await expect(loadKeychain("credential-manager", "darwin")).rejects.toThrow(unavailable);
  });
});

describe("keychainKeyProvider, with a Map for a keychain", () => {
  it("makes a key once and then returns the one that is there", async () => {
    const binding = mapKeychain();
    const provider = keychainKeyProvider(config, async () => binding);
    expect(await provider.create(ones)).toEqual(ones(32));
    expect(await provider.create(twos)).toEqual(ones(32));
    expect(await provider.obtain()).toEqual(ones(32));
  });

  it("never replaces what is there but is not a key", async () => {
    const entries = new Map([["kek", "somebody's password"]]);
    const provider = keychainKeyProvider(config, async () => mapKeychain(entries));
    await expect(provider.create(ones)).rejects.toThrow(unavailable);
    await expect(provider.obtain()).rejects.toThrow(unavailable);
    expect(entries.get("kek")).toBe("somebody's password");
  });

  it("does not make a key because none was found", async () => {
    const entries = new Map<string, string>();
    const provider = keychainKeyProvider(config, async () => mapKeychain(entries));
    await expect(provider.obtain()).rejects.toThrow(unavailable);
    expect(entries.size).toBe(0);
  });

  it("forgets a staged key that nothing came to depend on, and only that", async () => {
    const entries = new Map<string, string>();
    const provider = keychainKeyProvider(config, async () => mapKeychain(entries));
    await provider.create(ones);
    await provider.stage?.(twos);
    await provider.discardStaged?.();
    expect([...entries.keys()]).toEqual(["kek"]);
    expect(await provider.obtainStaged?.()).toBeNull();
    await provider.discardStaged?.();
    expect(await provider.obtain()).toEqual(ones(32));
  });

  it("promotes a staged key and forgets that it was staged", async () => {
    const binding = mapKeychain();
    const provider = keychainKeyProvider(config, async () => binding);
    await provider.create(ones);
    expect(await provider.stage?.(twos)).toEqual(twos(32));
    expect(await provider.obtain()).toEqual(ones(32));
    await provider.promote?.();
    expect(await provider.obtain()).toEqual(twos(32));
    expect(await provider.obtainStaged?.()).toBeNull();
    await provider.promote?.();
    expect(await provider.obtain()).toEqual(twos(32));
  });

  it("reports a keychain that forgets what it was given", async () => {
    const forgetful = { ...mapKeychain(), getPassword: async () => null };
    const provider = keychainKeyProvider(config, async () => forgetful);
    await expect(provider.create(ones)).rejects.toThrow(unavailable);
  });

  it("gives up on a keychain that does not answer", async () => {
    const silent = { ...mapKeychain(), getPassword: () => new Promise<null>(() => {}) };
    const provider = keychainKeyProvider(config, async () => silent, 20);
    await expect(provider.obtain()).rejects.toThrow(unavailable);
  });
});

const tools = ["dbus-run-session", "gnome-keyring-daemon", "secret-tool"];
const missing = tools.filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
if (missing.length > 0) {
  process.stderr.write(`SKIPPED: no real Secret Service here; missing ${missing.join(", ")}\n`);
}

describe.skipIf(missing.length > 0)("keychainKeyProvider, with a real Secret Service", () => {
  let home: string;
  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), "aivault-keyring-"));
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  /** Run shell `lines` inside a private D-Bus session with an unlocked keyring. */
  function inSession(lines: readonly string[]): { status: number | null; output: string } {
    const script = join(home, "session.sh");
    writeFileSync(
      script,
      [
        "set -eu",
        "printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1",
        ...lines,
      ].join("\n"),
    );
    const env = { PATH: process.env["PATH"], HOME: home, XDG_RUNTIME_DIR: home };
    const run = spawnSync("dbus-run-session", ["--", "sh", script], { env, encoding: "utf8" });
    return { status: run.status, output: `${run.stdout}${run.stderr}` };
  }

  /** A process of its own that asks keytar, the binding under test, through the same package. */
  function keytar(expression: string): string {
    const here = fileURLToPath(new URL("../../package.json", import.meta.url));
    const program = [
      `const keytar = require("node:module").createRequire(${JSON.stringify(here)})("@github/keytar");`,
      `(async () => { ${expression} })().catch((error) => { console.error(error.message); process.exit(1); });`,
    ].join("");
    const file = join(home, `program-${Math.abs(hash(expression))}.cjs`);
    writeFileSync(file, program);
    return `"${process.execPath}" "${file}"`;
  }

  const key = Buffer.from(ones(32)).toString("base64");

  it("keeps an entry that another process and secret-tool read alike", () => {
    const { status, output } = inSession([
      keytar(`await keytar.setPassword("aivault-test", "kek", "${key}");`),
      keytar(`console.log("keytar", await keytar.getPassword("aivault-test", "kek"));`),
      "echo secret-tool $(secret-tool lookup service aivault-test account kek)",
      keytar(`console.log("gone", await keytar.deletePassword("aivault-test", "kek"));`),
      keytar(`console.log("then", await keytar.getPassword("aivault-test", "kek"));`),
    ]);
    expect(output).toContain(`keytar ${key}`);
    expect(output).toContain(`secret-tool ${key}`);
    expect(output).toContain("gone true");
    expect(output).toContain("then null");
    expect(status).toBe(0);
  });
});

function hash(text: string): number {
  let value = 0;
  for (const character of text) value = (Math.imul(value, 31) + character.charCodeAt(0)) | 0;
  return value;
}
