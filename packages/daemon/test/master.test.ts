// Rotation of the master key between providers, with a restart after each: the key that is named opens
// the vault, and no other does.

import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { initVault } from "../src/init-vault.ts";
import type { Daemon } from "../src/start-daemon.ts";
import { type TestVault, testVault } from "./vault.ts";
import { call, confirmed, form } from "./wire.ts";

let vault: TestVault;
let daemon: Daemon;

beforeEach(async () => {
  vault = testVault();
});
afterEach(() => vault.dispose());

const rotate = (to: object | null, ...parts: [string, string | Uint8Array][]) =>
  confirmed(
    daemon.operatorSocket,
    "POST",
    "/aivault/rotate-master",
    form(["options", JSON.stringify(to === null ? {} : { to }), "application/json"], ...parts),
  );

const operate = (method: string, path: string, options = {}) =>
  call(daemon.operatorSocket, method, path, options);
const unlock = (passphrase: string) =>
  operate("POST", "/aivault/unlock", {
    headers: { "content-type": "application/octet-stream" },
    body: passphrase,
  });

async function begin(env: Record<string, string> = {}): Promise<void> {
  daemon = await vault.start({ env: { ...vault.env, ...env } });
}
async function restart(env: Record<string, string> = {}): Promise<void> {
  await daemon.close();
  await begin(env);
}
async function store(): Promise<void> {
  const parts = form(["secret", JSON.stringify({ name: "A" })], ["value", "1"]);
  expect((await operate("POST", "/aivault/secrets", parts)).status).toBe(201);
}
async function isOpen(): Promise<boolean> {
  return (await operate("GET", "/aivault/secrets/A")).status === 200;
}

describe("rotating the master key", { timeout: 120_000 }, () => {
  it("G17: asks first, and the answer is for this rotation", async () => {
    await vault.init();
    await begin();
    const body = form(["options", "{}"]);
    const asked = await operate("POST", "/aivault/rotate-master", body);
    expect(asked.json.reason).toBe("confirmation_required");
    const headers = { "aivault-confirm": asked.json.confirmation.token };
    const other = form(["options", JSON.stringify({ to: { kind: "env" } })], ["key", "k"]);
    const refused = await operate("POST", "/aivault/rotate-master", {
      ...other,
      headers: { ...other.headers, ...headers },
    });
    expect(refused.json.reason).toBe("confirmation_required");
  });

  it("replaces a key file in place", async () => {
    await vault.init();
    await begin();
    await store();
    const before = readFileSync(vault.paths.keyFile, "utf8");
    const { status, json } = await rotate(null);
    expect(status).toBe(200);
    expect(json).toMatchObject({ previousKeyProvider: null, skipped: 0, next: null });
    expect(json.rewrapped).toBeGreaterThan(0);
    expect(readFileSync(vault.paths.keyFile, "utf8")).not.toBe(before);
    await restart();
    expect(await isOpen()).toBe(true);
    await daemon.close();
    writeFileSync(vault.paths.keyFile, before);
    await expect(begin()).rejects.toMatchObject({ code: "VAULT_KEY_MISMATCH" });
  });

  it("goes from a file to a variable, and accepts the old key until the new one was used", async () => {
    await vault.init();
    await begin();
    await store();
    const key = randomBytes(32).toString("base64");
    const { json } = await rotate({ kind: "env", variable: "MY_KEY" }, ["key", key]);
    expect(json.keyProvider).toEqual({ kind: "env", variable: "MY_KEY" });
    expect(json.previousKeyProvider.kind).toBe("file");
    expect(json.next).toContain("MY_KEY");
    expect(JSON.stringify(json)).not.toContain(key);

    await restart();
    expect(await isOpen()).toBe(true);
    expect((await operate("GET", "/aivault/status")).json.vault.previousKeyProvider.kind).toBe(
      "file",
    );
    await restart({ MY_KEY: key });
    expect(await isOpen()).toBe(true);
    const { json: status } = await operate("GET", "/aivault/status");
    expect(status.vault.previousKeyProvider).toBeNull();
    await daemon.close();
    await expect(begin()).rejects.toMatchObject({ code: "VAULT_KEY_UNAVAILABLE" });
  });

  it("goes from a variable to a passphrase, to another passphrase, and to a file", async () => {
    const key = randomBytes(32).toString("hex");
    const { paths } = vault;
    const env = { ...vault.env, AIVAULT_KEY: key };
    await initVault({ paths, keyProvider: { kind: "env" }, dev: false, env });
    await begin(env);
    await store();

    expect((await rotate({ kind: "passphrase" })).json.error).toBe("invalid_request");
    const { json } = await rotate({ kind: "passphrase" }, ["passphrase", "first of two"]);
    expect(json).toMatchObject({ keyProvider: { kind: "passphrase" }, previousKeyProvider: null });
    await restart({ AIVAULT_KEY: key });
    expect((await operate("GET", "/aivault/secrets/A")).json.error).toBe("vault_locked");
    expect((await unlock("first of two")).status).toBe(200);

    expect((await rotate(null, ["passphrase", "second of two"])).status).toBe(200);
    await operate("POST", "/aivault/lock");
    const old = await unlock("first of two");
    expect([old.status, old.json.error, old.json.reason]).toEqual([
      401,
      "operator_auth_required",
      "passphrase_wrong",
    ]);
    expect((await unlock("second of two")).status).toBe(200);

    const path = join(vault.directory, "other.key");
    expect((await rotate({ kind: "file", path })).json.keyProvider).toEqual({ kind: "file", path });
    await restart();
    expect(await isOpen()).toBe(true);
    const events = (await operate("GET", "/aivault/audit?limit=100")).json.items;
    const kinds = events.map(({ event }: { event: { kind: string } }) => event.kind);
    expect(kinds.filter((kind: string) => kind === "master.rotated")).toHaveLength(3);
    expect((await operate("GET", "/aivault/audit/verify")).json.ok).toBe(true);
  });

  it("does not take a key that lies where the new one is to go", async () => {
    await vault.init();
    await begin();
    const path = join(vault.directory, "other.key");
    const text = `${randomBytes(32).toString("base64")}\n`;
    writeFileSync(path, text, { mode: 0o600 });
    const refused = await rotate({ kind: "file", path });
    expect([refused.status, refused.json.error]).toEqual([409, "conflict"]);
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  it("leaves the present key in force when the new place cannot keep one", async () => {
    await vault.init();
    await begin();
    await store();
    for (const [to, ...parts] of [
      [{ kind: "macos-keychain" }],
      [{ kind: "file", path: "/dev/full/kek.key" }],
      [{ kind: "env" }],
      [{ kind: "env" }, ["key", "not a key"]],
      [{ kind: "file" }, ["key", randomBytes(32).toString("hex")]],
    ] as [object, ...[string, string][]][]) {
      const refused = await rotate(to, ...parts);
      expect([400, 503]).toContain(refused.status);
    }
    await restart();
    expect(await isOpen()).toBe(true);
    expect((await operate("GET", "/aivault/status")).json.vault).toMatchObject({
      keyProvider: { kind: "file" },
      previousKeyProvider: null,
    });
  });
});

describe("a vault that could not be made", () => {
  it("leaves nothing behind", async () => {
    const { paths, env } = vault;
    const attempt = initVault({ paths, keyProvider: { kind: "macos-keychain" }, dev: false, env });
    await expect(attempt).rejects.toMatchObject({ code: "VAULT_KEY_UNAVAILABLE" });
    expect(readdirSync(paths.root)).toEqual([]);
    const unset = initVault({ paths, keyProvider: { kind: "env" }, dev: false, env });
    await expect(unset).rejects.toMatchObject({ code: "VAULT_KEY_UNAVAILABLE" });
    expect(readdirSync(paths.root)).toEqual([]);
    expect(existsSync(paths.keyFile)).toBe(false);
  });
});
