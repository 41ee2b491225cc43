import type { IncomingMessage } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { type Duplex, duplexPair } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";
import { BrokerError, type SocketHead, webSocketAccept } from "../src/index.ts";
import { serverFrame, TEXT } from "../src/websocket-frame.ts";
import { authority } from "./support/certificate-authority.ts";
import { auditEvents, createHarness, type Harness, invocation, utf8 } from "./support/harness.ts";

const HOST = "realtime.acme.com";
const SECRET = "canary-socket-0123456789";
let server: Server;
let harness: Harness;
let upgrades: IncomingMessage[] = [];
let sockets: Socket[] = [];

/** A provider that opens sockets and hands each to `serve`. */
async function start(
  serve: (socket: Duplex, request: IncomingMessage) => void,
  answer: (request: IncomingMessage) => readonly string[] = (request) => [
    "HTTP/1.1 101 Switching Protocols",
    "upgrade: websocket",
    "connection: Upgrade",
    `sec-websocket-accept: ${webSocketAccept(String(request.headers["sec-websocket-key"]))}`,
    `x-echo: ${request.headers["x-acme-key"]}`,
    "set-cookie: a=b",
  ],
): Promise<void> {
  upgrades = [];
  sockets = [];
  const { certificatePem, keyPem } = authority.issue({ hosts: [HOST] });
  server = createServer({ cert: certificatePem, key: keyPem }, (_request, response) => {
    response.statusCode = 403;
    response.end("no");
  });
  server.on("connection", (socket: Socket) => sockets.push(socket));
  server.on("upgrade", (request, socket) => {
    upgrades.push(request);
    socket.on("error", () => {});
    socket.write(`${answer(request).join("\r\n")}\r\n\r\n`);
    serve(socket, request);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  harness = await createHarness({ hosts: { [HOST]: port } });
  await harness.broker.createSecret({ name: "ACME", value: utf8(SECRET) });
  await harness.broker.createCredential({
    id: "acme",
    provider: "acme",
    secrets: { secret: "ACME" },
    hosts: [HOST],
    auth: { strategy: "header", name: "x-acme-key", template: "{{secret}}" },
  });
  await harness.broker.createCapability({
    id: "acme/realtime",
    provider: "acme",
    host: HOST,
    rules: [{ methods: ["GET"], match: "exact", path: "/v1/realtime" }],
  });
}

afterEach(async () => {
  await harness.close();
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

interface Opened {
  readonly caller: Duplex;
  readonly head: Promise<SocketHead>;
  readonly done: Promise<void>;
}

function open(
  options: { path?: string; protocols?: readonly string[]; signal?: AbortSignal } = {},
): Opened {
  const [caller, ours] = duplexPair();
  caller.on("error", () => {});
  let accepted: (head: SocketHead) => void = () => {};
  const head = new Promise<SocketHead>((resolve) => {
    accepted = resolve;
  });
  const done = harness.broker.openSocket(
    invocation({
      capability: "acme/realtime",
      request: { method: "GET", path: options.path ?? "/v1/realtime?model=a" },
    }),
    options.protocols ?? [],
    (given) => {
      accepted(given);
      return ours;
    },
    options.signal ?? new AbortController().signal,
  );
  done.catch(() => {});
  return { caller, head, done };
}

/** A frame as a client sends it. */
function clientFrame(text: string): Buffer {
  const mask = Buffer.from([1, 2, 3, 4]);
  const payload = Buffer.from(text).map((byte, i) => byte ^ (mask[i % 4] as number));
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), mask, payload]);
}

async function read(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describe("a WebSocket", () => {
  it("is opened with the credential and relays frames both ways, octet for octet", async () => {
    const seen: Buffer[] = [];
    await start((socket) => {
      socket.on("data", (chunk: Buffer) => {
        seen.push(chunk);
        socket.end(serverFrame(true, TEXT, [utf8("hello")]));
      });
    });
    const { caller, head, done } = open({ protocols: ["realtime"] });
    const { headers, plan, protocol } = await head;
    expect(protocol).toBeNull();
    expect(headers).toContainEqual({ name: "x-echo", value: "[REDACTED]" });
    expect(headers.map(({ name }) => name)).not.toContain("set-cookie");
    expect(plan.url).toBe(`https://${HOST}/v1/realtime?model=a`);
    expect(upgrades[0]?.headers["x-acme-key"]).toBe(SECRET);
    expect(upgrades[0]?.headers["sec-websocket-protocol"]).toBe("realtime");
    expect(upgrades[0]?.headers["sec-websocket-extensions"]).toBeUndefined();
    caller.write(clientFrame("hi"));
    expect(await read(caller)).toEqual(serverFrame(true, TEXT, [utf8("hello")]));
    caller.end();
    await done;
    expect(Buffer.concat(seen)).toEqual(clientFrame("hi"));
    expect(await auditEvents(harness.vault, 1)).toMatchObject([
      { kind: "invocation.completed", outcome: "completed", status: 101 },
    ]);
    expect(JSON.stringify(await auditEvents(harness.vault))).not.toContain(SECRET);
  });

  it("G9: shows no credential in a message, whole, in fragments or in pieces", async () => {
    const half = SECRET.length / 2;
    await start((socket) => {
      const whole = serverFrame(true, TEXT, [utf8(`a ${SECRET} b`)]);
      const parts = [
        serverFrame(false, TEXT, [utf8(`c ${SECRET.slice(0, half)}`)]),
        serverFrame(true, 9, [utf8("ping")]),
        serverFrame(true, 0, [utf8(`${SECRET.slice(half)} d`)]),
      ];
      const binary = serverFrame(true, 2, [utf8(SECRET)]);
      const close = serverFrame(true, 8, [Uint8Array.of(3, 232), utf8(SECRET)]);
      const all = Buffer.concat([whole, ...parts, binary, close]);
      for (const byte of all) socket.write(Uint8Array.of(byte));
      socket.end();
    });
    const { caller, done } = open();
    const text = (await read(caller)).toString("latin1");
    caller.end();
    await done;
    expect(text).not.toContain(SECRET);
    expect(text.match(/\[REDACTED\]/g)).toHaveLength(4);
    expect(text).toContain("ping");
  });

  it("is decided about as a GET", async () => {
    await start((socket) => socket.end());
    await expect(open({ path: "/v1/other" }).done).rejects.toMatchObject({
      code: "policy_violation",
      reason: "path_not_allowed",
    });
    await expect(open({ protocols: ["openai-insecure-api-key.mine"] }).done).rejects.toMatchObject({
      reason: "auth_header_rejected",
    });
    await expect(open({ protocols: ["a, b"] }).done).rejects.toMatchObject({
      code: "invalid_request",
    });
    expect(upgrades).toEqual([]);
    expect(await auditEvents(harness.vault, 1)).toMatchObject([{ decision: "deny" }]);
  });

  it.each([
    ["1008", "its token does", new BrokerError("policy_violation", "the token has ended"), 0xf0],
    ["1001", "whoever relays it has to", undefined, 0xe9],
  ])("G13: ends at once, with %s, when %s", async (_code, _when, reason, last) => {
    await start(() => {});
    const abort = new AbortController();
    const { caller, head, done } = open({ signal: abort.signal });
    const received: Buffer[] = [];
    caller.on("data", (chunk: Buffer) => received.push(chunk));
    await head;
    abort.abort(reason);
    await expect(done).rejects.toMatchObject({ code: "upstream_failed" });
    expect([...Buffer.concat(received)]).toEqual([0x88, 2, 0x03, last]);
    expect(await auditEvents(harness.vault, 1)).toMatchObject([{ outcome: "cancelled" }]);
  });

  it("G10: is bound by sizes and by how many are open", async () => {
    await start((socket) => {
      socket.on("data", () => socket.write(serverFrame(true, TEXT, [utf8("x".repeat(50))])));
    });
    await harness.broker.setPolicy("acme/realtime", { responseBytesMax: 40, concurrency: 1 });
    const first = open();
    await first.head;
    await expect(open().done).rejects.toMatchObject({ code: "rate_limited" });
    first.caller.write(clientFrame("go"));
    await expect(first.done).rejects.toMatchObject({ code: "response_too_large" });
    const second = open();
    await second.head;
    second.caller.write("not a frame, not masked");
    await expect(second.done).rejects.toMatchObject({ code: "invalid_request" });
  });

  it("does not come about when the handshake is refused or not sound", async () => {
    await start(
      (socket) => socket.end(),
      () => ["HTTP/1.1 403 Forbidden", "content-length: 0"],
    );
    await expect(open().done).rejects.toMatchObject({ code: "upstream_failed" });
    await harness.close();
    server.removeAllListeners("upgrade");
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await start(
      (socket) => socket.end(),
      () => [
        "HTTP/1.1 101 Switching Protocols",
        "upgrade: websocket",
        "connection: Upgrade",
        "sec-websocket-accept: wrong",
      ],
    );
    await expect(open().done).rejects.toMatchObject({ code: "upstream_failed" });
  });
});
