import { readdirSync, readFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Daemon } from "../src/start-daemon.ts";
import { type StandIn, startStandIn, until } from "./stand-in.ts";
import { type TestVault, testVault } from "./vault.ts";
import { type Answer, call, form, json } from "./wire.ts";

const CAPABILITY = "openai/chat-completions";

let standIn: StandIn;
let vault: TestVault;
let daemon: Daemon;

beforeAll(async () => {
  standIn = await startStandIn({ credentials: { "api.openai.com": { secret: "sk-proj-1" } } });
  vault = testVault();
  await vault.init({ dev: true });
  daemon = await vault.start({ env: { ...vault.env, ...standIn.daemonEnvironment } });
  const secret = JSON.stringify({ name: "OPENAI_API_KEY" });
  await operate("POST", "/aivault/secrets", form(["secret", secret], ["value", "sk-proj-1"]));
});

afterAll(async () => {
  await vault.dispose();
  await standIn.stop();
});

const operate = (method: string, path: string, options = {}) =>
  call(daemon.operatorSocket, method, path, options);

async function mint(grant: object = {}): Promise<{ token: string; tokenId: string }> {
  const answer = await operate("POST", "/aivault/tokens", json({ capabilities: ["*"], ...grant }));
  expect(answer.status).toBe(201);
  return answer.json;
}

const bearer = (token: string, options: { headers?: object; body?: string | Uint8Array } = {}) => ({
  ...options,
  headers: { ...options.headers, authorization: `Bearer ${token}` },
});

const envelope = (change: object = {}, body: object = { model: "m", messages: [] }) =>
  json({
    capability: CAPABILITY,
    request: {
      method: "POST",
      path: "/v1/chat/completions",
      headers: [{ name: "content-type", value: "application/json" }],
      body: JSON.stringify(body),
    },
    ...change,
  });

const invoke = (token: string, options = envelope()): Promise<Answer> =>
  call(daemon.socket, "POST", "/aivault/proxy", bearer(token, options));

const derive = (token: string, grant: object) =>
  call(daemon.socket, "POST", "/aivault/tokens/derive", bearer(token, json(grant)));

const outcome = ({ status, json: body }: Answer) => [status, body?.error, body?.reason];
const INVALID = [401, "token_invalid", undefined];
const NOT_GRANTED = [403, "policy_violation", "capability_not_granted"];

/** Begin something under a token that does not end by itself. */
function hang(token: string): Promise<IncomingMessage> {
  const { headers, body } = bearer(token, envelope({}, { x_stand_in: "hang-mid-body" }));
  return new Promise((resolve, reject) => {
    const options = { socketPath: daemon.socket, method: "POST", path: "/aivault/proxy" };
    httpRequest({ ...options, headers: { host: "aivault", ...headers }, agent: false })
      .on("response", resolve)
      .on("error", reject)
      .end(body);
  });
}

async function readToEnd(response: IncomingMessage): Promise<void> {
  for await (const _ of response);
}

describe("a token", () => {
  it("G12: is shown once, and is nowhere in the vault's files", async () => {
    const { token, tokenId } = await mint({ label: "ci" });
    expect(token).toMatch(/^avp_[\w-]{48}$/);
    const listed = await operate("GET", "/aivault/tokens");
    expect(listed.json.items.map((item: { tokenId: string }) => item.tokenId)).toContain(tokenId);
    expect(listed.text).not.toContain(token.slice(20));
    expect(listed.text).not.toContain("digest");
    for (const entry of readdirSync(vault.directory, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const file = readFileSync(join(entry.parentPath, entry.name), "latin1");
      expect(file).not.toContain(token.slice(20));
    }
  });

  it("invokes what it grants, and is on record with it", async () => {
    const { token, tokenId } = await mint({ capabilities: ["openai/*"] });
    const answer = await invoke(token);
    expect(answer.status).toBe(200);
    const audit = await operate("GET", "/aivault/audit?limit=2");
    expect(audit.json.items[1].event.principal.tokenId).toBe(tokenId);
  });

  it("lives ten minutes unless told, and no longer than the settings allow", async () => {
    const before = Date.now();
    const { json: token } = await operate("POST", "/aivault/tokens", json({ capabilities: ["*"] }));
    expect(token.expiresAtMs - before).toBeGreaterThan(599_000);
    expect(token.expiresAtMs - before).toBeLessThan(660_000);
    const long = json({ capabilities: ["*"], ttlMs: 25 * 3_600_000 });
    expect((await operate("POST", "/aivault/tokens", long)).json.error).toBe("invalid_request");
  });

  it.each<[string, object, object]>([
    ["another capability", { capabilities: ["openai/models"] }, {}],
    ["another provider", { capabilities: ["anthropic/*"] }, {}],
    ["another credential", { credential: "openai" }, { credential: "openai-2" }],
  ])("G13: does not reach %s", async (_, grant, change) => {
    const { token } = await mint(grant);
    await standIn.clear();
    expect(outcome(await invoke(token, envelope(change)))).toEqual(NOT_GRANTED);
    expect(await standIn.requests()).toEqual([]);
  });

  it("G13: shows its holder no capability that it does not grant", async () => {
    const { token } = await mint({ capabilities: ["openai/models-list", "openai/chat-*"] });
    const listed = await call(daemon.socket, "GET", "/aivault/capabilities", bearer(token));
    const ids = listed.json.items.map(({ id }: { id: string }) => id);
    expect(ids).toContain(CAPABILITY);
    for (const id of ids) expect(id).toMatch(/^openai\/(models-list|chat-)/);
    const other = await call(
      daemon.socket,
      "GET",
      "/aivault/capabilities/openai%2Fembeddings",
      bearer(token),
    );
    expect(other.status).toBe(404);
  });

  it("G12: ends when its time is over, also in the middle of a stream", async () => {
    const { token } = await mint({ ttlMs: 1_000 });
    const response = await hang(token);
    await expect(readToEnd(response)).rejects.toThrow();
    expect(outcome(await invoke(token))).toEqual(INVALID);
  });

  it("G13: ends when it is revoked, also in the middle of a stream", async () => {
    const { token, tokenId } = await mint();
    const response = await hang(token);
    const ending = expect(readToEnd(response)).rejects.toThrow();
    expect((await operate("DELETE", `/aivault/tokens/${tokenId}`)).status).toBe(200);
    await ending;
    expect(outcome(await invoke(token))).toEqual(INVALID);
    await until(async () => (await standIn.requests()).at(-1)?.outcome === "aborted");
  });

  it("G13: ends when it is revoked, also while a body is still to come", async () => {
    const { token, tokenId } = await mint();
    const seen = (await standIn.requests()).length;
    const { headers, body } = bearer(token, envelope());
    const answer = new Promise<[number | undefined, string]>((resolve, reject) => {
      const options = { socketPath: daemon.socket, method: "POST", path: "/aivault/proxy" };
      const waiting = { host: "aivault", expect: "100-continue", ...headers };
      const request = httpRequest({ ...options, headers: waiting, agent: false })
        // The token was verified by then.
        .on("continue", async () => {
          await operate("DELETE", `/aivault/tokens/${tokenId}`);
          request.end(body);
        })
        .on("response", async (response) => {
          const text = (await response.setEncoding("utf8").toArray()).join("");
          resolve([response.statusCode, JSON.parse(text).error]);
        })
        .on("error", reject);
      request.flushHeaders();
    });
    expect(await answer).toEqual([401, "token_invalid"]);
    expect(await standIn.requests()).toHaveLength(seen);
  });

  it("G10: is used up, exactly, by many at once and across a restart", async () => {
    const { token } = await mint({ usesMax: 5 });
    const answers = await Promise.all(Array.from({ length: 12 }, () => invoke(token)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(5);
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(7);
    await daemon.close();
    daemon = await vault.start({ env: { ...vault.env, ...standIn.daemonEnvironment } });
    expect(outcome(await invoke(token))).toEqual(INVALID);
  });

  it("G10: is held to its rate", async () => {
    const { token } = await mint({ perMinute: 2 });
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) statuses.push((await invoke(token)).status);
    expect(statuses).toEqual([200, 200, 429]);
    expect((await invoke(token)).headers["retry-after"]).toMatch(/^[1-9]\d?$/);
  });

  it.each(["", "avp_", "avp_0123456789abcdef", "null", "sk-proj-1"])(
    "G12: is not %j",
    async (text) => {
      expect(outcome(await invoke(text))).toEqual(INVALID);
    },
  );

  it("G12: is not one with the name of another", async () => {
    const one = await mint();
    const two = await mint();
    expect(outcome(await invoke(one.token.slice(0, 20) + two.token.slice(20)))).toEqual(INVALID);
  });

  it.each<[string, object]>([
    ["no capabilities", { capabilities: [] }],
    ["a pattern nobody could mean", { capabilities: ["openai/ chat"] }],
    ["no life", { capabilities: ["*"], ttlMs: 0 }],
    ["no use", { capabilities: ["*"], usesMax: 0 }],
    ["an unknown member", { capabilities: ["*"], admin: true }],
  ])("is not minted with %s", async (_, grant) => {
    const answer = await operate("POST", "/aivault/tokens", json(grant));
    expect(answer.json.error).toBe("invalid_request");
  });
});

describe("a derived token", () => {
  it("G13: never allows more than the one above it, whatever it says", async () => {
    const parent = await mint({ capabilities: ["openai/models*"], ttlMs: 5_000 });
    const child = await derive(parent.token, { capabilities: ["*"], ttlMs: 60_000 });
    expect(child.status).toBe(201);
    expect(child.json.parentId).toBe(parent.tokenId);
    expect(child.json.expiresAtMs).toBeLessThanOrEqual(Date.now() + 5_000);
    expect(outcome(await invoke(child.json.token))).toEqual(NOT_GRANTED);
  });

  it("allows what both allow", async () => {
    const parent = await mint({ capabilities: ["openai/*"] });
    const child = await derive(parent.token, { capabilities: [CAPABILITY], credential: "openai" });
    expect((await invoke(child.json.token)).status).toBe(200);
  });

  it("G10: uses up the one above it", async () => {
    const parent = await mint({ usesMax: 1 });
    const child = await derive(parent.token, { capabilities: ["*"], usesMax: 100 });
    expect((await invoke(child.json.token)).status).toBe(200);
    expect(outcome(await invoke(child.json.token))).toEqual(INVALID);
    expect(outcome(await invoke(parent.token))).toEqual(INVALID);
  });

  it("G13: ends with the one above it", async () => {
    const parent = await mint();
    const child = await derive(parent.token, { capabilities: ["*"] });
    await operate("DELETE", `/aivault/tokens/${parent.tokenId}`);
    expect(outcome(await invoke(child.json.token))).toEqual(INVALID);
  });

  it("needs a token to derive it from", async () => {
    const answer = await call(
      daemon.socket,
      "POST",
      "/aivault/tokens/derive",
      json({ capabilities: ["*"] }),
    );
    expect(outcome(answer)).toEqual(INVALID);
  });
});

describe("settings", () => {
  it("can make every caller need a token", async () => {
    expect((await call(daemon.socket, "POST", "/aivault/proxy", envelope())).status).toBe(200);
    await operate("PATCH", "/aivault/settings", json({ requireToken: true }));
    try {
      for (const [method, route] of [
        ["POST", "/aivault/proxy"],
        ["GET", "/aivault/capabilities"],
        ["GET", "/aivault/whoami"],
      ] as const) {
        const options = method === "POST" ? envelope() : {};
        expect(outcome(await call(daemon.socket, method, route, options))).toEqual(INVALID);
      }
      expect((await call(daemon.socket, "GET", "/aivault/health")).status).toBe(200);
      expect((await invoke((await mint()).token)).status).toBe(200);
      // Sealed in the vault: a restart does not forget it.
      await daemon.close();
      daemon = await vault.start({ env: { ...vault.env, ...standIn.daemonEnvironment } });
      expect(outcome(await call(daemon.socket, "GET", "/aivault/whoami"))).toEqual(INVALID);
    } finally {
      await operate("PATCH", "/aivault/settings", json({ requireToken: false }));
    }
  });

  it.each([{}, { requireToken: "yes" }, { lockAfterIdleMs: 999 }, { unknown: 1 }])(
    "refuse %j",
    async (change) => {
      const answer = await operate("PATCH", "/aivault/settings", json(change));
      expect(answer.json.error).toBe("invalid_request");
    },
  );
});
