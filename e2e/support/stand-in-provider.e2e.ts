import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type StandInProcess, startStandIn } from "./start-stand-in.mjs";

const SECRET = "sk-test/+canary==";
const CALLER_TOKEN = "avp_caller";

let standIn: StandInProcess;
beforeAll(async () => {
  standIn = await startStandIn({
    credentials: {
      "api.openai.com": { secret: SECRET },
      "api.telegram.org": { secret: "123:abc" },
      "api.trello.com": { key: "k1", token: "t1" },
    },
    schemes: { "collector.example": { strategy: "none" } },
    callerTokens: [CALLER_TOKEN],
    delayMs: 5,
  });
});
afterAll(() => standIn.stop());
beforeEach(() => standIn.clear());

interface Call {
  host?: string;
  method?: string;
  headers?: Record<string, string | string[]>;
  body?: string;
}

async function open(path: string, { host = "api.openai.com", ...call }: Call = {}) {
  const outgoing = request({
    host: "127.0.0.1",
    port: standIn.port,
    servername: host,
    ca: readFileSync(standIn.caPath),
    agent: false,
    path,
    method: call.method ?? "GET",
    headers: { host, ...call.headers },
  });
  outgoing.end(call.body);
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  return response;
}

async function send(path: string, call: Call = {}) {
  const response = await open(path, call);
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const { statusCode: status, headers } = response;
  return { status, headers, chunks: chunks.length, body: Buffer.concat(chunks) };
}

/** An authenticated chat call that asks the stand-in to behave as `command` says. */
const ask = (command: string): Promise<Awaited<ReturnType<typeof send>>> =>
  send("/v1/chat/completions", {
    method: "POST",
    headers: { authorization: `Bearer ${SECRET}`, "content-type": "application/json" },
    body: JSON.stringify({ x_stand_in: command }),
  });

describe("the stand-in provider", () => {
  it.each<[string, string, Call]>([
    ["no credential", "/v1/models", {}],
    ["a wrong one", "/v1/models", { headers: { authorization: `Bearer ${SECRET}x` } }],
    ["another scheme", "/v1/models", { headers: { authorization: `bearer ${SECRET}` } }],
    ["the credential twice", "/v1/models", { headers: { authorization: twice(SECRET) } }],
    ["half of a pair", "/1/members/me?key=k1", { host: "api.trello.com" }],
    ["one half twice", "/1/members/me?key=k1&token=t1&token=t1", { host: "api.trello.com" }],
    ["a longer token in the path", "/bot123:abcd/getMe", { host: "api.telegram.org" }],
  ])("answers 401 to %s", async (_, path, call) => {
    expect(await send(path, call)).toMatchObject({ status: 401 });
    expect(await standIn.requests()).toMatchObject([{ authorized: false }]);
  });

  it.each<[string, string, Call]>([
    ["a header", "/v1/models", { headers: { authorization: `Bearer ${SECRET}` } }],
    ["two parameters", "/1/members/me?key=k1&token=t1", { host: "api.trello.com" }],
    ["the path", "/bot123:abc/getMe", { host: "api.telegram.org" }],
  ])("answers 200 to the credential in %s", async (_, path, call) => {
    expect(await send(path, call)).toMatchObject({ status: 200 });
    const requests = await standIn.requests();
    expect(requests).toMatchObject([{ authorized: true, secretSeen: true }]);
    expect(JSON.stringify(requests)).not.toContain("123:abc");
  });

  it("remembers a caller's token wherever it arrives, and each name that was asked for", async () => {
    await send("/x", { host: "collector.example" });
    await send(`/x?k=${CALLER_TOKEN}`, { host: "collector.example" });
    await send("/x", { host: "collector.example", method: "POST", body: `.${CALLER_TOKEN}.` });
    const seen = (await standIn.requests()).map((request) => request.callerTokenSeen);
    expect(seen).toEqual([false, true, true]);
    const names = (await standIn.connections()).map((connection) => connection.serverName);
    expect(names).toEqual(Array(3).fill("collector.example"));
  });

  it("measures an uploaded file", async () => {
    const body = [
      "--XX",
      'content-disposition: form-data; name="purpose"',
      "",
      "assistants",
      "--XX",
      'Content-Disposition: form-data; name="file"; filename="a.txt"',
      "Content-Type: text/plain",
      "",
      "hello\r\n-",
      "--XX--",
      "",
    ].join("\r\n");
    const headers = {
      authorization: `Bearer ${SECRET}`,
      "content-type": "multipart/form-data; boundary=XX",
    };
    const answer = await send("/v1/files", { method: "POST", headers, body });
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      bytes: 8,
      sha256: "8a4097c7c046307d65b3150a5189489679600cc80dbaaf171dacf1f045762a0e",
      filename: "a.txt",
      fields: { purpose: "assistants" },
    });
  });

  it("echoes the credential in headers and body, in pieces, also compressed", async () => {
    const plain = await ask("echo");
    expect(plain.headers["x-echo-secret-raw"]).toBe(SECRET);
    expect(plain.chunks).toBeGreaterThan(10);
    expect(plain.body.toString()).toContain(Buffer.from(SECRET).toString("hex"));
    const zipped = await ask("echo-encoded:gzip");
    expect(gunzipSync(zipped.body)).toEqual(plain.body);
  });

  it("sends large answers no faster than they are taken", async () => {
    const response = await open("/v1/models", {
      headers: { authorization: `Bearer ${SECRET}`, "x-stand-in": "big:200000000" },
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    const [held] = await standIn.requests();
    expect(held?.responseBytes).toBeLessThan(20_000_000);
    response.destroy();
    await expect
      .poll(async () => (await standIn.requests())[0]?.outcome, { timeout: 5000 })
      .toBe("aborted");
  });

  it("breaks off when asked", async () => {
    await expect(ask("reset")).rejects.toThrow();
    await expect(ask("reset-mid-body")).rejects.toThrow();
    expect(await ask("status:503")).toMatchObject({ status: 503 });
  });
});

function twice(secret: string): string[] {
  return [`Bearer ${secret}`, `Bearer ${secret}`];
}
