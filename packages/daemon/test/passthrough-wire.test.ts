// What a provider sees of a request in passthrough, and what a caller sees of the answer, line by line.

import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Daemon } from "../src/start-daemon.ts";
import { type SocketProvider, startSocketProvider } from "./socket-provider.ts";
import { until } from "./stand-in.ts";
import { type TestVault, testVault } from "./vault.ts";
import { call, form, json, statuses } from "./wire.ts";

const KEY = "ghp_canaryCANARYcanaryCANARYcanaryCANARY";
interface Seen {
  readonly method: string;
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}
let provider: SocketProvider;
let vault: TestVault;
let daemon: Daemon;
let token: string;
let seen: Seen[] = [];
let answer: { status: number; headers: Record<string, string | string[]> };

beforeAll(async () => {
  provider = await startSocketProvider("api.github.com", {
    serve: async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const { method = "", url: target = "", headers } = request;
      seen.push({ method, target, headers, body: Buffer.concat(chunks) });
      response.writeHead(answer.status, answer.headers).end("{}");
    },
  });
  vault = testVault();
  await vault.init({ dev: true });
  daemon = await vault.start({
    env: { ...vault.env, ...provider.daemonEnvironment },
    listen: "127.0.0.1:0",
  });
  const secret = JSON.stringify({ name: "GITHUB_TOKEN" });
  await operate("POST", "/aivault/secrets", form(["secret", secret], ["value", KEY]));
  token = (await operate("POST", "/aivault/tokens", json({ capabilities: ["github/*"] }))).json
    .token;
});
afterAll(async () => {
  await vault.dispose();
  await provider.stop();
});
beforeEach(() => {
  seen = [];
  answer = { status: 200, headers: {} };
});

const operate = (method: string, path: string, options = {}) =>
  call(daemon.operatorSocket, method, path, options);

function send(
  method: string,
  path: string,
  { headers = {}, body }: { headers?: Record<string, string>; body?: string | Buffer } = {},
): Promise<{ status: number; headers: IncomingHttpHeaders }> {
  const { hostname, port } = new URL(daemon.url ?? "");
  const all = { authorization: `token ${token}`, ...headers };
  return new Promise((resolve, reject) => {
    const target = { host: hostname, port, method, path, headers: all, agent: false };
    httpRequest(target, (response) => {
      response.resume().on("end", () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers });
      });
    })
      .on("error", reject)
      .end(body);
  });
}

describe("a request in passthrough", () => {
  it("leaves behind what is about connections, proxies and cookies", async () => {
    const headers = {
      connection: "close, x-nominated",
      "x-nominated": "1",
      cookie: "a=b",
      via: "1.1 proxy",
      forwarded: "for=1.2.3.4",
      "x-forwarded-for": "1.2.3.4",
      "proxy-connection": "keep-alive",
      te: "trailers",
      "accept-encoding": "gzip",
      "x-github-api-version": "2022-11-28",
    };
    expect((await send("GET", "/v/github/rate_limit", { headers })).status).toBe(200);
    const names = Object.keys(seen[0]?.headers ?? {}).sort();
    expect(names).toEqual([
      "accept",
      "accept-encoding",
      "authorization",
      "connection",
      "host",
      "user-agent",
      "x-github-api-version",
    ]);
    expect(seen[0]?.headers["connection"]).toBe("keep-alive");
  });

  it("has the caller's user agent, or one of ours", async () => {
    await send("GET", "/v/github/rate_limit");
    await send("GET", "/v/github/rate_limit", { headers: { "user-agent": "octokit" } });
    const agents = seen.map(({ headers }) => headers["user-agent"]);
    expect(agents[0]).toMatch(/^aivault/);
    expect(agents[1]).toBe("octokit");
  });

  it("has its target octet for octet", async () => {
    const target = "/repos/o/r/contents/a%20b%2Bc/d:e%3Af?q=%2B+%20%C3%BC&x&y=";
    expect((await send("GET", `/v/github${target}`)).status).toBe(200);
    expect(seen[0]?.target).toBe(target);
  });

  it("has its body octet for octet, compressed or not, with its length where it had one", async () => {
    const body = gzipSync('{"title":"t"}');
    const headers = { "content-type": "application/json", "content-encoding": "gzip" };
    const known = { ...headers, "content-length": String(body.length) };
    await send("POST", "/v/github/repos/o/r/issues", { headers: known, body });
    const unknown = { ...headers, "transfer-encoding": "chunked" };
    await send("POST", "/v/github/repos/o/r/issues", { headers: unknown, body });
    expect(seen.map((each) => each.body)).toEqual([body, body]);
    expect(seen.map((each) => each.headers["content-encoding"])).toEqual(["gzip", "gzip"]);
    expect(seen.map((each) => each.headers["content-length"])).toEqual([
      String(body.length),
      undefined,
    ]);
  });

  it("is HTTP/1.1 when it asks for h2c, body and all", async () => {
    const { port, host } = new URL(daemon.url ?? "");
    const socket = connect(Number(port), "127.0.0.1");
    let octets = "";
    socket.on("data", (chunk) => {
      octets += chunk;
    });
    const lines = [
      "POST /v/github/repos/o/r/issues HTTP/1.1",
      `host: ${host}`,
      `authorization: Bearer ${token}`,
      "connection: Upgrade, HTTP2-Settings",
      "upgrade: h2c",
      "http2-settings: AAMAAABkAAQCAAAAAAIAAAAA",
      "content-type: application/json",
      "content-length: 13",
    ];
    socket.write(`${lines.join("\r\n")}\r\n\r\n{"title":"t"}`);
    await until(() => statuses(octets).length === 1, 10_000);
    expect(statuses(octets)).toEqual([200]);
    expect(seen[0]?.body.toString()).toBe('{"title":"t"}');
    expect(Object.keys(seen[0]?.headers ?? {})).not.toContain("http2-settings");
    socket.destroy();
  });

  it("G10: is refused before anybody is contacted when it announces too large a body", async () => {
    const limit = json({ capabilities: ["github/*"], requestBytesMax: 10 });
    const small = (await operate("POST", "/aivault/tokens", limit)).json.token;
    const headers = { authorization: `Bearer ${small}`, "content-type": "application/json" };
    const sent = await send("POST", "/v/github/repos/o/r/issues", {
      headers,
      body: "{}".padEnd(11),
    });
    expect([sent.status, seen]).toEqual([413, []]);
  });
});

describe("an answer in passthrough", () => {
  it("has the provider's links below the base the caller used, and redirects for it to follow", async () => {
    answer = {
      status: 301,
      headers: {
        location: "https://api.github.com/repositories/1?a=b",
        link: '<https://api.github.com/x?page=2>; rel="next", <https://else.test/>; rel="help"',
      },
    };
    const { status, headers } = await send("GET", "/v/github/repos/o/r");
    expect(status).toBe(301);
    expect(headers.location).toBe(`${daemon.url}/v/github/repositories/1?a=b`);
    expect(headers["link"]).toBe(
      `<${daemon.url}/v/github/x?page=2>; rel="next", <https://else.test/>; rel="help"`,
    );
    expect(seen).toHaveLength(1);
  });

  it("leaves a redirect to another host as it is, and goes nowhere itself", async () => {
    answer = { status: 302, headers: { location: "https://codeload.github.com/x" } };
    const { status, headers } = await send("GET", "/v/github/repos/o/r");
    expect([status, headers.location]).toEqual([302, "https://codeload.github.com/x"]);
    expect(headers["set-cookie"]).toBeUndefined();
  });
});
