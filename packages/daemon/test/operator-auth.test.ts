// The operator passphrase over the real socket: without a session, being the owner is not enough.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { operatorRoutes } from "../src/operator-routes.ts";
import type { Daemon } from "../src/start-daemon.ts";
import { type TestVault, testVault } from "./vault.ts";
import { call, confirmed, form, json } from "./wire.ts";

const PASSPHRASE = "a second factor";
let vault: TestVault;
let daemon: Daemon;
let session: string;

beforeAll(async () => {
  vault = testVault();
  await vault.init();
  daemon = await vault.start();
});
afterAll(() => vault.dispose());

const operate = (method: string, path: string, options = {}) =>
  call(daemon.operatorSocket, method, path, options);
const login = (passphrase: string) =>
  operate("POST", "/aivault/operator/login", form(["passphrase", passphrase]));
const change = (...parts: [string, string][]) =>
  confirmed(daemon.operatorSocket, "POST", "/aivault/operator/passphrase", form(...parts));
const withSession = () => ({ headers: { "aivault-operator-session": session } });

const SESSION_REQUIRED = [401, "operator_auth_required", "session_required"];
const outcome = ({ status, json: body }: Awaited<ReturnType<typeof operate>>) => [
  status,
  body?.error,
  body?.reason,
];

describe("an operator passphrase", { timeout: 60_000 }, () => {
  it("is not asked for before there is one", async () => {
    expect((await operate("GET", "/aivault/status")).json.operatorPassphrase).toBe(false);
    expect((await operate("GET", "/aivault/secrets")).status).toBe(200);
    expect((await login(PASSPHRASE)).json.error).toBe("conflict");
  });

  it("is set, unless it is too short", async () => {
    expect((await change(["new", "short"])).status).toBe(400);
    expect((await change(["new", PASSPHRASE])).json).toEqual({ set: true });
    expect((await operate("GET", "/aivault/status")).json.operatorPassphrase).toBe(true);
  });

  const closed = operatorRoutes.filter(({ open }) => open !== true);
  it.each(closed.map(({ method, path }) => [method, path] as const))(
    "G14: keeps %s %s from whoever has no session",
    async (method, path) => {
      const options = method === "GET" || method === "DELETE" ? {} : json({});
      const target = path.replace("{id}", "x");
      expect(outcome(await operate(method, target, options))).toEqual(SESSION_REQUIRED);
      const forged = { "aivault-operator-session": `avs_${"A".repeat(43)}` };
      const headers = { ...("headers" in options ? options.headers : {}), ...forged };
      expect(outcome(await operate(method, target, { ...options, headers }))).toEqual(
        SESSION_REQUIRED,
      );
    },
  );

  it("leaves open what tells nothing and lets nobody do anything", () => {
    const open = operatorRoutes.filter((route) => route.open === true);
    expect(open.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([
      "GET /aivault/health",
      "GET /aivault/status",
      "GET /aivault/whoami",
      "GET /metrics",
      "POST /aivault/lock",
      "POST /aivault/operator/login",
      "POST /aivault/operator/logout",
      "POST /aivault/operator/passphrase",
      "POST /aivault/shutdown",
      "POST /aivault/unlock",
    ]);
  });

  it("opens a session of five minutes", async () => {
    const beforeMs = Date.now();
    const { status, json: opened } = await login(PASSPHRASE);
    expect(status).toBe(200);
    expect(opened.expiresAtMs).toBeGreaterThanOrEqual(beforeMs + 5 * 60_000);
    session = opened.session;
    expect((await operate("GET", "/aivault/secrets", withSession())).status).toBe(200);
  });

  it("does not make a session on the caller socket worth anything", async () => {
    const answer = await call(daemon.socket, "GET", "/aivault/secrets", withSession());
    expect(answer.status).toBe(404);
  });

  it("ends a session on logout, on lock and on restart", async () => {
    await operate("POST", "/aivault/operator/logout", withSession());
    expect(outcome(await operate("GET", "/aivault/secrets", withSession()))).toEqual(
      SESSION_REQUIRED,
    );
    session = (await login(PASSPHRASE)).json.session;
    await operate("POST", "/aivault/lock");
    await operate("POST", "/aivault/unlock");
    expect(outcome(await operate("GET", "/aivault/secrets", withSession()))).toEqual(
      SESSION_REQUIRED,
    );
    session = (await login(PASSPHRASE)).json.session;
    await daemon.close();
    daemon = await vault.start();
    expect(outcome(await operate("GET", "/aivault/secrets", withSession()))).toEqual(
      SESSION_REQUIRED,
    );
  });

  it("tells a wrong one, records it, and slows down guessing across a restart", async () => {
    for (let i = 0; i < 4; i++) {
      expect(outcome(await login("wrong passphrase"))).toEqual([
        401,
        "operator_auth_required",
        "passphrase_wrong",
      ]);
    }
    await daemon.close();
    daemon = await vault.start();
    const early = await login(PASSPHRASE);
    expect([early.status, early.json.error]).toEqual([429, "rate_limited"]);
    expect(Number(early.headers["retry-after"])).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    session = (await login(PASSPHRASE)).json.session;
    const audit = await operate("GET", "/aivault/audit?limit=50", withSession());
    const events = audit.json.items.map(({ event }: { event: object }) => event);
    expect(events).toContainEqual(
      expect.objectContaining({ kind: "operator.login.failed", failures: 4 }),
    );
    expect(audit.text).not.toContain("wrong passphrase");
    expect(audit.text).not.toContain(PASSPHRASE);
    expect(audit.text).not.toContain(session);
  });

  it("is changed and removed by whoever knows it, and ends the sessions", async () => {
    expect(outcome(await change(["new", "another one"]))[2]).toBe("passphrase_wrong");
    const changed = await change(["current", PASSPHRASE], ["new", "another one"]);
    expect(changed.json).toEqual({ set: true });
    expect(outcome(await operate("GET", "/aivault/secrets", withSession()))).toEqual(
      SESSION_REQUIRED,
    );
    const removal = form(["current", "another one"]);
    const asked = await operate("POST", "/aivault/operator/passphrase", removal);
    expect(asked.json.reason).toBe("confirmation_required");
    expect((await change(["current", "another one"])).json).toEqual({ set: false });
    expect((await operate("GET", "/aivault/secrets")).status).toBe(200);
  });
});
