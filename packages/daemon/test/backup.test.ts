// A backup through the socket, and what can be made of it elsewhere.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { restoreBackup, verifyBackup } from "../src/restore.ts";
import type { Daemon } from "../src/start-daemon.ts";
import { type TestVault, testVault } from "./vault.ts";
import { call, form } from "./wire.ts";

const PASSPHRASE = "of the backup";
const VALUE = "canary-value-of-a-secret";
const passphrase = Buffer.from(PASSPHRASE);

let vault: TestVault;
let other: TestVault;
let daemon: Daemon;

beforeEach(async () => {
  vault = testVault();
  other = testVault();
  await vault.init();
  daemon = await vault.start();
  const secret = form(["secret", JSON.stringify({ name: "A" })], ["value", VALUE]);
  await call(daemon.operatorSocket, "POST", "/aivault/secrets", secret);
});
afterEach(async () => {
  await vault.dispose();
  await other.dispose();
});

/** Save the body of `POST /aivault/backup`. */
function download(file: string): Promise<void> {
  const { headers, body } = form(["passphrase", PASSPHRASE]);
  return new Promise((resolve, reject) => {
    httpRequest({
      socketPath: daemon.operatorSocket,
      method: "POST",
      path: "/aivault/backup",
      headers: { host: "aivault", ...headers },
      agent: false,
    })
      .on("error", reject)
      .on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk) => chunks.push(chunk)).on("error", reject);
        response.on("end", () => {
          expect(response.statusCode).toBe(200);
          expect(response.headers["content-type"]).toBe("application/octet-stream");
          writeFileSync(file, Buffer.concat(chunks), { mode: 0o600 });
          resolve();
        });
      })
      .end(body);
  });
}

describe("a backup", { timeout: 120_000 }, () => {
  it("G2: is ciphertext, opens with its passphrase only, and says what is in it", async () => {
    const file = join(other.directory, "vault.backup");
    await download(file);
    expect(readFileSync(file).includes(VALUE)).toBe(false);
    const summary = await verifyBackup({ file, passphrase });
    expect(summary).toMatchObject({ records: expect.any(Number), skipped: [] });
    const wrong = verifyBackup({ file, passphrase: Buffer.from("another") });
    await expect(wrong).rejects.toMatchObject({ code: "VAULT_OPEN_FAILED" });
    const audit = await call(daemon.operatorSocket, "GET", "/aivault/audit?limit=2");
    const kinds = audit.json.items.map(({ event }: { event: { kind: string } }) => event.kind);
    expect(kinds).toEqual(["backup.created", "backup.begun"]);
    expect(audit.text).not.toContain(PASSPHRASE);
  });

  it("G20: becomes a vault elsewhere, under a key of its own, whose audit log verifies", async () => {
    const file = join(vault.directory, "vault.backup");
    await download(file);
    const { paths, env } = other;
    const keyProvider = { kind: "file" } as const;
    await restoreBackup({ paths, env, file, passphrase, keyProvider });
    expect(readFileSync(paths.keyFile, "utf8")).not.toBe(readFileSync(vault.paths.keyFile, "utf8"));
    const restored = await other.start();
    const secret = await call(restored.operatorSocket, "GET", "/aivault/secrets/A");
    expect(secret.status).toBe(200);
    const verified = await call(restored.operatorSocket, "GET", "/aivault/audit/verify");
    expect(verified.json.ok).toBe(true);
  });

  it("replaces no vault unless it is told to, and then moves it aside", async () => {
    const file = join(vault.directory, "vault.backup");
    await download(file);
    await other.init();
    const before = readFileSync(other.paths.keyFile, "utf8");
    const { paths, env } = other;
    const options = { paths, env, file, passphrase, keyProvider: { kind: "file" } } as const;
    await expect(restoreBackup(options)).rejects.toMatchObject({
      code: "VAULT_ALREADY_INITIALIZED",
    });
    expect(readFileSync(paths.keyFile, "utf8")).toBe(before);
    await restoreBackup({ ...options, overwrite: true });
    const aside = readdirSync(join(paths.root, "..")).find((name) =>
      name.startsWith(`${paths.root.split("/").at(-1)}.replaced-`),
    );
    expect(aside).toBeDefined();
    expect(existsSync(join(paths.root, "..", aside ?? "", "kek.key"))).toBe(true);
    const restored = await other.start();
    const secret = await call(restored.operatorSocket, "GET", "/aivault/secrets/A");
    expect(secret.status).toBe(200);
  });

  it("does not replace a vault that a daemon serves", async () => {
    const file = join(other.directory, "vault.backup");
    await download(file);
    const { paths, env } = vault;
    const keyProvider = { kind: "file" } as const;
    const attempt = restoreBackup({ paths, env, file, passphrase, keyProvider, overwrite: true });
    await expect(attempt).rejects.toMatchObject({ code: "VAULT_BUSY" });
    const secret = await call(daemon.operatorSocket, "GET", "/aivault/secrets/A");
    expect(secret.status).toBe(200);
  });
});
