// HTTP/2 with prior knowledge on the TCP listener, beside HTTP/1.1 at the same port.

import { request as httpRequest } from "node:http";
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  constants,
  type IncomingHttpHeaders,
} from "node:http2";
import { connect } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Daemon } from "../src/start-daemon.ts";
import { type StandIn, startStandIn, until } from "./stand-in.ts";
import { type TestVault, testVault } from "./vault.ts";
import { call, form, json } from "./wire.ts";

const KEY = "sk-proj-1";
let standIn: StandIn;
let vault: TestVault;
let daemon: Daemon;
let token: string;
let session: ClientHttp2Session;

beforeAll(async () => {
  standIn = await startStandIn({ credentials: { "api.openai.com": { secret: KEY } } });
  vault = testVault();
  await vault.init({ dev: true });
  daemon = await vault.start({
    env: { ...vault.env, ...standIn.daemonEnvironment },
    listen: "127.0.0.1:0",
  });
  const secret = JSON.stringify({ name: "OPENAI_API_KEY" });
  await operate("POST", "/aivault/secrets", form(["secret", secret], ["value", KEY]));
  token = (await operate("POST", "/aivault/tokens", json({ capabilities: ["openai/*"] }))).json
    .token;
  session = connectHttp2(daemon.url ?? "").setMaxListeners(50);
});
afterAll(async () => {
  session.destroy();
  await vault.dispose();
  await standIn.stop();
});
beforeEach(() => standIn.clear());

const operate = (method: string, path: string, options = {}) =>
  call(daemon.operatorSocket, method, path, options);
const port = () => Number(new URL(daemon.url ?? "").port);

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** How the stream ended; 0 for in order. */
  readonly code: number;
}

function send(
  headers: Readonly<Record<string, string>>,
  body?: string | Buffer,
  on = session,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = on.request(headers, { endStream: body === undefined });
    let answer: IncomingHttpHeaders = {};
    let text = "";
    stream.on("response", (given) => {
      answer = given as IncomingHttpHeaders;
    });
    stream.on("data", (chunk) => {
      text += chunk;
    });
    stream.on("error", () => undefined);
    stream.on("close", () => {
      const status = Number((answer as Record<string, unknown>)[":status"] ?? 0);
      resolve({ status, headers: answer, text, code: stream.rstCode ?? 0 });
    });
    const failed = () => reject(new Error("the session has failed"));
    on.once("error", failed);
    stream.once("close", () => on.off("error", failed));
    if (body !== undefined) stream.end(body);
  });
}

const chat = (more: Record<string, string> = {}) => ({
  ":method": "POST",
  ":path": "/v/openai/v1/chat/completions",
  authorization: `Bearer ${token}`,
  "content-type": "application/json",
  ...more,
});

describe("HTTP/2 with prior knowledge", () => {
  it("is a request like any other, and the provider sees no difference", async () => {
    const answer = await send(chat(), '{"model":"m","messages":[]}');
    expect([answer.status, answer.code]).toEqual([200, 0]);
    expect(answer.headers["aivault-capability"]).toBe("openai/chat-completions");
    const [seen] = await standIn.requests();
    expect(seen).toMatchObject({ authorized: true, requestBytes: 27, callerTokenSeen: false });
    expect(seen?.headerNames.filter((name) => name === "host")).toHaveLength(1);
  });

  it("streams events one by one, many requests at a time", async () => {
    const body = JSON.stringify({ model: "m", messages: [], stream: true });
    const answers = await Promise.all(Array.from({ length: 8 }, () => send(chat(), body)));
    for (const { status, text } of answers) {
      expect(status, text).toBe(200);
      expect(text).toContain("[DONE]");
    }
  });

  it("uploads a body of unknown length", async () => {
    const parts = ["--b", 'content-disposition: form-data; name="file"; filename="f"', ""];
    const body = Buffer.from([...parts, "x".repeat(300_000), "--b--", ""].join("\r\n"));
    const type = "multipart/form-data; boundary=b";
    const answer = await send(chat({ ":path": "/v/openai/v1/files", "content-type": type }), body);
    expect([answer.status, JSON.parse(answer.text).bytes]).toEqual([200, 300_000]);
  });

  it("answers a client that waits with Expect: 100-continue", async () => {
    let continued = false;
    const stream = session.request(chat({ expect: "100-continue" }));
    stream.on("continue", () => {
      continued = true;
      stream.end('{"model":"m","messages":[]}');
    });
    const status = await new Promise((resolve) => {
      stream.on("response", (headers) => resolve(headers[":status"]));
    });
    expect([continued, status]).toEqual([true, 200]);
    stream.resume();
  });

  it.each<[string, Record<string, string>, number, string]>([
    ["no token", { authorization: "" }, 401, "token_invalid"],
    ["a foreign authority", { ":authority": "evil.test" }, 403, "policy_violation"],
    ["two hosts", { ":authority": "localhost", host: "localhost" }, 400, "invalid_request"],
    ["an origin", { origin: "http://evil.test" }, 403, "policy_violation"],
    ["another path", { ":path": "/v/openai/v1/x" }, 403, "policy_violation"],
    ["an operator's route", { ":method": "GET", ":path": "/aivault/status" }, 404, "not_found"],
    ["TRACE", { ":method": "TRACE" }, 400, "invalid_request"],
    ["another expectation", { expect: "200-ok" }, 400, "invalid_request"],
  ])("G14: is refused with %s", async (_, change, status, error) => {
    const answer = await send(chat(change));
    expect([answer.status, JSON.parse(answer.text).error]).toEqual([status, error]);
    expect(answer.headers["aivault-error"]).toBe(error);
    expect(await standIn.requests()).toEqual([]);
  });

  it("breaks off a response that breaks, so that nobody takes it for whole", async () => {
    const body = JSON.stringify({ model: "m", messages: [], x_stand_in: "reset-mid-body" });
    const answer = await send(chat(), body);
    if (answer.status === 200) expect(answer.code).toBe(constants.NGHTTP2_INTERNAL_ERROR);
    else expect(answer.status).toBe(502);
  });

  it("ends upstream when the caller resets its stream", async () => {
    const stream = session.request(chat());
    stream.on("error", () => undefined);
    stream.end(JSON.stringify({ model: "m", messages: [], x_stand_in: "hang-mid-body" }));
    stream.once("data", () => stream.close(constants.NGHTTP2_CANCEL));
    await until(async () => (await standIn.requests())[0]?.outcome === "aborted", 10_000);
    expect((await send(chat(), '{"model":"m","messages":[]}')).status).toBe(200);
  });

  it("G10: stops reading a body that is refused", async () => {
    const stream = session.request(chat({ ":path": "/aivault/proxy" }));
    stream.on("error", () => undefined);
    const answered = new Promise((resolve) => {
      stream.on("response", (headers) => resolve(headers[":status"]));
    });
    let sent = 0;
    const push = () => {
      while (!stream.destroyed && sent < 64 * 1024 * 1024) {
        sent += 65_536;
        if (!stream.write(Buffer.alloc(65_536, 0x20))) {
          stream.once("drain", push);
          return;
        }
      }
    };
    push();
    stream.resume();
    expect(await answered).toBe(413);
    await until(() => stream.destroyed, 10_000);
    expect(sent).toBeLessThan(16 * 1024 * 1024);
  });

  it("refuses a header list that is too large, and lives on", async () => {
    const answer = await send(chat({ x: "y".repeat(40_000) }), "{}");
    expect(answer.status).not.toBe(200);
    const again = connectHttp2(daemon.url ?? "");
    const body = '{"model":"m","messages":[]}';
    expect((await send(chat(), body, again)).status).toBe(200);
    again.destroy();
  });

  it("leaves HTTP/1.1 as it was, in pieces of any size", async () => {
    const octets = `GET /aivault/health HTTP/1.1\r\nhost: 127.0.0.1:${port()}\r\nconnection: close\r\n\r\n`;
    for (const size of [1, 3, octets.length]) {
      const socket = connect(port(), "127.0.0.1").setNoDelay();
      let answer = "";
      socket.on("data", (chunk) => {
        answer += chunk;
      });
      for (let at = 0; at < octets.length; at += size) {
        socket.write(octets.slice(at, at + size));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await until(() => answer.includes('"ok":true'));
      socket.destroy();
    }
  });

  it("does not take a request line that only says HTTP/2", async () => {
    const status = await new Promise((resolve, reject) => {
      const socket = connect(port(), "127.0.0.1");
      socket.on("data", (chunk) => resolve(Number(String(chunk).split(" ")[1])));
      socket.on("error", reject);
      socket.write(`GET /aivault/health HTTP/2.0\r\nhost: 127.0.0.1:${port()}\r\n\r\n`);
    });
    expect(status).toBe(400);
  });

  it("reuses a connection for HTTP/1.1 after the first request", async () => {
    const { Agent } = await import("node:http");
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set<number | undefined>();
    for (let i = 0; i < 3; i++) {
      await new Promise<void>((resolve, reject) => {
        httpRequest(`${daemon.url}/aivault/health`, { agent }, (response) => {
          ports.add(response.socket.localPort);
          response.resume().on("end", () => resolve());
        })
          .on("error", reject)
          .end();
      });
    }
    expect(ports.size).toBe(1);
    agent.destroy();
  });
});

describe("a daemon that closes", () => {
  it("waits for no connection of HTTP/2 on which nothing happens", async () => {
    const other = testVault();
    try {
      await other.init();
      const its = await other.start({ listen: "127.0.0.1:0" });
      const idle = connectHttp2(its.url ?? "");
      idle.on("error", () => undefined);
      const silent = connect(Number(new URL(its.url ?? "").port), "127.0.0.1");
      silent.on("error", () => undefined);
      expect((await send({ ":path": "/aivault/health" }, undefined, idle)).status).toBe(200);
      const startMs = performance.now();
      await its.close();
      expect(performance.now() - startMs).toBeLessThan(5_000);
    } finally {
      await other.dispose();
    }
  });
});
