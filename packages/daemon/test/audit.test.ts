// The audit log as an operator sees it, and invocations that a killed daemon left without an outcome.

import { request as httpRequest, type IncomingMessage } from "node:http";
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
