// Requests as SDKs make them, over loopback TCP, against the stand-in provider.

import { request as httpRequest, type IncomingMessage } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Daemon } from "../src/start-daemon.ts";
import { startSocketProvider } from "./socket-provider.ts";
import { type StandIn, startStandIn, until } from "./stand-in.ts";
import { type TestVault, testVault } from "./vault.ts";
import { type Answer, call, form, json, raw, statuses } from "./wire.ts";

const KEY = "sk-proj-1";
let standIn: StandIn;
let vault: TestVault;
let daemon: Daemon;
let token: string;
let base: string;

beforeAll(async () => {
  standIn = await startStandIn({ credentials: { "api.openai.com": { secret: KEY } } });
  vault = testVault();
  await vault.init({ dev: true });
  daemon = await vault.start({
    env: { ...vault.env, ...standIn.daemonEnvironment },
    listen: "127.0.0.1:0",
  });
  base = daemon.url ?? "";
  const secret = JSON.stringify({ name: "OPENAI_API_KEY" });
  await operate("POST", "/aivault/secrets", form(["secret", secret], ["value", KEY]));
  token = await mint();
});
afterAll(async () => {
  await vault.dispose();
  await standIn.stop();
});
beforeEach(() => standIn.clear());

const operate = (method: string, path: string, options = {}) =>
  call(daemon.operatorSocket, method, path, options);

async function mint(grant: object = {}): Promise<string> {
  const body = json({ capabilities: ["openai/*"], ...grant });
  return (await operate("POST", "/aivault/tokens", body)).json.token;
}

interface Options {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
}

/** Over TCP, as an SDK with a base URL does. */
function open(path: string, { method = "POST", headers = {}, body }: Options = {}) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    httpRequest(new URL(base + path), { method, headers, agent: false })
      .on("response", resolve)
      .on("error", reject)
      .end(body);
  });
}

async function fetchText(path: string, options: Options = {}) {
  const response = await open(path, options);
  let text = "";
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, headers: response.headers, text };
}

const chat = (body: object = { model: "m", messages: [] }, authorization = `Bearer ${token}`) => ({
  headers: { authorization, "content-type": "application/json" },
  body: JSON.stringify(body),
});

describe("ANY /v/{credential}/…", () => {
  it("sends an SDK's request on with the provider's key in place of the token", async () => {
    const answer = await fetchText("/v/openai/v1/chat/completions", chat());
    expect(answer.status).toBe(200);
    expect(answer.headers["aivault-capability"]).toBe("openai/chat-completions");
    const [seen] = await standIn.requests();
    expect(seen).toMatchObject({ authorized: true, path: "/v1/chat/completions" });
    expect(seen?.headerNames.filter((name) => name === "authorization")).toHaveLength(1);
    expect(seen?.headerNames).not.toContain("cookie");
  });

  it.each<[string, (t: string) => Options & { query?: string }]>([
    ["a query parameter", (t) => ({ query: `?key=${t}` })],
    ["x-api-key", (t) => ({ headers: { "x-api-key": t } })],
    [
      "a Basic password",
      (t) => ({
        headers: { authorization: `Basic ${Buffer.from(`u:${t}`).toString("base64")}` },
      }),
    ],
  ])("takes the token in %s and lets nothing of it through", async (_, place) => {
    const { query = "", headers = {} } = place(token);
    const answer = await fetchText(`/v/openai/v1/chat/completions${query}`, {
      headers: { ...headers, "content-type": "application/json" },
      body: '{"model":"m","messages":[]}',
    });
    expect(answer.status).toBe(200);
    const [seen] = await standIn.requests();
    expect(seen).toMatchObject({ authorized: true, queryNames: [] });
    expect(seen?.headerNames).not.toContain("x-api-key");
  });

  it("serves the root to a token that is pinned to one credential", async () => {
    const pinned = await mint({ credential: "openai" });
    const answer = await fetchText("/v1/chat/completions", chat(undefined, `Bearer ${pinned}`));
    expect(answer.status).toBe(200);
    expect((await fetchText("/v1/chat/completions", chat())).status).toBe(404);
  });

  it("says of a refusal that trying again is no use", async () => {
    const answer = await fetchText("/v/openai/v1/other", chat());
    expect([answer.status, answer.headers["x-should-retry"]]).toEqual([403, "false"]);
  });

  it("takes the credential without a slash for its root, and two slashes there for one", async () => {
    const bare = await fetchText("/v/openai", chat());
    expect(JSON.parse(bare.text).reason).toBe("path_not_allowed");
    expect((await fetchText("/v/openai//v1/chat/completions", chat())).status).toBe(200);
    expect((await standIn.requests()).map(({ path }) => path)).toEqual(["/v1/chat/completions"]);
  });

  it("streams an upload of unknown length, and events back, one by one", async () => {
    const response = await open(
      "/v/openai/v1/chat/completions",
      chat({ model: "m", messages: [], stream: true }),
    );
    expect(response.headers["content-type"]).toContain("text/event-stream");
    let chunks = 0;
    for await (const _ of response) chunks += 1;
    expect(chunks).toBeGreaterThan(2);
  });

  it("ends upstream when the caller goes away", async () => {
    const response = await open(
      "/v/openai/v1/chat/completions",
      chat({ x_stand_in: "hang-mid-body" }),
    );
    response.once("data", () => response.destroy());
    await until(async () => (await standIn.requests())[0]?.outcome === "aborted");
  });

  it.each<[string, string, Options, number, string]>([
    ["no token", "/v/openai/v1/chat/completions", { body: "{}" }, 401, "token_invalid"],
    ["another path", "/v/openai/v1/organization/users", {}, 403, "path_not_allowed"],
    [
      "another method",
      "/v/openai/v1/chat/completions",
      { method: "PUT" },
      403,
      "method_not_allowed",
    ],
    ["a traversal", "/v/openai/v1/x/..%2f..%2fv2", {}, 403, "path_traversal"],
    ["another credential", "/v/stripe/v1/charges", {}, 404, "credential_not_found"],
  ])("G13: refuses %s", async (_, path, options, status, what) => {
    const authorized = what === "token_invalid" ? {} : { authorization: `Bearer ${token}` };
    const answer = await fetchText(path, { ...options, headers: authorized });
    const body = JSON.parse(answer.text);
    expect([answer.status, body.reason ?? body.error]).toEqual([status, what]);
    expect(answer.headers["x-should-retry"]).toBe("false");
    expect(await standIn.requests()).toEqual([]);
  });

  it("G6: refuses a key of the caller's own beside the token", async () => {
    const answer = await fetchText("/v/openai/v1/chat/completions", {
      ...chat(),
      headers: { authorization: `Bearer ${token}`, "x-api-key": "sk-mine" },
    });
    expect(JSON.parse(answer.text).reason).toBe("auth_header_rejected");
  });

  it("G13: says that a token does not grant what exists", async () => {
    const narrow = await mint({ capabilities: ["openai/models*"] });
    const answer = await fetchText(
      "/v/openai/v1/chat/completions",
      chat(undefined, `Bearer ${narrow}`),
    );
    expect(JSON.parse(answer.text).reason).toBe("capability_not_granted");
  });

  it("challenges git, which sends its credentials only then", async () => {
    const headers = { "user-agent": "git/2.43.0" };
    const answer = await fetchText("/v/openai/v1/models", { method: "GET", headers });
    expect([answer.status, answer.headers["www-authenticate"]]).toEqual([
      401,
      'Basic realm="aivault"',
    ]);
    const other = await fetchText("/v/openai/v1/models", { method: "GET" });
    expect(other.headers["www-authenticate"]).toBeUndefined();
  });

  it("works on the caller's socket too, there without a token", async () => {
    const answer: Answer = await call(daemon.socket, "POST", "/v/openai/v1/chat/completions", {
      headers: { "content-type": "application/json" },
      body: '{"model":"m","messages":[]}',
    });
    expect(answer.status).toBe(200);
    expect((await operate("POST", "/v/openai/v1/chat/completions")).status).toBe(404);
  });

  it("answers a client that waits with Expect: 100-continue", async () => {
    const body = '{"model":"m","messages":[]}';
    const head = [
      "POST /v/openai/v1/chat/completions HTTP/1.1",
      "host: aivault",
      "content-type: application/json",
      `content-length: ${body.length}`,
      "expect: 100-continue",
    ].join("\r\n");
    const answer = await raw(daemon.socket, `${head}\r\n\r\n${body}`, 700);
    expect(statuses(answer)).toEqual([100, 200]);
  });
});

describe("the TCP listener", () => {
  it("needs a token for every route but health", async () => {
    expect((await fetchText("/aivault/health", { method: "GET" })).status).toBe(200);
    for (const path of ["/aivault/whoami", "/aivault/capabilities"]) {
      const answer = await fetchText(path, { method: "GET" });
      expect(JSON.parse(answer.text).error).toBe("token_invalid");
    }
    const headers = { authorization: `Bearer ${token}` };
    const who = await fetchText("/aivault/whoami", { method: "GET", headers });
    expect(JSON.parse(who.text)).toMatchObject({ principal: "caller", transport: "tcp" });
  });

  it("G14: has no operator route, with or without a token", async () => {
    for (const headers of [{}, { authorization: `Bearer ${token}` }]) {
      for (const path of ["/aivault/status", "/aivault/secrets", "/aivault/tokens"]) {
        const answer = await fetchText(path, { method: "GET", headers });
        expect([answer.status, JSON.parse(answer.text).error]).toEqual([404, "not_found"]);
      }
    }
  });

  it.each(["evil.test", "aivault", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.nip.io", "[::]"])(
    "G14: refuses Host: %s",
    async (host) => {
      const headers = { host, authorization: `Bearer ${token}` };
      const answer = await fetchText("/aivault/whoami", { method: "GET", headers });
      expect([answer.status, JSON.parse(answer.text).error]).toEqual([403, "policy_violation"]);
    },
  );

  it.each([
    "0.0.0.0:0",
    "localhost:0",
    "192.168.0.1:0",
    "[::]:0",
    "127.0.0.1",
    "127.0.0.1:99999",
    "",
  ])("does not listen at %j", async (listen) => {
    const other = testVault();
    try {
      await other.init();
      await expect(other.start({ listen })).rejects.toMatchObject({
        code: "DAEMON_OPTION_INVALID",
      });
    } finally {
      await other.dispose();
    }
  });
});

describe("a token in the path, as Telegram's libraries have it", () => {
  it.each([
    ["by its credential", (t: string) => `/v/telegram/file/bot${t}/documents/file_0.txt`],
    ["by its token alone", (t: string) => `/file/bot${t}/documents/file_0.txt`],
  ])("serves a bot's files from the other place of the same secret, %s", async (_, pathOf) => {
    const seen: (string | undefined)[] = [];
    const secret = "123456789:canaryCANARYcanaryCANARYcanaryCANAR";
    const provider = await startSocketProvider("api.telegram.org", {
      serve: (request, response) => {
        seen.push(request.url);
        response.end("file");
      },
    });
    const other = testVault();
    try {
      await other.init({ dev: true });
      const env = { ...other.env, ...provider.daemonEnvironment };
      const its = await other.start({ env, listen: "127.0.0.1:0" });
      const name = JSON.stringify({ name: "TELEGRAM_BOT_TOKEN" });
      const stored = form(["secret", name], ["value", secret]);
      await call(its.operatorSocket, "POST", "/aivault/secrets", stored);
      const grant = json({ capabilities: ["telegram/*"], credential: "telegram" });
      const minted = await call(its.operatorSocket, "POST", "/aivault/tokens", grant);
      const answer = await call(its.socket, "GET", pathOf(minted.json.token));
      expect([answer.status, answer.text]).toEqual([200, "file"]);
      expect(answer.headers["aivault-credential"]).toBe("telegram.file");
      expect(seen).toEqual([`/file/bot${secret}/documents/file_0.txt`]);
      const narrow = json({ capabilities: ["telegram/get-me"], credential: "telegram" });
      const less = await call(its.operatorSocket, "POST", "/aivault/tokens", narrow);
      const refused = await call(its.socket, "GET", pathOf(less.json.token));
      expect(refused.json.reason).toBe("capability_not_granted");
    } finally {
      await other.dispose();
      await provider.stop();
    }
  });
});
