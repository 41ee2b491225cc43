// WebSockets through the daemon: as SDKs open them, and by a first message.

import { connect } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Daemon } from "../src/start-daemon.ts";
import { clientText, openWebSocket } from "./socket-client.ts";
import { type SocketProvider, startSocketProvider } from "./socket-provider.ts";
import { until } from "./stand-in.ts";
import { type TestVault, testVault } from "./vault.ts";
import { call, form, json, statuses } from "./wire.ts";

const KEY = "canary-deepgram-0123456789abcdef";
let provider: SocketProvider;
let vault: TestVault;
let daemon: Daemon;
let port: number;
let token: string;

beforeAll(async () => {
  provider = await startSocketProvider("api.deepgram.com");
  vault = testVault();
  await vault.init({ dev: true });
  daemon = await vault.start({
    env: { ...vault.env, ...provider.daemonEnvironment },
    listen: "127.0.0.1:0",
  });
  port = Number(new URL(daemon.url ?? "").port);
  const secret = JSON.stringify({ name: "DEEPGRAM_API_KEY" });
  await operate("POST", "/aivault/secrets", form(["secret", secret], ["value", KEY]));
  token = (await mint()).token;
});
afterAll(async () => {
  await vault.dispose();
  await provider.stop();
});
beforeEach(() => {
  provider.opened.length = 0;
});

const operate = (method: string, path: string, options = {}) =>
  call(daemon.operatorSocket, method, path, options);
const mint = async (grant: object = {}): Promise<{ token: string; tokenId: string }> =>
  (await operate("POST", "/aivault/tokens", json({ capabilities: ["deepgram/*"], ...grant }))).json;
interface Outcome {
  readonly kind: string;
  readonly requestId?: string;
}

/** How an invocation ended, once that is on record. */
async function outcomeOf(requestId: string | undefined): Promise<Outcome | undefined> {
  let found: Outcome | undefined;
  await until(async () => {
    const { items } = (await operate("GET", "/aivault/audit?limit=50")).json;
    const events: Outcome[] = items.map(({ event }: { event: Outcome }) => event);
    found = events.find(
      (event) => event.kind === "invocation.completed" && event.requestId === requestId,
    );
    return found !== undefined;
  }, 10_000);
  return found;
}

describe("an upgrade on /v/{credential}/…", () => {
  it.each<[string, (t: string) => Parameters<typeof openWebSocket>[1]]>([
    ["a header", (t) => ({ path: "", headers: { authorization: `Token ${t}` } })],
    ["the query", (t) => ({ path: `?token=${t}` })],
    ["a sub-protocol", (t) => ({ path: "", protocols: ["token", t] })],
  ])("takes the token in %s, and nothing of it goes on", async (_, place) => {
    const { path, ...rest } = place(token);
    const client = await openWebSocket({ port }, { ...rest, path: `/v/deepgram/v1/listen${path}` });
    expect([client.status, client.body()]).toEqual([101, ""]);
    expect(client.headers["sec-websocket-accept"]).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    // What was offered only to announce a token is agreed to: clients insist on something.
    expect(client.headers["sec-websocket-protocol"]).toBe(rest.protocols?.[0]);
    expect(client.headers["aivault-capability"]).toBe("deepgram/transcription");
    client.send("hello");
    expect(await client.text()).toBe("hello");
    client.close();
    await client.closed();
    const [seen] = provider.opened;
    expect(seen?.request.url).toBe("/v1/listen");
    expect(seen?.request.headers.authorization).toBe(`Token ${KEY}`);
    expect(JSON.stringify(seen?.request.rawHeaders)).not.toContain("avp_");
    expect(seen?.request.headers["sec-websocket-protocol"]).toBeUndefined();
    expect(await outcomeOf(client.headers["aivault-request-id"])).toMatchObject({
      outcome: "completed",
    });
  });

  it("relays what came right behind the handshake", async () => {
    const client = await openWebSocket(daemon.socket, {
      path: "/v/deepgram/v1/listen",
      early: clientText("early"),
    });
    expect(await client.text()).toBe("early");
    client.close();
    await client.closed();
  });

  it("G9: redacts the credential where the provider sends it back", async () => {
    const client = await openWebSocket(daemon.socket, { path: "/v/deepgram/v1/listen" });
    client.send(`you are ${KEY}`);
    expect(await client.text()).toBe("you are [REDACTED]");
    client.close();
    await client.closed();
  });

  it.each<[string, Parameters<typeof openWebSocket>[1], number, string]>([
    ["no token", { path: "/v/deepgram/v1/listen" }, 401, "token_invalid"],
    ["another path", { path: "/v/deepgram/v1/other?token=T" }, 403, "policy_violation"],
    [
      "another version",
      { path: "/v/deepgram/v1/listen?token=T", headers: { "sec-websocket-version": "8" } },
      400,
      "invalid_request",
    ],
    [
      "no key",
      { path: "/v/deepgram/v1/listen?token=T", headers: { "sec-websocket-key": "x" } },
      400,
      "invalid_request",
    ],
    [
      "a key of its own",
      { path: "/v/deepgram/v1/listen?token=T", protocols: ["bearer.mine"] },
      403,
      "policy_violation",
    ],
    [
      "an origin",
      { path: "/v/deepgram/v1/listen?token=T", headers: { origin: "https://evil.test" } },
      403,
      "policy_violation",
    ],
    [
      "a foreign host",
      { path: "/v/deepgram/v1/listen?token=T", headers: { host: "evil.test" } },
      403,
      "policy_violation",
    ],
  ])("G13: is refused with %s, in HTTP", async (_, handshake, status, error) => {
    const path = handshake.path.replace("=T", `=${token}`);
    const client = await openWebSocket({ port }, { ...handshake, path });
    await client.closed();
    expect([client.status, JSON.parse(client.body()).error]).toEqual([status, error]);
    expect(client.headers["connection"]).toBe("close");
    expect(provider.opened).toEqual([]);
  });

  it("G13: ends at once, with 1008, when its token is revoked", async () => {
    const minted = await mint();
    const headers = { authorization: `Bearer ${minted.token}` };
    const client = await openWebSocket({ port }, { path: "/v/deepgram/v1/listen", headers });
    client.send("alive");
    expect(await client.text()).toBe("alive");
    await operate("DELETE", `/aivault/tokens/${minted.tokenId}`);
    const revokedMs = performance.now();
    expect(await client.closeCode()).toBe(1008);
    await client.closed();
    // It is ended before the revocation is answered; the rest is what a busy machine takes to tell.
    expect(performance.now() - revokedMs).toBeLessThan(5_000);
    await until(() => provider.opened[0]?.socket.destroyed === true);
    expect(await outcomeOf(client.headers["aivault-request-id"])).toMatchObject({
      outcome: "cancelled",
    });
  });

  it("G10: ends when a message is larger than the token allows", async () => {
    const small = await mint({ requestBytesMax: 10 });
    const headers = { authorization: `Bearer ${small.token}` };
    const client = await openWebSocket({ port }, { path: "/v/deepgram/v1/listen", headers });
    client.send("x".repeat(11));
    await client.closed();
    expect(await outcomeOf(client.headers["aivault-request-id"])).toMatchObject({
      outcome: "failed",
      code: "request_too_large",
    });
  });

  it("is recorded when the caller just vanishes", async () => {
    const client = await openWebSocket(daemon.socket, { path: "/v/deepgram/v1/listen" });
    client.send("here");
    await client.text();
    client.socket.destroy();
    expect(await outcomeOf(client.headers["aivault-request-id"])).toBeDefined();
    await until(() => provider.opened[0]?.socket.destroyed === true);
  });

  it("works for the root of a token that is pinned to a credential", async () => {
    const pinned = await mint({ credential: "deepgram" });
    const client = await openWebSocket(
      { port },
      { path: "/v1/listen", headers: { authorization: `Bearer ${pinned.token}` } },
    );
    expect(client.status).toBe(101);
    client.close();
    await client.closed();
  });

  it.each([
    ["h2c", ""],
    ["websocket", "content-length: 2\r\n"],
    ["websocket, h2c", "transfer-encoding: chunked\r\n"],
  ])("is none, and a request, with Upgrade: %s and %j", async (upgrade, framing) => {
    const body =
      framing === "" ? "" : framing.startsWith("content") ? "{}" : "2\r\n{}\r\n0\r\n\r\n";
    const socket = connect(daemon.socket);
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.write(
      `POST /aivault/proxy HTTP/1.1\r\nhost: aivault\r\ncontent-type: application/json\r\n${framing}connection: upgrade, http2-settings\r\nupgrade: ${upgrade}\r\nhttp2-settings: AAM\r\n\r\n${body}`,
    );
    await until(() => statuses(answer).length === 1);
    socket.write("GET /aivault/health HTTP/1.1\r\nhost: aivault\r\n\r\n");
    await until(() => statuses(answer).length === 2);
    expect(statuses(answer)).toEqual([400, 200]);
    socket.destroy();
  });

  it("does not exist on the operator's socket", async () => {
    const client = await openWebSocket(daemon.operatorSocket, { path: "/v/deepgram/v1/listen" });
    expect(client.status).toBe(404);
    client.socket.destroy();
  });

  it("answers a route that is no WebSocket as always", async () => {
    const client = await openWebSocket(daemon.socket, { path: "/aivault/health" });
    await client.closed();
    expect([client.status, JSON.parse(client.body()).ok]).toEqual([200, true]);
  });
});

describe("GET /aivault/ws", () => {
  const connect = { capability: "deepgram/transcription", path: "/v1/listen?model=nova" };

  it("leads where its first message says", async () => {
    const client = await openWebSocket(
      { port },
      {
        path: "/aivault/ws",
        headers: { authorization: `Bearer ${token}` },
        protocols: ["aivault"],
        early: Buffer.concat([clientText(JSON.stringify(connect)), clientText("early")]),
      },
    );
    expect([client.status, client.headers["sec-websocket-protocol"]]).toEqual([101, "aivault"]);
    const connected = JSON.parse(await client.text());
    expect(connected).toMatchObject({
      connected: true,
      requestId: client.headers["aivault-request-id"],
      protocol: null,
      credential: "deepgram",
      url: "https://api.deepgram.com/v1/listen?model=nova",
    });
    expect(await client.text()).toBe("early");
    client.send("later");
    expect(await client.text()).toBe("later");
    client.close();
    await client.closed();
    expect(provider.opened[0]?.request.headers.authorization).toBe(`Token ${KEY}`);
  });

  it("agrees to what the provider agreed to of the offer", async () => {
    const client = await openWebSocket(daemon.socket, { path: "/aivault/ws" });
    expect(client.headers["sec-websocket-protocol"]).toBeUndefined();
    client.send(
      JSON.stringify({
        ...connect,
        protocols: ["a", "b"],
        headers: [{ name: "x-mine", value: "1" }],
      }),
    );
    expect(JSON.parse(await client.text()).connected).toBe(true);
    const { headers } = provider.opened[0]?.request ?? { headers: {} };
    expect(headers).toMatchObject({ "sec-websocket-protocol": "a, b", "x-mine": "1" });
    client.close();
    await client.closed();
  });

  it.each<[string, string, string, number]>([
    ["what is no JSON", "{", "invalid_request", 1008],
    [
      "a member nobody knows",
      JSON.stringify({ ...connect, targetUrl: "x" }),
      "invalid_request",
      1008,
    ],
    ["another path", JSON.stringify({ ...connect, path: "/v1/x" }), "policy_violation", 1008],
    [
      "no such capability",
      JSON.stringify({ ...connect, capability: "a/b" }),
      "capability_not_found",
      1008,
    ],
    ["too much of it", "x".repeat(17_000), "invalid_request", 1008],
  ])("says in a message what is wrong with %s, and ends", async (_, first, error, code) => {
    const client = await openWebSocket(daemon.socket, { path: "/aivault/ws" });
    client.send(first);
    expect(JSON.parse(await client.text())).toMatchObject({ error });
    expect(await client.closeCode()).toBe(code);
    await client.closed();
    expect(provider.opened).toEqual([]);
  });

  it("is refused in HTTP without a token, and without a handshake", async () => {
    const refused = await openWebSocket({ port }, { path: "/aivault/ws" });
    await refused.closed();
    expect(refused.status).toBe(401);
    const plain = await call(daemon.socket, "GET", "/aivault/ws");
    expect([plain.status, plain.json.error]).toEqual([400, "invalid_request"]);
  });

  it("G13: ends when its token does before it said anything", async () => {
    const minted = await mint();
    const headers = { authorization: `Bearer ${minted.token}` };
    const client = await openWebSocket({ port }, { path: "/aivault/ws", headers });
    await operate("DELETE", `/aivault/tokens/${minted.tokenId}`);
    expect(JSON.parse(await client.text()).error).toBe("token_invalid");
    await client.closed();
  });
});

describe("a daemon with open WebSockets", () => {
  it("closes them with the vault, and waits for none when it ends", async () => {
    const open = () => openWebSocket(daemon.socket, { path: "/v/deepgram/v1/listen" });
    const first = await open();
    first.send("a");
    await first.text();
    await operate("POST", "/aivault/lock");
    expect(await first.closeCode()).toBe(1001);
    await first.closed();
    await operate("POST", "/aivault/unlock");
    const second = await open();
    second.send("a");
    await second.text();
    const waiting = await openWebSocket(daemon.socket, { path: "/aivault/ws" });
    const startMs = performance.now();
    await daemon.close();
    await Promise.all([second.closed(), waiting.closed()]);
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });
});

describe("a provider that refuses", () => {
  it("is told as a failure of the provider", async () => {
    const refusing = await startSocketProvider("api.deepgram.com", { refuse: 401 });
    const other = testVault();
    try {
      await other.init({ dev: true });
      const its = await other.start({ env: { ...other.env, ...refusing.daemonEnvironment } });
      const secret = JSON.stringify({ name: "DEEPGRAM_API_KEY" });
      await call(
        its.operatorSocket,
        "POST",
        "/aivault/secrets",
        form(["secret", secret], ["value", KEY]),
      );
      const client = await openWebSocket(its.socket, { path: "/v/deepgram/v1/listen" });
      await client.closed();
      expect([client.status, JSON.parse(client.body()).error]).toEqual([502, "upstream_failed"]);
    } finally {
      await other.dispose();
      await refusing.stop();
    }
  });
});
