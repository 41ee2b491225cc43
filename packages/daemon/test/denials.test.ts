// A caller that is refused without end, over the real socket.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, beforeEach, expect, it } from "vitest";
import { DENIALS_BURST } from "../src/denial-limit.ts";
import type { Daemon } from "../src/start-daemon.ts";
import { until } from "./stand-in.ts";
import { type TestVault, testVault } from "./vault.ts";
import { call, form } from "./wire.ts";

let vault: TestVault;
let daemon: Daemon;

beforeEach(async () => {
  vault = testVault();
  await vault.init();
  daemon = await vault.start();
});
afterEach(() => vault.dispose());

const lastSeq = async () =>
  (await call(daemon.operatorSocket, "GET", "/aivault/audit?limit=1")).json.items[0].seq;

it("G18: cannot fill the audit log, and what it tried is on record in numbers", async () => {
  const refusals = DENIALS_BURST + 300;
  const before = await lastSeq();
  let limited = 0;
  for (let sent = 0; sent < refusals; ) {
    const batch = Array.from({ length: Math.min(50, refusals - sent) }, () =>
      call(daemon.socket, "GET", "/aivault/no-such-route"),
    );
    sent += batch.length;
    for (const { status, headers } of await Promise.all(batch)) {
      expect([404, 429]).toContain(status);
      if (status !== 429) continue;
      limited += 1;
      expect(headers["retry-after"]).toBeDefined();
    }
  }
  expect(limited).toBeGreaterThan(0);
  // How often it was told 429 says little: one that came as the next was due is on record by itself.
  const onRecord = async () => {
    const { items } = (await call(daemon.operatorSocket, "GET", "/aivault/audit?limit=1000")).json;
    const counts: number[] = items
      .map(({ event }: { event: { kind: string; count: number } }) => event)
      .filter(({ kind }: { kind: string }) => kind === "denials.suppressed")
      .map(({ count }: { count: number }) => count);
    const entries = (await lastSeq()) - before;
    const suppressed = counts.reduce((sum, count) => sum + count, 0);
    return { entries, suppressed, alone: entries - counts.length };
  };
  // Each was recorded, or counted; none was neither.
  await until(async () => {
    const { suppressed, alone } = await onRecord();
    return suppressed + alone === refusals;
  }, 15_000);
  const { entries, suppressed } = await onRecord();
  expect(entries).toBeLessThan(refusals);
  expect(suppressed).toBeGreaterThan(0);
  const metrics = await call(daemon.operatorSocket, "GET", "/metrics");
  expect(metrics.text).toContain(`aivault_denials_suppressed_total ${suppressed}\n`);
});

it("leaves other processes in peace", async () => {
  const flood = Array.from({ length: DENIALS_BURST + 100 }, () => "/aivault/no-such-route");
  for (const path of flood) await call(daemon.socket, "GET", path);
  const other = spawn("curl", [
    "--silent",
    "--unix-socket",
    daemon.socket,
    "http://aivault/aivault/whoami",
  ]);
  let text = "";
  other.stdout.on("data", (chunk) => (text += chunk));
  const failed = once(other, "error").then(() => "no curl");
  const ended = once(other, "exit").then(() => "ended");
  if ((await Promise.race([failed, ended])) === "no curl") {
    process.stderr.write("SKIPPED: no curl to be another process with\n");
    return;
  }
  const { uid, principal } = JSON.parse(text);
  // Where the kernel does not tell who is there, everybody on the socket is one peer.
  if (uid !== null) expect(principal).toBe("caller");
});

it("does not hold against a caller what a provider fails at", async () => {
  const failing = testVault();
  try {
    await failing.init({ dev: true });
    // Nobody listens there.
    const env = { ...failing.env, AIVAULT_DEV_RESOLVE: "api.openai.com=127.0.0.1:1" };
    const { operatorSocket, socket } = await failing.start({ env });
    const secret = JSON.stringify({ name: "OPENAI_API_KEY" });
    await call(
      operatorSocket,
      "POST",
      "/aivault/secrets",
      form(["secret", secret], ["value", "sk-1"]),
    );
    for (let sent = 0; sent < DENIALS_BURST + 100; sent += 50) {
      const calls = Array.from({ length: 50 }, () => call(socket, "GET", "/v/openai/v1/models"));
      for (const { status } of await Promise.all(calls)) expect(status).toBe(502);
    }
  } finally {
    await failing.dispose();
  }
});

it("has figures for Prometheus, without a token or a name in them", async () => {
  await call(daemon.socket, "GET", "/aivault/whoami");
  const { status, headers, text } = await call(daemon.operatorSocket, "GET", "/metrics");
  expect(status).toBe(200);
  expect(headers["content-type"]).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(text).toContain('aivault_requests_total{socket="caller",status="200"} 1\n');
  expect(text).toContain("aivault_vault_locked 0\n");
  for (const line of text.trimEnd().split("\n")) {
    expect(line).toMatch(
      /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+)$/,
    );
  }
  expect((await call(daemon.socket, "GET", "/metrics")).status).toBe(404);
});
