// The audit log as an operator sees it, and invocations that a killed daemon left without an outcome.

import { readdirSync, readFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { verifyCheckpoints } from "@aivault/vault-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Daemon } from "../src/start-daemon.ts";
import { until } from "./stand-in.ts";
import { type TestVault, testVault } from "./vault.ts";
import { call, json } from "./wire.ts";

let vault: TestVault;
let daemon: Daemon;

beforeEach(async () => {
  vault = testVault();
  await vault.init();
  daemon = await vault.start();
});
afterEach(() => vault.dispose());

const operate = (method: string, path: string, options = {}) =>
  call(daemon.operatorSocket, method, path, options);

/** Begin a tail; `lines` fills up. */
async function tail(query = "") {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    httpRequest({
      socketPath: daemon.operatorSocket,
      path: `/aivault/audit/tail${query}`,
      headers: { host: "aivault" },
      agent: false,
    })
      .on("response", resolve)
      .on("error", reject)
      .end();
  });
  let text = "";
  let ended = false;
  response.on("data", (chunk) => (text += chunk));
  response.on("error", () => undefined);
  response.on("close", () => (ended = true));
  return {
    response,
    lines: () =>
      text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line)),
    ended: () => ended,
  };
}

describe("checkpoints of the audit log", () => {
  it("G18: vouch for it to whoever has the public key and no secret", async () => {
    await daemon.close();
    daemon = await vault.start();
    const { json: shown } = await operate("GET", "/aivault/audit/checkpoints");
    expect(shown.items.length).toBeGreaterThan(0);
    const { vaultId } = (await operate("GET", "/aivault/status")).json.vault;
    const publicKey = Buffer.from(shown.publicKey, "base64");
    async function* lines() {
      const directory = join(vault.paths.root, "audit");
      for (const name of readdirSync(directory)
        .filter((each) => each.endsWith(".jsonl"))
        .sort()) {
        const text = readFileSync(join(directory, name), "utf8");
        for (const line of text.split("\n").slice(0, -1)) yield Buffer.from(`${line}\n`);
      }
    }
    const verified = await verifyCheckpoints(lines, { vaultId, publicKey });
    expect(verified).toMatchObject({ ok: true, checkpoints: shown.items.length });
    expect(shown.items[0]).toMatchObject({ signature: expect.any(String) });
  });

  it("keeps what a setting says it keeps", async () => {
    const set = await operate("PATCH", "/aivault/settings", json({ auditRetentionDays: 30 }));
    expect(set.json.auditRetentionDays).toBe(30);
    expect((await operate("GET", "/aivault/audit/verify")).json.ok).toBe(true);
    const none = await operate("PATCH", "/aivault/settings", json({ auditRetentionDays: 0 }));
    expect(none.status).toBe(400);
  });
});

describe("the audit tail", () => {
  it("shows entries as they are written, and what came after a given one", async () => {
    const { response, lines } = await tail();
    expect(response.headers["content-type"]).toBe("application/x-ndjson");
    await operate("PATCH", "/aivault/settings", json({ requireToken: true }));
    await until(() => lines().length === 1);
    expect(lines()[0].event).toMatchObject({ kind: "settings.changed" });
    const all = await tail("?afterSeq=0");
    await until(() => all.lines().length >= 3);
    expect(all.lines().map(({ seq }) => seq)).toEqual(all.lines().map((_, i) => i + 1));
    response.destroy();
    all.response.destroy();
  });

  it("ends when the vault is locked", async () => {
    const { ended } = await tail();
    await operate("POST", "/aivault/lock");
    await until(ended);
  });

  it("does not keep the daemon from closing", async () => {
    const { ended } = await tail();
    const startedMs = Date.now();
    await daemon.close();
    expect(Date.now() - startedMs).toBeLessThan(5_000);
    await until(ended);
  });
});
