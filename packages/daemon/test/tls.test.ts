// The TLS listener: for SDKs that insist on https: and wss:.

import { once } from "node:events";
import { readFileSync, rmSync, statSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { request as httpsRequest } from "node:https";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Daemon } from "../src/start-daemon.ts";
import { openWebSocket } from "./socket-client.ts";
import { type SocketProvider, startSocketProvider } from "./socket-provider.ts";
import { until } from "./stand-in.ts";
import { type TestVault, testVault } from "./vault.ts";
import { call, form, json } from "./wire.ts";

const KEY = "sk-proj-canary-0123456789abcdef0123456789abcdef";
let provider: SocketProvider;
let vault: TestVault;
let daemon: Daemon;
let ca: string;
let port: number;
let token: string;

beforeAll(async () => {
  provider = await startSocketProvider("api.openai.com", { protocol: "realtime" });
  vault = testVault();
  await vault.init({ dev: true });
  daemon = await vault.start({
    env: { ...vault.env, ...provider.daemonEnvironment },
    listenTls: "127.0.0.1:0",
  });
  const { url = "", authorityFile = "" } = daemon.tls ?? {};
  ca = readFileSync(authorityFile, "latin1");
  port = Number(new URL(url).port);
  const secret = JSON.stringify({ name: "OPENAI_API_KEY" });
  await operate("POST", "/aivault/secrets", form(["secret", secret], ["value", KEY]));
  const grant = json({ capabilities: ["openai/*"] });
  token = (await operate("POST", "/aivault/tokens", grant)).json.token;
});
afterAll(async () => {
  await vault.dispose();
  await provider.stop();
});

const operate = (method: string, path: string, options = {}) =>
  call(daemon.operatorSocket, method, path, options);

function get(host: string, path: string, headers: Record<string, string> = {}) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const to = { host, port, path, ca, headers, servername: "localhost", agent: false };
    httpsRequest(to, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    })
      .on("error", reject)
      .end();
  });
}

describe("--listen-tls", () => {
  it.each(["127.0.0.1", "localhost"])(
    "serves https://%s to who trusts its authority",
    async (host) => {
      const answer = await get(host, "/aivault/health");
      expect([answer.status, JSON.parse(answer.text).ok]).toEqual([200, true]);
    },
  );

  it("G14: has the guard of the plain listener, and needs a token as that does", async () => {
    const evil = await get("127.0.0.1", "/aivault/health", { host: "evil.test" });
    expect([evil.status, JSON.parse(evil.text).error]).toEqual([403, "policy_violation"]);
    const page = await get("127.0.0.1", "/aivault/health", { origin: "https://evil.test" });
    expect(page.status).toBe(403);
    expect((await get("127.0.0.1", "/aivault/capabilities")).status).toBe(401);
    const headers = { authorization: `Bearer ${token}` };
    expect((await get("127.0.0.1", "/aivault/capabilities", headers)).status).toBe(200);
    expect((await get("127.0.0.1", "/aivault/status", headers)).status).toBe(404);
  });

  it("relays wss:, with the token in a sub-protocol as browsers' SDKs have it", async () => {
    const socket = connectTls({ host: "127.0.0.1", port, ca });
    const client = await openWebSocket(socket, {
      path: "/v/openai/v1/realtime?model=m",
      headers: { host: `127.0.0.1:${port}` },
      protocols: ["realtime", `openai-insecure-api-key.${token}`],
    });
    expect([client.status, client.headers["sec-websocket-protocol"]]).toEqual([101, "realtime"]);
    client.send("hello");
    expect(await client.text()).toBe("hello");
    client.close();
    await client.closed();
    const { headers } = provider.opened[0]?.request ?? { headers: {} };
    expect(headers).toMatchObject({
      authorization: `Bearer ${KEY}`,
      "sec-websocket-protocol": "realtime",
    });
  });

  it("speaks HTTP/2 to who asks for it in the handshake", async () => {
    const session = connectHttp2(`https://127.0.0.1:${port}`, { ca });
    const stream = session.request({ ":path": "/aivault/health" });
    const status = await new Promise((resolve) => {
      stream.on("response", (headers) => resolve(headers[":status"]));
    });
    expect(status).toBe(200);
    session.destroy();
  });

  it("does not answer who speaks no TLS, or none that is new enough", async () => {
    const socket = connectTcp(port, "127.0.0.1");
    let octets = 0;
    let gone = false;
    socket.on("data", (chunk) => {
      octets += chunk.length;
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      gone = true;
    });
    socket.write(`GET /aivault/health HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`);
    await until(() => gone, 15_000);
    // An alert at most.
    expect(octets).toBeLessThan(16);
    // Without a level of 0 the client would refuse itself, and say nothing of the daemon.
    const old = {
      maxVersion: "TLSv1.1",
      minVersion: "TLSv1",
      ciphers: "DEFAULT@SECLEVEL=0",
    } as const;
    const refusal = await new Promise((resolve) => {
      connectTls({ host: "127.0.0.1", port, ca, ...old })
        .on("secureConnect", () => resolve("connected"))
        .on("error", (error: NodeJS.ErrnoException) => resolve(error.code));
    });
    expect(refusal).toBe("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
  });

  it("keeps its certificate over a restart, so that it is trusted once", async () => {
    const before = daemon.tls?.authorityFile ?? "";
    const { mtimeMs } = statSync(before);
    await daemon.close();
    daemon = await vault.start({
      env: { ...vault.env, ...provider.daemonEnvironment },
      listenTls: "127.0.0.1:0",
    });
    port = Number(new URL(daemon.tls?.url ?? "").port);
    expect((await get("127.0.0.1", "/aivault/health")).status).toBe(200);
    expect(statSync(before).mtimeMs).toBe(mtimeMs);
    expect(before).toBe(join(vault.directory, "tls", "ca.pem"));
  });

  it("presents another certificate when told to read again, and keeps its connections", async () => {
    const { authorityFile = "" } = daemon.tls ?? {};
    const open = connectHttp2(`https://127.0.0.1:${port}`, { ca });
    await once(open, "connect");
    rmSync(join(vault.directory, "tls", "server.pem"));
    await daemon.reload();
    await expect(get("127.0.0.1", "/aivault/health")).rejects.toMatchObject({
      code: "SELF_SIGNED_CERT_IN_CHAIN",
    });
    ca = readFileSync(authorityFile, "latin1");
    expect((await get("127.0.0.1", "/aivault/health")).status).toBe(200);
    expect(open.destroyed).toBe(false);
    open.close();
    const kept = readFileSync(join(vault.directory, "tls", "server.pem"), "latin1");
    await daemon.reload();
    expect(readFileSync(join(vault.directory, "tls", "server.pem"), "latin1")).toBe(kept);
  });

  it.each(["0.0.0.0:0", "localhost:0", "[::]:0"])("does not listen at %s", async (listenTls) => {
    const other = testVault();
    try {
      await other.init();
      await expect(other.start({ listenTls })).rejects.toMatchObject({
        code: "DAEMON_OPTION_INVALID",
      });
    } finally {
      await other.dispose();
    }
  });
});
