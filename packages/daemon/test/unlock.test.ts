import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { initVault } from "../src/init-vault.ts";
import { type TestVault, testVault } from "./vault.ts";
import { call, json } from "./wire.ts";

const PASSPHRASE = "correct horse battery staple";
let vault: TestVault;

beforeEach(async () => {
  vault = testVault();
});
afterEach(() => vault.dispose());

const octets = (body: string) => ({
  headers: { "content-type": "application/octet-stream" },
  body,
});

describe("a passphrase vault", { timeout: 120_000 }, () => {
  it("starts locked, opens with its passphrase only, and slows down guessing", async () => {
    const passphrase = Buffer.from(PASSPHRASE);
    const { paths, env } = vault;
    await initVault({ paths, keyProvider: { kind: "passphrase", passphrase }, dev: false, env });
    const { socket, operatorSocket } = await vault.start();
    const unlock = (text: string) => call(operatorSocket, "POST", "/aivault/unlock", octets(text));

    expect((await call(socket, "GET", "/aivault/health")).json.locked).toBe(true);
    expect((await call(socket, "GET", "/aivault/whoami")).status).toBe(200);
    const refused = await call(socket, "GET", "/aivault/capabilities");
    expect([refused.status, refused.json.error]).toEqual([423, "vault_locked"]);

    expect((await unlock("")).json.error).toBe("invalid_request");
    const wrong = await unlock("wrong horse");
    expect([wrong.status, wrong.json.error]).toEqual([401, "operator_auth_required"]);
    expect(wrong.text).not.toContain("horse");
    expect((await unlock(PASSPHRASE)).json).toEqual({ locked: false });

    const audit = await call(operatorSocket, "GET", "/aivault/audit?limit=1");
    expect(audit.json.items[0].event).toMatchObject({ kind: "vault.unlocked", failedAttempts: 1 });
    const callers = await call(socket, "POST", "/aivault/unlock", octets(PASSPHRASE));
    expect(callers.status).toBe(404);
  });
});

describe("a vault with an idle limit", () => {
  it("G19: locks itself when nothing happens, and says why", async () => {
    await vault.init();
    const { socket, operatorSocket } = await vault.start();
    const settings = json({ lockAfterIdleMs: 1_000 });
    expect((await call(operatorSocket, "PATCH", "/aivault/settings", settings)).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    expect((await call(socket, "GET", "/aivault/health")).json.locked).toBe(true);
    await call(operatorSocket, "POST", "/aivault/unlock");
    const audit = await call(operatorSocket, "GET", "/aivault/audit?limit=3");
    const events = audit.json.items.map(({ event }: { event: object }) => event);
    expect(events).toContainEqual(
      expect.objectContaining({ kind: "vault.locked", cause: "idle", unfinished: 0 }),
    );
  });
});
