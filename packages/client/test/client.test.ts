import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { type AivaultClient, createClient, isAivaultError } from "../src/index.ts";
import {
  bodyOf,
  type FakeDaemon,
  fakeDaemon,
  type Handler,
  refuse,
  upstreamHeaders,
} from "./fake-daemon.ts";

let daemon: FakeDaemon | undefined;
let client: AivaultClient | undefined;

afterEach(async () => {
  client?.close();
  await daemon?.[Symbol.asyncDispose]();
  daemon = undefined;
});

async function start(handler: Handler): Promise<AivaultClient> {
  daemon = await fakeDaemon(handler);
  client = createClient({ socket: daemon.socket });
  return client;
}

const code = (expected: string) => expect.objectContaining({ code: expected });
const chat = { method: "POST", path: "/v1/chat" } as const;

describe("invoke", () => {
  it("sends the envelope and returns the provider's status, headers and body", async () => {
    const seen: {
      url?: string | undefined;
      host?: string | undefined;
      type?: string | undefined;
      body?: unknown;
    } = {};
    const aivault = await start(async (request, response) => {
      seen.url = request.url;
      seen.host = request.headers.host;
      seen.type = request.headers["content-type"];
      seen.body = JSON.parse((await bodyOf(request)).toString());
      response.writeHead(418, { ...upstreamHeaders, "content-type": "text/plain", "x-up": "1" });
      response.end("short and stout");
    });
    const response = await aivault.invoke(
      "openai/chat",
      { ...chat, json: { a: 1 } },
      { credential: "c" },
    );
    expect(seen).toEqual({
      url: "/aivault/proxy",
      host: "aivault",
      type: "application/json",
      body: {
        capability: "openai/chat",
        credential: "c",
        request: {
          method: "POST",
          path: "/v1/chat",
          headers: [{ name: "content-type", value: "application/json" }],
          body: '{"a":1}',
        },
      },
    });
    expect(response.status).toBe(418);
    expect(response.requestId).toBe("req-1");
    expect(response.plan.url).toContain("[REDACTED]");
    expect(response.headers.get("x-up")).toBe("1");
    expect(response.headerList.some(({ name }) => name.startsWith("aivault-"))).toBe(false);
    expect(await response.text()).toBe("short and stout");
  });

  it("turns a refusal into an error with its code, reason, hint, status and request id", async () => {
    const aivault = await start((_, response) =>
      refuse(response, 403, {
        error: "policy_violation",
        reason: "path_not_allowed",
        message: "no",
        hint: "yes",
      }),
    );
    const error = await aivault.invoke("openai/chat", chat).catch((caught: unknown) => caught);
    expect(isAivaultError(error)).toBe(true);
    expect(error).toMatchObject({
      code: "policy_violation",
      reason: "path_not_allowed",
      hint: "yes",
      status: 403,
      requestId: "req-9",
    });
  });

  it("delivers each chunk as it arrives", async () => {
    let release: (() => void) | undefined;
    const aivault = await start((_, response) => {
      response.writeHead(200, upstreamHeaders);
      response.write("first");
      release = () => response.end("second");
    });
    const seen: string[] = [];
    for await (const chunk of await aivault.invoke("openai/chat", chat)) {
      seen.push(Buffer.from(chunk).toString());
      if (seen.length === 1) release?.();
    }
    expect(seen).toEqual(["first", "second"]);
  });

  it("streams a large upload no faster than it is read, and byte for byte", async () => {
    let produced = 0;
    let held = 0;
    const aivault = await start(async (request, response) => {
      await sleep(200);
      held = produced;
      const body = await bodyOf(request);
      response.writeHead(200, upstreamHeaders);
      response.end(String(body.length));
    });
    async function* body() {
      for (let i = 0; i < 200; i += 1) {
        produced += 1;
        yield Buffer.alloc(64 * 1024, i);
      }
    }
    const response = await aivault.invoke("openai/chat", { ...chat, body: body() });
    expect(Number(await response.text())).toBeGreaterThan(200 * 64 * 1024);
    expect(held).toBeLessThan(60);
  });

  it("passes on the failure of the caller's own body and does not finish the request", async () => {
    let ended = false;
    const aivault = await start((request) => {
      request.on("end", () => {
        ended = true;
      });
      request.on("error", () => {});
      request.resume();
    });
    async function* body() {
      yield Buffer.from("half");
      throw new RangeError("mine");
    }
    await expect(aivault.invoke("openai/chat", { ...chat, body: body() })).rejects.toThrow(
      RangeError,
    );
    await sleep(20);
    expect(ended).toBe(false);
  });

  it("G22: opens named files itself, and streams them after the envelope", async () => {
    const directory = await mkdtemp(join(tmpdir(), "aivault-file-"));
    const path = join(directory, "a.txt");
    await writeFile(path, "file octets");
    let wire = "";
    const aivault = await start(async (request, response) => {
      wire = (await bodyOf(request)).toString();
      response.writeHead(200, upstreamHeaders).end();
    });
    await aivault.invoke("openai/files", {
      path: "/v1/files",
      multipart: { fields: { purpose: "test" }, files: [{ field: "file", path }] },
    });
    expect(wire.indexOf('name="envelope"')).toBeLessThan(
      wire.indexOf('name="file"; filename="a.txt"'),
    );
    expect(wire).toContain(
      '"multipart":{"purpose":"test"},"multipartFiles":[{"field":"file","filename":"a.txt"}]',
    );
    expect(wire).toContain("\r\n\r\nfile octets\r\n--aivault-");
    expect(wire).not.toContain(directory);
    await rm(directory, { recursive: true });
  });

  it.each([
    ["missing", async () => {}],
    ["a directory", async (path: string) => void (await mkdtemp(path))],
    ["a link to a device", async (path: string) => symlink("/dev/zero", path)],
  ])("refuses a file that is %s before anything is sent", async (what, make) => {
    const directory = await mkdtemp(join(tmpdir(), "aivault-file-"));
    const path = what === "a directory" ? directory : join(directory, "f");
    await make(path);
    let requests = 0;
    const aivault = await start((_, response) => {
      requests += 1;
      response.end();
    });
    await expect(
      aivault.invoke("openai/files", { path: "/v1/files", bodyPath: path }),
    ).rejects.toEqual(code("CLIENT_FILE_UNREADABLE"));
    expect(requests).toBe(0);
    await rm(directory, { recursive: true, force: true });
  });

  it("refuses two bodies at once, and a field name that could break out of its part", async () => {
    const aivault = await start((_, response) => void response.end());
    await expect(aivault.invoke("a/b", { ...chat, body: "x", json: {} })).rejects.toMatchObject({
      code: "invalid_request",
      reason: "body_mode_conflict",
    });
    const files = [{ field: 'f"\r\nx: y', body: "z" }];
    await expect(aivault.invoke("a/b", { ...chat, multipart: { files } })).rejects.toEqual(
      code("invalid_request"),
    );
  });

  it("ends the call when the signal aborts, before and during the answer", async () => {
    let closed = 0;
    const aivault = await start((request, response) => {
      response.on("close", () => {
        closed += 1;
      });
      if (request.headers["x-mode"] === "never") return;
      response.writeHead(200, upstreamHeaders);
      response.write("first");
    });
    const hanging = createClient({ socket: aivault.socket, headers: { "x-mode": "never" } });
    const before = hanging.invoke("openai/chat", chat, { signal: AbortSignal.timeout(30) });
    await expect(before).rejects.toEqual(code("CLIENT_ABORTED"));

    const abort = new AbortController();
    const response = await aivault.invoke("openai/chat", chat, { signal: abort.signal });
    const reading = response.text();
    abort.abort();
    await expect(reading).rejects.toEqual(code("CLIENT_ABORTED"));

    const already = aivault.invoke("openai/chat", chat, { signal: AbortSignal.abort() });
    await expect(already).rejects.toEqual(code("CLIENT_ABORTED"));
    await expect.poll(() => closed).toBe(2);
    hanging.close();
  });

  it("cancels at the daemon when the body is abandoned", async () => {
    let closed = false;
    const aivault = await start((_, response) => {
      response.on("close", () => {
        closed = true;
      });
      response.writeHead(200, upstreamHeaders);
      response.write("first");
    });
    for await (const _ of await aivault.invoke("openai/chat", chat)) break;
    await expect.poll(() => closed).toBe(true);
  });

  it("tells a body that was cut short from one that ended", async () => {
    const aivault = await start((_, response) => {
      response.writeHead(200, { ...upstreamHeaders, "content-length": "100" });
      response.write("half");
      setTimeout(() => response.destroy(), 10);
    });
    const response = await aivault.invoke("openai/chat", chat);
    await expect(response.text()).rejects.toMatchObject({
      code: "CLIENT_RESPONSE_BROKEN",
      requestId: "req-1",
    });
  });

  it("never sends a call a second time when the daemon goes away before it answers", async () => {
    let calls = 0;
    const aivault = await start(async (request, response) => {
      await bodyOf(request);
      calls += 1;
      if (calls === 1) response.writeHead(200, upstreamHeaders).end("ok");
      else request.socket.destroy();
    });
    await (await aivault.invoke("openai/chat", chat)).text();
    await sleep(10);
    await expect(aivault.invoke("openai/chat", chat)).rejects.toEqual(
      code("CLIENT_RESPONSE_BROKEN"),
    );
    await sleep(50);
    expect(calls).toBe(2);
  });

  it("repeats a read whose kept-alive connection had just been closed", async () => {
    let reads = 0;
    const aivault = await start((request, response) => {
      reads += 1;
      if (reads === 2) request.socket.destroy();
      else response.end('{"ok":true,"locked":false,"version":"0"}');
    });
    await aivault.health();
    await sleep(10);
    expect(await aivault.health()).toMatchObject({ ok: true });
    expect(reads).toBe(3);
  });

  it("keeps one connection for calls in a row", async () => {
    const aivault = await start(
      (_, response) => void response.writeHead(200, upstreamHeaders).end("x"),
    );
    for (let i = 0; i < 3; i += 1) {
      await (await aivault.invoke("openai/chat", chat)).text();
      await sleep(5);
    }
    expect(daemon?.connections()).toBe(1);
  });

  it("names the sockets it tried when nobody listens", async () => {
    const missing = createClient({ socket: "/nonexistent/aivaultd.sock" });
    await expect(missing.invoke("a/b", chat)).rejects.toMatchObject({
      code: "CLIENT_DAEMON_UNREACHABLE",
      message: expect.stringContaining("/nonexistent/aivaultd.sock"),
      hint: expect.stringContaining("aivaultd"),
    });
  });

  it("falls back to the shared socket only when its own accepts no connection", async () => {
    daemon = await fakeDaemon(
      (_, response) => void response.writeHead(200, upstreamHeaders).end("shared"),
    );
    const env = { AIVAULT_DIR: "/nonexistent", AIVAULTD_SHARED_SOCKET: daemon.socket };
    client = createClient({ env });
    expect(await (await client.invoke("a/b", chat)).text()).toBe("shared");
    expect(client.socket).toBe(daemon.socket);
  });

  it("does not take another server for the daemon", async () => {
    const aivault = await start((_, response) => void response.end("<html>"));
    await expect(aivault.invoke("a/b", chat)).rejects.toEqual(code("CLIENT_PROTOCOL_MISMATCH"));
    await expect(aivault.health()).rejects.toEqual(code("CLIENT_PROTOCOL_MISMATCH"));

    const directory = await mkdtemp(join(tmpdir(), "aivault-raw-"));
    const raw = createTcpServer((socket) => void socket.end("SSH-2.0\r\n")).listen(
      join(directory, "s"),
    );
    const odd = createClient({ socket: join(directory, "s") });
    await expect(odd.health()).rejects.toEqual(code("CLIENT_PROTOCOL_MISMATCH"));
    raw.close();
    await rm(directory, { recursive: true });
  });
});

describe("json", () => {
  it("returns the parsed answer, and null for an empty one", async () => {
    let body = '{"b":2}';
    const aivault = await start(
      (_, response) => void response.writeHead(200, upstreamHeaders).end(body),
    );
    expect(await aivault.json("a/b", chat)).toEqual({ b: 2 });
    body = "";
    expect(await aivault.json("a/b", chat)).toBeNull();
  });

  it("throws what the provider answered outside 200 to 299, and for what is not JSON", async () => {
    let status = 402;
    const aivault = await start((_, response) => {
      response.writeHead(status, upstreamHeaders).end(status === 402 ? '{"pay":1}' : "<html>");
    });
    await expect(aivault.json("a/b", chat)).rejects.toMatchObject({
      code: "CLIENT_UPSTREAM_STATUS",
      status: 402,
      body: { pay: 1 },
      requestId: "req-1",
    });
    status = 502;
    await expect(aivault.json("a/b", chat)).rejects.toMatchObject({
      code: "CLIENT_UPSTREAM_STATUS",
      status: 502,
    });
    status = 200;
    await expect(aivault.json("a/b", chat)).rejects.toEqual(code("CLIENT_NOT_JSON"));
  });
});

describe("plan", () => {
  it("asks for a dry run and returns the plan", async () => {
    const aivault = await start(async (request, response) => {
      const { dryRun } = JSON.parse((await bodyOf(request)).toString()) as { dryRun: boolean };
      response.end(JSON.stringify({ decision: "allow", dryRun }));
    });
    expect(await aivault.plan("a/b", chat)).toEqual({ decision: "allow", dryRun: true });
  });
});

describe("capabilities", () => {
  it("reads all pages", async () => {
    const aivault = await start((request, response) => {
      const next = request.url?.includes("after=p%2F2") === true ? null : "p/2";
      response.end(JSON.stringify({ items: [{ id: String(next) }], next }));
    });
    expect((await aivault.capabilities()).map(({ id }) => id)).toEqual(["p/2", "null"]);
  });
});
