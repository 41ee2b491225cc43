import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  auditEvents,
  createHarness,
  type Harness,
  invocation,
  receive,
  utf8,
} from "./support/harness.ts";
import { type StandIn, startStandIn } from "./support/provider.ts";

const KEY = "sk-proj-canary0123456789abcdefABCDEF-_xyz";
const TELEGRAM = "123456789:AAcanarycanarycanarycanarycanarycan";

let provider: StandIn;
let harness: Harness;

beforeAll(async () => {
  provider = await startStandIn(
    ["api.openai.com", "api.telegram.org", "api.trello.com", "api.twilio.com"],
    (request, response, body) => {
      if (request.url?.includes("/Accounts/") === true) {
        const pair = request.headers.authorization?.replace("Basic ", "") ?? "";
        response.writeHead(200, { "content-type": "text/plain" });
        response.end(`${request.url} ${pair} ${Buffer.from(pair, "base64")}`);
        return;
      }
      if (request.url?.includes("/echo") === true || request.url?.includes("chat") === true) {
        response.writeHead(200, { "content-type": "application/json", "set-cookie": "sid=1" });
        response.end(JSON.stringify({ url: request.url, headers: request.headers }));
        return;
      }
      response.writeHead(200, { "content-type": "text/plain" });
      response.end(`got ${body.length}`);
    },
  );
  harness = await createHarness({
    hosts: {
      "api.openai.com": provider.port,
      "api.telegram.org": provider.port,
      "api.trello.com": provider.port,
      "api.twilio.com": provider.port,
    },
  });
});

afterAll(async () => {
  await harness.close();
  await provider.close();
});

afterEach(() => {
  provider.requests.length = 0;
});

const chat = (request: object = {}) => ({
  capability: "openai/chat-completions",
  request: { method: "POST", path: "/v1/chat/completions", body: '{"model":"x"}', ...request },
});

describe("Broker.invoke", () => {
  it("says which secret is missing and how to store it", async () => {
    const { error } = await receive(harness.broker, invocation(chat()));
    expect(error).toMatchObject({
      code: "credential_not_found",
      hint: "aivault secrets create --name OPENAI_API_KEY",
    });
  });

  it("provisions, decides, injects, sends and answers; G9: the echoed key is cut out", async () => {
    const { secret, provisioning } = await harness.broker.createSecret({
      name: "OPENAI_API_KEY",
      value: utf8(KEY),
    });
    expect(secret.pinnedProvider).toBe("openai");
    expect(provisioning).toMatchObject({ provider: "openai", credential: "openai", missing: [] });
    const received = await receive(harness.broker, invocation(chat()));
    expect(received).toMatchObject({ error: null, ended: true });
    expect(received.head).toMatchObject({
      status: 200,
      plan: {
        capability: "openai/chat-completions",
        credential: "openai",
        method: "POST",
        url: "https://api.openai.com/v1/chat/completions",
      },
    });
    expect(received.head?.headers.map(({ name }) => name)).not.toContain("set-cookie");
    const sent = provider.requests[0];
    expect(sent?.headers).toMatchObject({
      authorization: `Bearer ${KEY}`,
      host: "api.openai.com",
      "content-type": "application/json",
      "user-agent": "aivault/0.0.0-test",
      "accept-encoding": "identity",
    });
    expect(received.body.toString()).not.toContain(KEY);
    expect(JSON.parse(received.body.toString()).headers.authorization).toBe("Bearer [REDACTED]");
  });

  it("G9: cuts out a Basic password and the pair, and leaves the name beside it", async () => {
    const sid = "AC0123456789abcdef0123456789abcdef";
    const password = "fedcba9876543210fedcba9876543210";
    await harness.broker.createSecret({ name: "TWILIO_ACCOUNT_SID", value: utf8(sid) });
    await harness.broker.createSecret({ name: "TWILIO_AUTH_TOKEN", value: utf8(password) });
    const path = `/2010-04-01/Accounts/${sid}/Messages.json`;
    const { body } = await receive(
      harness.broker,
      invocation({ capability: "twilio/messages", request: { method: "GET", path } }),
    );
    // Paths of all answers name the account; one without it could not be followed.
    expect(body.toString()).toBe(`${path} [REDACTED]== ${sid}:[REDACTED]`);
  });

  it("G18: writes the decision and the outcome, in this order, and no value", async () => {
    await receive(harness.broker, invocation(chat(), null, { requestId: "audited" }));
    const events = (await auditEvents(harness.vault)).filter(
      ({ requestId }) => requestId === "audited",
    );
    expect(events).toMatchObject([
      { kind: "invocation.decided", decision: "allow", capability: "openai/chat-completions" },
      { kind: "invocation.completed", outcome: "completed", status: 200, redactions: 1 },
    ]);
    expect(JSON.stringify(await auditEvents(harness.vault))).not.toContain(KEY);
  });

  it.each([
    ["method_not_allowed", { method: "DELETE" }],
    ["path_not_allowed", { path: "/v1/files" }],
    ["path_traversal", { path: "/v1/chat/completions/../files" }],
    ["auth_header_rejected", { headers: [{ name: "Authorization", value: "Bearer mine" }] }],
    ["auth_header_rejected", { headers: [{ name: "x-api-key", value: "mine" }] }],
  ])("G6, G7: refuses with %s and records it", async (reason, request) => {
    const what = invocation(chat(request));
    const { error } = await receive(harness.broker, what);
    expect(error).toMatchObject({ code: "policy_violation", reason });
    expect(provider.requests).toEqual([]);
    expect((await auditEvents(harness.vault)).at(-1)).toMatchObject({
      kind: "invocation.decided",
      decision: "deny",
      requestId: what.requestId,
      reason,
    });
  });

  it("refuses an unknown capability", async () => {
    const { error } = await receive(
      harness.broker,
      invocation({ capability: "no/such", request: { method: "GET", path: "/" } }),
    );
    expect(error).toMatchObject({ code: "capability_not_found" });
  });

  it("puts a token into the path, and masks it in the plan", async () => {
    await harness.broker.createSecret({ name: "TELEGRAM_BOT_TOKEN", value: utf8(TELEGRAM) });
    const received = await receive(
      harness.broker,
      invocation({
        capability: "telegram/get-me",
        request: { method: "GET", path: "/getMe" },
      }),
    );
    expect(received.error).toBeNull();
    expect(provider.requests[0]?.url).toBe(`/bot${TELEGRAM}/getMe`);
    expect(received.head?.plan.url).toBe("https://api.telegram.org/bot[REDACTED]/getMe");
  });

  it("waits for both secrets of a provider with two, and sends both", async () => {
    const first = await harness.broker.createSecret({
      name: "TRELLO_API_KEY",
      value: utf8("0123456789abcdef0123456789abcdef"),
    });
    expect(first.provisioning).toMatchObject({ credential: null, missing: ["TRELLO_TOKEN"] });
    const second = await harness.broker.createSecret({
      name: "TRELLO_TOKEN",
      value: utf8(`ATTA${"f".repeat(64)}`),
    });
    expect(second.provisioning).toMatchObject({ credential: "trello", missing: [] });
    const read = (path: string) =>
      invocation({ capability: "trello/boards-read", request: { method: "GET", path } });
    const received = await receive(harness.broker, read("/1/boards/x?fields=name"));
    expect(received.error).toBeNull();
    expect(provider.requests[0]?.url).toBe(
      `/1/boards/x?fields=name&key=0123456789abcdef0123456789abcdef&token=ATTA${"f".repeat(64)}`,
    );
    expect(received.head?.plan.url).toBe(
      "https://api.trello.com/1/boards/x?fields=name&key=[REDACTED]&token=[REDACTED]",
    );
    const { error } = await receive(harness.broker, read("/1/boards/x?KEY=mine"));
    expect(error).toMatchObject({ reason: "auth_query_rejected" });
  });

  it("G19: a locked vault executes nothing", async () => {
    harness.vault.lock();
    const { error } = await receive(harness.broker, invocation(chat()));
    expect(error).toMatchObject({ code: "vault_locked" });
    expect(provider.requests).toEqual([]);
    await harness.vault.unlock(harness.keyProvider);
  });

  it("plans without opening a secret or contacting anybody", async () => {
    const plan = await harness.broker.plan(invocation({ ...chat(), dryRun: true }));
    expect(plan).toMatchObject({
      url: "https://api.openai.com/v1/chat/completions",
      injects: ["header authorization"],
    });
    expect(JSON.stringify(plan)).not.toContain("Bearer");
    expect(provider.requests).toEqual([]);
  });
});
