// G13: where a token's holder stands decides what it reaches, and which of several credentials is used.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Daemon } from "../src/start-daemon.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";
import { type TestVault, testVault } from "./vault.ts";
import { type Answer, call, form, json } from "./wire.ts";

const KEY = "sk-proj-1";
let standIn: StandIn;
let vault: TestVault;
let daemon: Daemon;

beforeAll(async () => {
  standIn = await startStandIn({ credentials: { "api.openai.com": { secret: KEY } } });
  vault = testVault();
  await vault.init({ dev: true });
  daemon = await vault.start({ env: { ...vault.env, ...standIn.daemonEnvironment } });
  for (const [id, scope] of [
    ["of-red", { kind: "workspace", workspaceId: "red" }],
    ["of-blue", { kind: "workspace", workspaceId: "blue" }],
    ["of-blue-team", { kind: "group", workspaceId: "blue", groupId: "team" }],
  ] as const) {
    const secret = JSON.stringify({ name: `${id.toUpperCase().replaceAll("-", "_")}_KEY`, scope });
    const stored = await operate(
      "POST",
      "/aivault/secrets",
      form(["secret", secret], ["value", KEY]),
    );
    expect(stored.status).toBe(201);
    const { secretId } = stored.json.secret;
    const credential = { id, provider: "openai", secrets: { secret: secretId }, scope };
    const made = await operate("POST", "/aivault/credentials", json(credential));
    expect(made.status, made.text).toBe(201);
  }
});
afterAll(async () => {
  await vault.dispose();
  await standIn.stop();
});

const operate = (method: string, path: string, options = {}) =>
  call(daemon.operatorSocket, method, path, options);

async function mint(grant: object = {}): Promise<{ token: string; tokenId: string }> {
  const answer = await operate("POST", "/aivault/tokens", json({ capabilities: ["*"], ...grant }));
  expect(answer.status, answer.text).toBe(201);
  return answer.json;
}
const bearer = (token: string, options: { headers?: object; body?: string | Uint8Array } = {}) => ({
  ...options,
  headers: { ...options.headers, authorization: `Bearer ${token}` },
});
const envelope = (change: object = {}, body: object = { model: "m", messages: [] }) =>
  json({
    capability: "openai/chat-completions",
    request: {
      method: "POST",
      path: "/v1/chat/completions",
      headers: [{ name: "content-type", value: "application/json" }],
      body: JSON.stringify(body),
    },
    ...change,
  });
const invoke = (token: string, change: object = {}) =>
  call(daemon.socket, "POST", "/aivault/proxy", bearer(token, envelope(change)));
const derive = (token: string, grant: object) =>
  call(
    daemon.socket,
    "POST",
    "/aivault/tokens/derive",
    bearer(token, json({ capabilities: ["*"], ...grant })),
  );
const used = ({ status, headers }: Answer) => [status, headers["aivault-credential"]];

describe("a token of a place", () => {
  it("G13: uses what is of its place, without naming it", async () => {
    const red = await mint({ workspaceId: "red" });
    expect(used(await invoke(red.token))).toEqual([200, "of-red"]);
    const team = await mint({ workspaceId: "blue", groupId: "team" });
    expect(used(await invoke(team.token))).toEqual([200, "of-blue-team"]);
  });

  it("G13: does not reach what is of another place, by whatever route", async () => {
    const { token } = await mint({ workspaceId: "red" });
    const named = await invoke(token, { credential: "of-blue" });
    expect(named.status).toBeGreaterThanOrEqual(400);
    const through = await call(
      daemon.socket,
      "POST",
      "/v/of-blue/v1/chat/completions",
      bearer(token, json({ model: "m", messages: [] })),
    );
    expect(through.status).toBeGreaterThanOrEqual(400);
    const nowhere = await mint();
    expect((await invoke(nowhere.token)).status).toBe(404);
  });

  it("G13: is shown what works from where it stands", async () => {
    const list = async (grant: object) => {
      const { token } = await mint(grant);
      const { items } = (await call(daemon.socket, "GET", "/aivault/capabilities", bearer(token)))
        .json;
      return items.map(({ id }: { id: string }) => id);
    };
    expect(await list({ workspaceId: "red" })).toContain("openai/chat-completions");
    expect(await list({})).toEqual([]);
    expect(await list({ workspaceId: "green" })).toEqual([]);
  });

  it("G13: is derived for the same place only", async () => {
    const { token } = await mint({ workspaceId: "blue" });
    for (const elsewhere of [{ workspaceId: "red" }, { groupId: "team" }]) {
      expect((await derive(token, elsewhere)).json.reason).toBe("capability_not_granted");
    }
    const child = await derive(token, {});
    expect(child.json.workspaceId).toBe("blue");
    expect(used(await invoke(child.json.token))).toEqual([200, "of-blue"]);
    const outside = await mint();
    expect((await derive(outside.token, { workspaceId: "red" })).json.reason).toBe(
      "capability_not_granted",
    );
  });

  it("a group needs its workspace", async () => {
    const grant = json({ capabilities: ["*"], groupId: "team" });
    expect((await operate("POST", "/aivault/tokens", grant)).status).toBe(400);
  });
});

describe("a binding", () => {
  it("chooses for the token of its consumer, and for nobody else", async () => {
    const second = JSON.stringify({
      name: "RED_2",
      scope: { kind: "workspace", workspaceId: "red" },
    });
    const { secretId } = (
      await operate("POST", "/aivault/secrets", form(["secret", second], ["value", KEY]))
    ).json.secret;
    const scope = { kind: "workspace", workspaceId: "red" };
    const credential = { id: "red-2", provider: "openai", secrets: { secret: secretId }, scope };
    await operate("POST", "/aivault/credentials", json(credential));
    const [a, b] = [
      await mint({ workspaceId: "red", label: "agent-a" }),
      await mint({ workspaceId: "red" }),
    ];
    expect((await invoke(a.token)).json.error).toBe("credential_ambiguous");
    const binding = { capability: "openai/*", scope, consumer: "agent-a", credential: "red-2" };
    expect((await operate("POST", "/aivault/bindings", json(binding))).status).toBe(201);
    expect(used(await invoke(a.token))).toEqual([200, "red-2"]);
    expect((await invoke(b.token)).json.error).toBe("credential_ambiguous");
  });
});

describe("a token's own limits", () => {
  it("G10: hold for its requests, and for those of what is derived from it", async () => {
    const { token } = await mint({ workspaceId: "blue", requestBytesMax: 5 });
    expect((await invoke(token)).json.error).toBe("request_too_large");
    const child = (await derive(token, {})).json.token;
    expect((await invoke(child)).json.error).toBe("request_too_large");
    const small = await mint({ workspaceId: "blue", responseBytesMax: 1 });
    await expect(invoke(small.token).then(({ status }) => status)).rejects.toThrow();
  });

  it("G10: a rate holds across a restart", async () => {
    const { token } = await mint({ workspaceId: "blue", perMinute: 2 });
    expect((await invoke(token)).status).toBe(200);
    expect((await invoke(token)).status).toBe(200);
    expect((await invoke(token)).json.error).toBe("rate_limited");
    await daemon.close();
    daemon = await vault.start({ env: { ...vault.env, ...standIn.daemonEnvironment } });
    const limited = await invoke(token);
    expect([limited.status, limited.json.error]).toEqual([429, "rate_limited"]);
    expect(Number(limited.headers["retry-after"])).toBeGreaterThan(0);
  });
});
