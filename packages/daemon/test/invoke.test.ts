// The whole way through one process: socket, daemon, policy, vault, broker, TLS, and back.

import { readdirSync, readFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Daemon } from "../src/start-daemon.ts";
import { type StandIn, startStandIn, until } from "./stand-in.ts";
import { type TestVault, testVault } from "./vault.ts";
import { type Answer, call, confirmed, form, json } from "./wire.ts";

const CANARY = "sk-proj-canary/+Zm9v==42";
const CAPABILITY = "openai/chat-completions";

let standIn: StandIn;
let vault: TestVault;
let daemon: Daemon;
let logged = "";

beforeAll(async () => {
  standIn = await startStandIn({ credentials: { "api.openai.com": { secret: CANARY } } });
  vault = testVault();
  await vault.init({ dev: true });
  const log = new Writable({
    write(chunk, _, done) {
      logged += chunk;
      done();
    },
  });
  daemon = await vault.start({ env: { ...vault.env, ...standIn.daemonEnvironment }, log });
  const answer = await call(
    daemon.operatorSocket,
    "POST",
    "/aivault/secrets",
    form(
      ["secret", JSON.stringify({ name: "OPENAI_API_KEY" }), "application/json"],
      ["value", CANARY],
    ),
  );
  expect(answer).toMatchObject({
    status: 201,
    json: {
      secret: { name: "OPENAI_API_KEY", pinnedProvider: "openai", valueVersion: 1 },
      provisioning: { provider: "openai", missing: [] },
    },
  });
});

afterAll(async () => {
  await vault.dispose();
  await standIn.stop();
});

beforeEach(() => standIn.clear());

const chat = (body: object, change: object = {}) =>
  json({
    capability: CAPABILITY,
    request: {
      method: "POST",
      path: "/v1/chat/completions",
      headers: [{ name: "content-type", value: "application/json" }],
      body: JSON.stringify(body),
      ...change,
    },
  });

const proxy = (options: ReturnType<typeof json>): Promise<Answer> =>
  call(daemon.socket, "POST", "/aivault/proxy", options);

/** Begin an invocation and hand out the response as it comes. */
function stream(options: ReturnType<typeof json>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { host: "aivault", ...options.headers };
    const path = "/aivault/proxy";
    httpRequest({ socketPath: daemon.socket, method: "POST", path, headers, agent: false })
      .on("response", resolve)
      .on("error", reject)
      .end(options.body);
  });
}

async function auditKinds(requestId: string) {
  const { json: page } = await call(daemon.operatorSocket, "GET", "/aivault/audit?limit=50");
  return page.items
    .map((entry: { event: Record<string, unknown> }) => entry.event)
    .filter((event: Record<string, unknown>) => event["requestId"] === requestId)
    .reverse();
}

describe("POST /aivault/proxy", () => {
  it("invokes a capability with a credential that the caller never sees", async () => {
    const answer = await proxy(chat({ model: "m", messages: [] }));
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      "aivault-capability": CAPABILITY,
      "aivault-credential": "openai",
      "aivault-method": "POST",
      "aivault-url": "https://api.openai.com/v1/chat/completions",
    });
    const [seen] = await standIn.requests();
    expect(seen).toMatchObject({ authorized: true, path: "/v1/chat/completions" });
  });

  it("G18: has decision and outcome on record when the answer has arrived", async () => {
    const answer = await proxy(chat({ model: "m", messages: [] }));
    const events = await auditKinds(String(answer.headers["aivault-request-id"]));
    expect(events).toMatchObject([
      { kind: "invocation.decided", decision: "allow", capability: CAPABILITY },
      { kind: "invocation.completed", outcome: "completed", status: 200 },
    ]);
  });

  it.each<[string, object, string]>([
    ["an unknown capability", { capability: "openai/nothing" }, "capability_not_found"],
    ["an unknown member", { extra: 1 }, "invalid_request"],
    ["an unknown credential", { credential: "other" }, "credential_not_found"],
  ])("G18: refuses and records %s", async (_, change, code) => {
    const request = { method: "POST", path: "/v1/chat/completions" };
    const answer = await proxy(json({ capability: CAPABILITY, request, ...change }));
    expect(answer.headers["aivault-error"]).toBe(code);
    const events = await auditKinds(answer.json.requestId);
    expect(events).toMatchObject([{ kind: "invocation.decided", decision: "deny", code }]);
    expect(await standIn.requests()).toEqual([]);
  });

  it("G22: opens no file because a caller named it", async () => {
    const keyFile = vault.paths.keyFile;
    for (const request of [
      { bodyFilePath: keyFile },
      { multipartFiles: [{ field: "file", path: keyFile }] },
    ]) {
      const envelope = {
        capability: CAPABILITY,
        request: { method: "POST", path: "/v1/chat/completions", ...request },
      };
      for (const options of [json(envelope), form(["envelope", JSON.stringify(envelope)])]) {
        const answer = await proxy(options as ReturnType<typeof json>);
        expect([answer.status, answer.json.reason]).toEqual([403, "file_path_not_accepted"]);
      }
    }
    expect(await standIn.requests()).toEqual([]);
  });

  it("streams an upload through, octet for octet", async () => {
    const body = Buffer.alloc(3_000_000, "0123456789");
    const envelope = {
      capability: CAPABILITY,
      request: { method: "POST", path: "/v1/chat/completions", bodyUpload: true },
    };
    const answer = await proxy(form(["envelope", JSON.stringify(envelope)], ["body", body]));
    expect(answer.status).toBe(200);
    const [seen] = await standIn.requests();
    expect(seen).toMatchObject({ authorized: true, requestBytes: body.length });
  });

  it("plans a dry run and contacts nobody", async () => {
    const request = { method: "POST", path: "/v1/chat/completions" };
    const answer = await proxy(json({ capability: CAPABILITY, dryRun: true, request }));
    expect(answer.json).toMatchObject({
      decision: "allow",
      credential: "openai",
      injects: [expect.stringContaining("authorization")],
    });
    expect(await standIn.requests()).toEqual([]);
  });

  it("G9: gives out no form of the credential that an upstream echoes", async () => {
    const answer = await proxy(chat({ x_stand_in: "echo" }));
    expect(answer.status).toBe(200);
    expect(JSON.stringify(answer.headers) + answer.text).not.toContain(CANARY);
    expect(answer.text).toContain("[REDACTED]");
  });

  it("lets events through one by one", async () => {
    const response = await stream(chat({ model: "m", messages: [], stream: true }));
    expect(response.headers["content-type"]).toContain("text/event-stream");
    const arrivals: number[] = [];
    for await (const _ of response) arrivals.push(Date.now());
    expect(arrivals.length).toBeGreaterThan(2);
    expect((arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0)).toBeGreaterThan(10);
  });

  it("ends the upstream request when the caller goes away", async () => {
    const response = await stream(chat({ x_stand_in: "hang-mid-body" }));
    response.once("data", () => response.destroy());
    await until(async () => (await standIn.requests())[0]?.outcome === "aborted");
  });

  it("holds the upstream back while the caller does not read", async () => {
    const response = await stream(chat({ x_stand_in: "big:50000000" }));
    await new Promise((resolve) => setTimeout(resolve, 400));
    const [seen] = await standIn.requests();
    expect(seen?.responseBytes).toBeLessThan(10_000_000);
    let bytes = 0;
    for await (const chunk of response) bytes += chunk.length;
    expect(bytes).toBe(50_000_000);
  });

  it("breaks a response off when the upstream breaks it off", async () => {
    const response = await stream(chat({ x_stand_in: "reset-mid-body" }));
    await expect(
      (async () => {
        for await (const _ of response);
      })(),
    ).rejects.toThrow();
    expect(response.complete).toBe(false);
  });

  it("names an upstream that hangs up", async () => {
    const answer = await proxy(chat({ x_stand_in: "reset" }));
    expect(answer.status).toBe(502);
    expect(answer.headers["aivault-error"]).toMatch(/^upstream_/);
  });

  it("gives an upstream no longer than the caller has", async () => {
    const options = chat({ x_stand_in: "hang" });
    const headers = { ...options.headers, "aivault-timeout-ms": "200" };
    const answer = await proxy({ ...options, headers });
    expect([answer.status, answer.headers["aivault-error"]]).toEqual([504, "upstream_timeout"]);
  });

  it.each(["0", "-1", "1e3", "86400001", "abc"])("refuses aivault-timeout-ms: %s", async (ms) => {
    const options = chat({});
    const answer = await proxy({
      ...options,
      headers: { ...options.headers, "aivault-timeout-ms": ms },
    });
    expect(answer.headers["aivault-error"]).toBe("invalid_request");
  });

  it("G19: breaks off what is running when the vault is locked, and records it", async () => {
    const response = await stream(chat({ x_stand_in: "hang-mid-body" }));
    const broken = (async () => {
      for await (const _ of response);
    })();
    broken.catch(() => {});
    await until(async () => (await standIn.requests()).length === 1);
    await call(daemon.operatorSocket, "POST", "/aivault/lock");
    await expect(broken).rejects.toThrow();
    expect((await proxy(chat({}))).status).toBe(423);
    await call(daemon.operatorSocket, "POST", "/aivault/unlock");
    const events = await auditKinds(String(response.headers["aivault-request-id"]));
    expect(events.map(({ kind }: { kind: string }) => kind)).toEqual([
      "invocation.decided",
      "invocation.completed",
    ]);
    expect((await proxy(chat({ model: "m", messages: [] }))).status).toBe(200);
  });
});

describe("secrets", () => {
  const operate = (method: string, path: string, options = {}) =>
    call(daemon.operatorSocket, method, path, options);
  const octets = (body: string | Uint8Array) => ({
    headers: { "content-type": "application/octet-stream" },
    body,
  });
  const create = (name: string, value: string | Uint8Array = "v") =>
    operate(
      "POST",
      "/aivault/secrets",
      form(["secret", JSON.stringify({ name })], ["value", value]),
    );

  it("are created, listed, renamed, rotated and deleted, by name or id", async () => {
    const { secretId } = (await create("MINE")).json.secret;
    const names = async (query = "") =>
      (await operate("GET", `/aivault/secrets${query}`)).json.items.map(
        (s: { name: string }) => s.name,
      );
    expect(await names()).toContain("MINE");
    expect(await names("?scope=workspace&workspaceId=w")).toEqual([]);
    expect(
      (await operate("PATCH", "/aivault/secrets/MINE", json({ name: "OURS" }))).json,
    ).toMatchObject({ secretId, name: "OURS" });
    expect(
      (await operate("PUT", `/aivault/secrets/${secretId}/value`, octets("w"))).json,
    ).toMatchObject({ valueVersion: 2 });
    expect((await operate("GET", "/aivault/secrets/OURS")).json).toMatchObject({ secretId });
    expect(
      (await confirmed(daemon.operatorSocket, "DELETE", "/aivault/secrets/OURS")).json,
    ).toMatchObject({
      secret: { secretId },
      dependants: [],
    });
    const again = await operate("DELETE", "/aivault/secrets/OURS");
    expect([again.status, again.json.error]).toEqual([404, "secret_not_found"]);
  });

  it("keep a name to one secret", async () => {
    expect((await create("TWICE")).status).toBe(201);
    const second = await create("TWICE");
    expect([second.status, second.json.error]).toEqual([409, "conflict"]);
  });

  it.each<[string, object]>([
    ["JSON instead of a form", json({ name: "A", value: "v" })],
    ["an empty value", form(["secret", '{"name":"A"}'], ["value", ""])],
    ["no value", form(["secret", '{"name":"A"}'])],
    ["the value first", form(["value", "v"], ["secret", '{"name":"A"}'])],
    ["a part too many", form(["secret", '{"name":"A"}'], ["value", "v"], ["value", "w"])],
    ["an unknown member", form(["secret", '{"name":"A","value":"v"}'], ["value", "v"])],
    ["a member twice", form(["secret", '{"name":"A","name":"B"}'], ["value", "v"])],
    ["no name", form(["secret", "{}"], ["value", "v"])],
  ])("refuse %s and store nothing", async (_, options) => {
    const before = (await operate("GET", "/aivault/status")).json.vault.revision;
    expect((await operate("POST", "/aivault/secrets", options)).json.error).toBe("invalid_request");
    expect((await operate("GET", "/aivault/status")).json.vault.revision).toBe(before);
  });

  it("refuse a value above 64 KiB", async () => {
    const answer = await create("LARGE", Buffer.alloc(65_537, 1));
    expect([answer.status, answer.json.error]).toEqual([413, "request_too_large"]);
    expect((await create("FITS", Buffer.alloc(65_536, 1))).status).toBe(201);
  });
});

describe("credentials and capabilities", () => {
  const operate = (method: string, path: string, options = {}) =>
    call(daemon.operatorSocket, method, path, options);

  it("are listed and described", async () => {
    const listed = await operate("GET", "/aivault/capabilities");
    const ids = listed.json.items.map(({ id }: { id: string }) => id);
    expect(ids).toContain(CAPABILITY);
    const one = await operate("GET", `/aivault/capabilities/${encodeURIComponent(CAPABILITY)}`);
    expect(one.json).toMatchObject({ id: CAPABILITY, host: "api.openai.com", ready: true });
    const credentials = await operate("GET", "/aivault/credentials");
    expect(credentials.json.items).toMatchObject([{ id: "openai", origin: "registry" }]);
    expect(credentials.text).not.toContain(CANARY);
  });

  it("G4: an operator cannot send a pinned secret to another host", async () => {
    const answer = await operate(
      "POST",
      "/aivault/credentials",
      json({
        id: "mine",
        provider: "mine",
        secrets: { secret: "OPENAI_API_KEY" },
        auth: { strategy: "header", header: "authorization", template: "Bearer {{secret}}" },
        hosts: ["collector.example.com"],
      }),
    );
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect((await operate("GET", "/aivault/credentials")).json.items).toHaveLength(1);
  });

  it.each(["/aivault/credentials/none", "/aivault/capabilities/none"])(
    "say that there is none at %s",
    async (path) => {
      expect((await operate("DELETE", path)).status).toBe(404);
    },
  );
});

describe("everything above", () => {
  it("G3: left no trace of the value in files, logs or the audit log", async () => {
    const audit = await call(daemon.operatorSocket, "GET", "/aivault/audit?limit=1000");
    const files = readdirSync(vault.directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"));
    for (const form of [
      CANARY,
      Buffer.from(CANARY).toString("base64"),
      encodeURIComponent(CANARY),
    ]) {
      expect(logged).not.toContain(form);
      expect(audit.text).not.toContain(form);
      for (const file of files) expect(file).not.toContain(form);
    }
    expect((await call(daemon.operatorSocket, "GET", "/aivault/audit/verify")).json.ok).toBe(true);
  });
});
