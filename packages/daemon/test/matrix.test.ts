// Every route, on both sockets, for every kind of principal: what it is to whom.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callerRoutes } from "../src/caller-routes.ts";
import { operatorRoutes } from "../src/operator-routes.ts";
import type { Daemon } from "../src/start-daemon.ts";
import { type TestVault, testVault } from "./vault.ts";
import { type Answer, call, json } from "./wire.ts";

let vault: TestVault;
let daemon: Daemon;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  vault = testVault();
  await vault.init();
  daemon = await vault.start();
  const operate = (method: string, path: string, options = {}) =>
    call(daemon.operatorSocket, method, path, options);
  for (const [name, grant] of Object.entries({
    valid: {},
    revoked: {},
    expired: { ttlMs: 1_000 },
    elsewhere: { capabilities: ["other/*"] },
  })) {
    const body = json({ capabilities: ["*"], ...grant });
    const { token, tokenId } = (await operate("POST", "/aivault/tokens", body)).json;
    tokens[name] = token;
    if (name === "revoked") await operate("DELETE", `/aivault/tokens/${tokenId}`);
  }
  await new Promise((resolve) => setTimeout(resolve, 1_050));
});
afterAll(() => vault.dispose());

const principals = ["none", "valid", "elsewhere", "expired", "revoked", "forged"] as const;

/** Routes that answer whoever asks, token or not. */
const OPEN = new Set(["/aivault/health"]);

function send(socket: string, method: string, path: string, token: string | undefined) {
  const target = path.replace("{id}", "x");
  const base = method === "GET" || method === "DELETE" ? { headers: {} } : json({});
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return call(socket, method, target, { ...base, headers: { ...base.headers, ...authorization } });
}

const isUnknownRoute = ({ status, json: body }: Answer) =>
  status === 404 && body?.error === "not_found" && /route/.test(body?.message);

const known = new Set(callerRoutes.map(({ method, path }) => `${method} ${path}`));

describe.each(principals)("on the caller socket, with a token that is %s", (principal) => {
  const token = () =>
    principal === "forged"
      ? `avp_${"0".repeat(16)}${"A".repeat(32)}`
      : tokens[principal === "none" ? "" : principal];

  it.each(
    operatorRoutes
      .filter(({ method, path }) => !known.has(`${method} ${path}`))
      .map(({ method, path }) => [method, path]),
  )("G14: %s %s does not exist", async (method = "", path = "") => {
    const answer = await send(daemon.socket, method, path, token());
    // Outside of /aivault everything is a provider's path, and the token is looked at first.
    const isPassthrough = !path.startsWith("/aivault") && answer.json.error === "token_invalid";
    expect(isUnknownRoute(answer) || isPassthrough).toBe(true);
  });

  it.each(callerRoutes.map(({ method, path }) => [method, path] as const))(
    "G13: %s %s answers as the token deserves",
    async (method, path) => {
      const answer = await send(daemon.socket, method, path, token());
      const refused = ["expired", "revoked", "forged"].includes(principal);
      if (OPEN.has(path)) expect(answer.status).toBe(200);
      else if (refused) expect(answer.json.error).toBe("token_invalid");
      else expect(isUnknownRoute(answer)).toBe(false);
    },
  );
});

describe("on the operator socket", () => {
  it.each(
    operatorRoutes
      // A tail answers and does not end; it has tests of its own.
      .filter(({ path }) => !/shutdown|lock|tail/.test(path))
      .map(({ method, path }) => [method, path] as const),
  )("%s %s exists", async (method, path) => {
    expect(isUnknownRoute(await send(daemon.operatorSocket, method, path, undefined))).toBe(false);
  });

  it("does not take a token for an operator's right or wrong", async () => {
    const answer = await send(daemon.operatorSocket, "GET", "/aivault/status", tokens["revoked"]);
    expect(answer.status).toBe(200);
  });

  it.each(
    operatorRoutes
      .filter(({ path }) => !/shutdown/.test(path))
      .map(({ method, path }) => [method, path] as const),
  )("G14: %s %s is refused to a browser page", async (method, path) => {
    const headers = { origin: "http://localhost", "content-type": "application/json" };
    const answer = await call(daemon.operatorSocket, method, path.replace("{id}", "x"), {
      headers,
    });
    expect([answer.status, answer.json.error]).toEqual([403, "policy_violation"]);
    expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
  });
});
