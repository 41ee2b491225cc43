// Clients that take their time, or go away by halves, on every listener.

import { readFileSync } from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Daemon } from "../src/start-daemon.ts";
import { openWebSocket } from "./socket-client.ts";
import { until } from "./stand-in.ts";
import { type TestVault, testVault } from "./vault.ts";
import { call } from "./wire.ts";

let vault: TestVault;
let daemon: Daemon;
let plain: number;
let tls: number;

beforeAll(async () => {
  vault = testVault();
  await vault.init();
  daemon = await vault.start({ listen: "127.0.0.1:0", listenTls: "127.0.0.1:0" });
  plain = Number(new URL(daemon.url ?? "").port);
  tls = Number(new URL(daemon.tls?.url ?? "").port);
});
afterAll(() => vault.dispose());

/** Send an octet now and then; resolve when the daemon has had enough. */
async function dribble(socket: Socket, octets: string): Promise<void> {
  let gone = false;
  socket.on("error", () => undefined);
  socket.on("close", () => {
    gone = true;
  });
  socket.resume();
  let at = 0;
  const timer = setInterval(() => {
    if (at < octets.length && socket.writable) socket.write(octets.charAt(at++));
  }, 400);
  try {
    await until(() => gone, 60_000);
  } finally {
    clearInterval(timer);
  }
}

const LINES = `GET /aivault/health HTTP/1.1\r\nx: ${"y".repeat(1000)}`;
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

describe("a client that takes its time", () => {
  it.concurrent.each<[string, () => Promise<void>]>([
    ["says nothing, on TCP", () => dribble(connectTcp(plain, "127.0.0.1"), "")],
    ["sends its headers bit by bit, on TCP", () => dribble(connectTcp(plain, "127.0.0.1"), LINES)],
    [
      "takes long to begin HTTP/2",
      () => dribble(connectTcp(plain, "127.0.0.1"), PREFACE.slice(0, 9)),
    ],
    ["makes no handshake, on the TLS port", () => dribble(connectTcp(tls, "127.0.0.1"), "")],
    [
      "sends its headers bit by bit, behind TLS",
      () => {
        const ca = readFileSync(daemon.tls?.authorityFile ?? "", "latin1");
        return dribble(connectTls({ host: "127.0.0.1", port: tls, ca }), LINES);
      },
    ],
    [
      "sends its headers bit by bit, on a unix socket",
      () => dribble(connectTcp(daemon.socket), LINES),
    ],
    [
      "sends its headers bit by bit, to the operator",
      () => dribble(connectTcp(daemon.operatorSocket), LINES),
    ],
    [
      "opens a WebSocket and says nothing",
      async () => {
        const client = await openWebSocket(daemon.socket, { path: "/aivault/ws" });
        await until(() => client.body().includes("invalid_request"), 60_000);
        await client.closed();
      },
    ],
  ])("is cut off when it %s", async (_, attempt) => attempt(), 90_000);

  it.concurrent("keeps nobody else waiting", async () => {
    const idle = Array.from({ length: 200 }, () => connectTcp(plain, "127.0.0.1"));
    for (const socket of idle) socket.on("error", () => undefined);
    expect((await call(daemon.socket, "GET", "/aivault/health")).status).toBe(200);
    for (const socket of idle) socket.destroy();
  });
});

describe("a client that goes away by halves", () => {
  it.each([
    ["TCP", () => connectTcp(plain, "127.0.0.1")],
    ["a unix socket", () => connectTcp(daemon.socket)],
  ])("gets its answer on %s when it has sent all it has to say", async (_, open) => {
    const socket = open();
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.end(`GET /aivault/health HTTP/1.1\r\nhost: localhost:${plain}\r\n\r\n`);
    await until(() => answer.startsWith("HTTP/1.1 "), 10_000);
    await until(() => socket.destroyed, 10_000);
  });
});
