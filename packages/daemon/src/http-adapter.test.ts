import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { call, json, raw, statuses } from "../test/wire.ts";
import { JSON_BYTES_MAX, readBody } from "./body.ts";
import { DenialLimit } from "./denial-limit.ts";
import { ok, type SocketKind } from "./exchange.ts";
import { connectionsMax, createHttpListener, type HttpListener, LIMITS } from "./http-adapter.ts";
import { listenAt } from "./listen.ts";
import { Metrics } from "./metrics.ts";
import type { PeerIdentity } from "./platform/index.ts";
import { linuxPlatform } from "./platform/linux.ts";
import type { Route } from "./routes.ts";
import type { Services } from "./services.ts";

let directory: string;
let listener: HttpListener;
let socket: string;
/** What was recorded as denied. */
let denied: { code: string; message: string }[];
let locked = false;
let auditFails = false;

const echo: Route = {
  method: "POST",
  path: "/echo",
  async handler(exchange) {
    exchange.continueBody();
    return ok({ bytes: (await readBody(exchange.request, JSON_BYTES_MAX)).length });
  },
};
const broken: Route = {
  method: "GET",
  path: "/broken",
  handler() {
    throw new Error("canary: a message nobody checked");
  },
};
const whoami: Route = {
  method: "GET",
  path: "/whoami",
  handler: ({ principal }) => ok(principal),
};

async function start(routes: readonly Route[], options: Options = {}) {
  const services = {
    vault: {
      get locked() {
        return locked;
      },
    },
    log: pino({ level: "silent" }),
    denials: new DenialLimit(Date.now, async () => undefined),
    metrics: new Metrics(Date.now()),
    engine: {
      broker: () => ({
        async denied(_id: string, _principal: object, what: { code: string; message: string }) {
          if (auditFails)
            throw Object.assign(new Error("disk"), {
              name: "VaultError",
              code: "VAULT_AUDIT_FAILED",
            });
          denied.push(what);
        },
      }),
    },
  } as unknown as Services;
  listener = createHttpListener({
    socket: options.socket ?? "caller",
    routes,
    services,
    platform: { ...linuxPlatform(null), peerOf: () => options.peer ?? null },
    ...(options.onServed === undefined ? {} : { onServed: options.onServed }),
  });
  await listenAt(listener.server, socket, linuxPlatform(null));
}
interface Options {
  socket?: SocketKind;
  peer?: PeerIdentity;
  onServed?: () => void;
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "aivault-http-"));
  socket = join(directory, "s.sock");
  denied = [];
  locked = false;
  auditFails = false;
});

afterEach(async () => {
  await listener.close(0);
  rmSync(directory, { recursive: true });
});

describe("createHttpListener", () => {
  it("answers with JSON, a request id, and no sign of a refusal", async () => {
    await start([echo]);
    const answer = await call(socket, "POST", "/echo", json({ a: 1 }));
    expect(answer.json).toEqual({ bytes: 7 });
    expect(answer.headers["aivault-request-id"]).toMatch(/^[\w-]{16}$/);
    expect(answer.headers["aivault-error"]).toBeUndefined();
  });

  it("G18: records a caller's refusal before it tells it, in the same words", async () => {
    await start([echo]);
    const answer = await call(socket, "GET", "/aivault/secrets");
    expect([
      answer.status,
      answer.headers["aivault-error"],
      answer.headers["x-should-retry"],
    ]).toEqual([404, "not_found", "false"]);
    expect(answer.json).toEqual({
      error: "not_found",
      message: denied[0]?.message,
      requestId: answer.headers["aivault-request-id"],
    });
  });

  it("G18: says that nothing was done when a refusal cannot be recorded", async () => {
    auditFails = true;
    await start([echo]);
    const answer = await call(socket, "GET", "/nowhere");
    expect([answer.status, answer.json.error]).toEqual([503, "vault_unavailable"]);
  });

  it("G19: refuses all the same while the vault is locked", async () => {
    locked = true;
    await start([echo]);
    expect((await call(socket, "GET", "/nowhere")).status).toBe(404);
    expect(denied).toEqual([]);
  });

  it("says nothing about an error that nobody foresaw", async () => {
    await start([broken]);
    const answer = await call(socket, "GET", "/broken");
    expect([answer.status, answer.json.error]).toEqual([500, "internal"]);
    expect(answer.text).not.toContain("canary");
  });

  it("G14: serves nobody but the owner on the operator socket, where the kernel tells", async () => {
    await start([whoami], { socket: "operator", peer: { uid: 65_534, pid: 1 } });
    const answer = await call(socket, "GET", "/whoami");
    expect([answer.status, answer.json.error]).toEqual([401, "operator_auth_required"]);
  });

  it("G14: takes who asks from the socket and the kernel, never from the request", async () => {
    await start([whoami], { peer: { uid: 65_534, pid: 7 } });
    const headers = { "x-principal": "operator", authorization: "Bearer operator" };
    expect((await call(socket, "GET", "/whoami", { headers })).json).toEqual({
      kind: "caller",
      transport: "unix",
      uid: 65_534,
      pid: 7,
    });
  });

  it("refuses a body above the limit before any of it is read", async () => {
    await start([echo]);
    const head = `POST /echo HTTP/1.1\r\nhost: aivault\r\nexpect: 100-continue\r\ncontent-length: ${JSON_BYTES_MAX + 1}\r\n\r\n`;
    const answer = await raw(socket, head, 500);
    expect(answer).toContain('"error":"request_too_large"');
  });

  it("refuses a body above the limit while it is read, and the client hears why", async () => {
    await start([echo]);
    const head = "POST /echo HTTP/1.1\r\nhost: aivault\r\ntransfer-encoding: chunked\r\n\r\n";
    const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`;
    const answer = await raw(socket, `${head}${chunk.repeat(20)}0\r\n\r\n`);
    expect(statuses(answer)).toEqual([413]);
  });

  it("cuts a client that goes on sending after it was refused", async () => {
    await start([echo]);
    const client = connect(socket);
    client.on("error", () => {});
    client.resume();
    client.write("POST /nowhere HTTP/1.1\r\nhost: aivault\r\ntransfer-encoding: chunked\r\n\r\n");
    const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`;
    const timer = setInterval(() => client.write(chunk), 1);
    await new Promise((resolve) => client.on("close", resolve));
    clearInterval(timer);
    expect(client.bytesWritten).toBeLessThan(LIMITS.lingerBytes * 8);
  });

  it("tells a waiting client to send its body only once somebody will read it", async () => {
    await start([echo]);
    const expecting = "host: aivault\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    const refused = await raw(socket, `POST /nowhere HTTP/1.1\r\n${expecting}`, 300);
    expect(statuses(refused)).toEqual([404]);
    const wanted = await raw(socket, `POST /echo HTTP/1.1\r\n${expecting}{}`, 300);
    expect(statuses(wanted)).toEqual([100, 200]);
  });

  it("refuses an expectation it does not know", async () => {
    await start([echo]);
    const answer = await raw(
      socket,
      "POST /echo HTTP/1.1\r\nhost: aivault\r\nexpect: the-unexpected\r\ncontent-length: 0\r\n\r\n",
      300,
    );
    expect(statuses(answer)).toEqual([400]);
  });

  it("answers a client that has shut down writing after its request", async () => {
    await start([echo]);
    const text = await new Promise<string>((resolve) => {
      let received = "";
      const client = connect({ path: socket, allowHalfOpen: true });
      client.on("data", (chunk) => {
        received += chunk;
      });
      client.on("end", () => {
        client.destroy();
        resolve(received);
      });
      client.end("POST /echo HTTP/1.1\r\nhost: aivault\r\ncontent-length: 2\r\n\r\n{}");
    });
    expect(statuses(text)).toEqual([200]);
  });

  it("answers what is not HTTP with a problem, records it, and closes", async () => {
    await start([echo]);
    const answer = await raw(socket, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
    expect(answer).toContain("aivault-error: invalid_request");
    expect(denied).toHaveLength(1);
  });

  it("refuses header lines that are too large together", async () => {
    await start([echo]);
    const answer = await raw(
      socket,
      `GET /echo HTTP/1.1\r\nhost: aivault\r\nx: ${"y".repeat(LIMITS.headerBytesMax)}\r\n\r\n`,
    );
    expect(answer).toContain("aivault-error: request_too_large");
  });

  it("ignores an upgrade it was not asked to offer", async () => {
    await start([echo]);
    const answer = await raw(
      socket,
      "POST /echo HTTP/1.1\r\nhost: aivault\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAM\r\ncontent-length: 2\r\n\r\n{}",
      300,
    );
    expect(statuses(answer)).toEqual([200]);
  });

  it("says that a connection was served when it asked for more than health", async () => {
    let served = 0;
    const health: Route = { method: "GET", path: "/aivault/health", handler: () => ok({}) };
    await start([health, echo], { onServed: () => served++ });
    await call(socket, "GET", "/aivault/health");
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(served).toBe(0);
    await call(socket, "POST", "/echo", json({}));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(served).toBe(1);
  });
});

describe("close", () => {
  const slow = (ms: number, seen: { aborted?: boolean } = {}): Route => ({
    method: "GET",
    path: "/slow",
    async handler({ signal }) {
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, ms);
        signal.addEventListener("abort", () => {
          seen.aborted = true;
          clearTimeout(timer);
          resolve(null);
        });
      });
      return ok({ done: true });
    },
  });

  it("lets a running request finish and takes no new one", async () => {
    await start([slow(200)]);
    const running = call(socket, "GET", "/slow");
    await new Promise((resolve) => setTimeout(resolve, 50));
    const closing = listener.close(5_000);
    await expect(call(socket, "GET", "/slow")).rejects.toThrow();
    expect((await running).json).toEqual({ done: true });
    await closing;
  });

  it("aborts what has not finished when the grace is over", async () => {
    const seen: { aborted?: boolean } = {};
    await start([slow(60_000, seen)]);
    const running = call(socket, "GET", "/slow").catch(() => null);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await listener.close(50);
    expect(seen.aborted).toBe(true);
    await running;
  });

  it("aborts a request whose client has gone", async () => {
    const seen: { aborted?: boolean } = {};
    await start([slow(60_000, seen)]);
    const client = connect(socket);
    client.write("GET /slow HTTP/1.1\r\nhost: aivault\r\n\r\n");
    await new Promise((resolve) => setTimeout(resolve, 50));
    client.destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(seen.aborted).toBe(true);
  });
});

describe("connectionsMax", () => {
  it.each<[number | null, number]>([
    [null, LIMITS.connectionsMax],
    [64, 12],
    [1024, 492],
    [1_048_576, LIMITS.connectionsMax],
    [10, 1],
  ])("with %j descriptors is %i", (descriptors, connections) => {
    expect(connectionsMax(descriptors)).toBe(connections);
  });

  it("is shared by the listeners of a process", () => {
    expect(connectionsMax(1024, 2)).toBe(492);
    expect(connectionsMax(1024, 4)).toBe(246);
    expect(connectionsMax(64, 100)).toBe(1);
    expect(connectionsMax(null, 3)).toBe(LIMITS.connectionsMax);
  });
});
