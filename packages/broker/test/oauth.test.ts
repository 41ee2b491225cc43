import { builtinRegistry, createRegistry, type Registry } from "@aivault/registry";
import { afterEach, describe, expect, it } from "vitest";
import { Broker, type Upstream } from "../src/index.ts";
import {
  auditEvents,
  createHarness,
  type Harness,
  invocation,
  random,
  receive,
  utf8,
} from "./support/harness.ts";
import { type StandIn, startStandIn } from "./support/provider.ts";

const TOKEN_HOST = "accounts.spotify.com";
const API_HOST = "api.spotify.com";
const DOCUMENT = {
  clientId: "client",
  clientSecret: "canary-client-secret",
  refreshToken: "canary-refresh-1",
  note: "kept",
};

let provider: StandIn;
let harness: Harness;
let nowMs = 1_800_000_000_000;

/** Rotates the refresh token and revokes the family when an old one comes back. */
async function start(
  answer: {
    api?: (token: string) => number;
    token?: (form: URLSearchParams) => [number, object];
    /** The connection ends when the new tokens are on their way. */
    cut?: () => boolean;
  } = {},
): Promise<void> {
  let generation = 1;
  const revoked = new Set<string>();
  provider = await startStandIn([TOKEN_HOST, API_HOST], (request, response, body) => {
    if (request.headers.host === TOKEN_HOST) {
      const form = new URLSearchParams(body.toString());
      const custom = answer.token?.(form);
      const current = `canary-refresh-${generation}`;
      const good = form.get("refresh_token") === current && !revoked.has(current);
      if (good) generation += 1;
      else revoked.add(current);
      const [status, json] =
        custom ??
        (good
          ? [
              200,
              {
                access_token: `canary-access-${generation}`,
                refresh_token: `canary-refresh-${generation}`,
                expires_in: 3600,
                token_type: "Bearer",
              },
            ]
          : [400, { error: "invalid_grant" }]);
      if (answer.cut?.() === true) {
        request.socket.destroy();
        return;
      }
      response.writeHead(status, { "content-type": "application/json" });
      setTimeout(() => response.end(JSON.stringify(json)), 20);
      return;
    }
    const token = String(request.headers.authorization).slice(7);
    response.writeHead(answer.api?.(token) ?? 200, { "content-type": "text/plain" });
    response.end(`seen ${token}`);
  });
  harness = await createHarness({
    hosts: { [TOKEN_HOST]: provider.port, [API_HOST]: provider.port },
    registry: onlySpotify(),
    now: () => nowMs,
  });
  await harness.broker.createSecret({
    name: "SPOTIFY_OAUTH",
    value: utf8(JSON.stringify(DOCUMENT)),
  });
}

afterEach(async () => {
  await harness.close();
  await provider.close();
});

/** Another broker over the same vault. */
const restart = (vault = harness.vault, upstream = harness.upstream) =>
  new Broker({
    vault,
    registry: onlySpotify(),
    upstream,
    now: () => nowMs,
    random,
    version: "0",
  });

function onlySpotify(): Registry {
  const spotify = builtinRegistry().provider("spotify");
  if (spotify === null) throw new TypeError("the registry has no spotify");
  return createRegistry([spotify]);
}

async function call(broker = harness.broker) {
  const views = await broker.listCapabilities({
    kind: "caller",
    transport: "unix",
    uid: null,
    pid: null,
  });
  const view = views.find(({ rules }) =>
    rules.some(({ methods, match }) => methods.includes("GET") && match !== "pattern"),
  );
  const rule = view?.rules.find(
    ({ methods, match }) => methods.includes("GET") && match !== "pattern",
  );
  return await receive(
    broker,
    invocation({
      capability: view?.id ?? "none/none",
      request: { method: "GET", path: rule?.path ?? "/" },
    }),
  );
}

const asked = (host: string) => provider.requests.filter(({ headers }) => headers["host"] === host);

describe("oauth2", () => {
  it("G23: wipes what the token endpoint was sent and what it answered", async () => {
    await start();
    const buffers: Uint8Array[] = [];
    const upstream: Upstream = {
      close: () => harness.upstream.close(),
      send: (request, handler, signal) => {
        if (request.origin.host !== TOKEN_HOST) {
          harness.upstream.send(request, handler, signal);
          return;
        }
        if (request.body instanceof Uint8Array) buffers.push(request.body);
        const data = (chunk: Uint8Array) => {
          expect(Buffer.from(chunk).toString()).toContain("canary-access-2");
          buffers.push(chunk);
          handler.data(chunk);
        };
        const { head, end, error } = handler;
        harness.upstream.send(request, { head, data, end, error }, signal);
      },
    };
    expect((await call(restart(harness.vault, upstream))).error).toBeNull();
    expect(buffers).toHaveLength(2);
    for (const buffer of buffers) expect(buffer.every((byte) => byte === 0)).toBe(true);
  });

  it("obtains a token once for requests that come together, and keeps it", async () => {
    await start();
    const results = await Promise.all(Array.from({ length: 8 }, () => call()));
    expect(results.map(({ error }) => error)).toEqual(results.map(() => null));
    expect(results[0]?.body.toString()).toBe("seen [REDACTED]");
    expect(asked(TOKEN_HOST)).toHaveLength(1);
    expect(asked(TOKEN_HOST)[0]?.headers["authorization"]).toBe(
      `Basic ${Buffer.from("client:canary-client-secret").toString("base64")}`,
    );
    expect(asked(API_HOST)[0]?.headers["authorization"]).toBe("Bearer canary-access-2");
    expect((await call()).error).toBeNull();
    expect(asked(TOKEN_HOST)).toHaveLength(1);
  });

  it("does not renew again on a look at the token that is out of date", async () => {
    await start();
    await call();
    nowMs += 3_600_000;
    // This broker looks before the other renews, and goes on after.
    let hasLooked = () => {};
    let goOn = () => {};
    const looked = new Promise<void>((resolve) => {
      hasLooked = resolve;
    });
    const renewed = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let looks = 0;
    const vault = new Proxy(harness.vault, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        const method = value.bind(target) as (...args: unknown[]) => Promise<unknown>;
        if (name !== "getDocument") return method;
        return async (...args: unknown[]) => {
          const found = await method(...args);
          if (args[1] === "oauth:spotify" && looks++ === 0) {
            hasLooked();
            await renewed;
          }
          return found;
        };
      },
    });
    const late = call(restart(vault));
    await looked;
    expect((await call()).error).toBeNull();
    expect(asked(TOKEN_HOST)).toHaveLength(2);
    goOn();
    expect((await late).error).toBeNull();
    expect(asked(TOKEN_HOST)).toHaveLength(2);
    expect(asked(API_HOST).at(-1)?.headers["authorization"]).toBe("Bearer canary-access-3");
    expect(await harness.vault.getDocument("state", "oauth-lease:spotify")).toBeNull();
  });

  it("stores a rotated refresh token with the access token, and keeps other members", async () => {
    await start();
    await call();
    nowMs += 3_600_000;
    expect((await call()).error).toBeNull();
    expect(asked(TOKEN_HOST)).toHaveLength(2);
    const { secretId } = await harness.broker.findSecret("SPOTIFY_OAUTH");
    await harness.vault.useSecret(secretId, (value) => {
      expect(JSON.parse(Buffer.from(value).toString())).toEqual({
        ...DOCUMENT,
        refreshToken: "canary-refresh-3",
      });
    });
    expect(JSON.stringify(await auditEvents(harness.vault))).not.toMatch(/canary-/);
  });

  it("renews once and repeats the request when the provider refuses the token", async () => {
    await start({ api: (token) => (token === "canary-access-2" ? 401 : 200) });
    const { error, head, body } = await call();
    expect(error).toBeNull();
    expect(head?.status).toBe(200);
    expect(body.toString()).toBe("seen [REDACTED]");
    expect(asked(API_HOST)).toHaveLength(2);
  });

  it("passes a lasting refusal on after one repetition", async () => {
    await start({ api: () => 401 });
    const { error, head } = await call();
    expect(error).toBeNull();
    expect(head?.status).toBe(401);
    expect(asked(API_HOST)).toHaveLength(2);
  });

  it("serves a living token when renewal fails for a passing reason", async () => {
    let broken = false;
    await start({
      token: () => (broken ? [503, {}] : [200, { access_token: "canary-access", expires_in: 100 }]),
    });
    await call();
    broken = true;
    nowMs += 80_000;
    expect((await call()).error).toBeNull();
    expect(asked(TOKEN_HOST)).toHaveLength(2);
    nowMs += 30_000;
    expect((await call()).error).toMatchObject({ code: "upstream_failed" });
  });

  it.each([
    ["500", [500, {}]],
    ["408", [408, {}]],
    ["429", [429, { error: "too_many" }]],
    ["temporarily_unavailable", [400, { error: "temporarily_unavailable" }]],
    ["server_error", [400, { error: "server_error" }]],
    ["something that is no JSON", [502, "<html>"]],
  ] as const)("takes %s for a passing failure", async (_, refusal) => {
    let broken = false;
    await start({
      token: () =>
        broken
          ? [refusal[0], refusal[1] as object]
          : [200, { access_token: "canary-access", expires_in: 100 }],
    });
    await call();
    broken = true;
    nowMs += 80_000;
    expect((await call()).error).toBeNull();
    nowMs += 30_000;
    expect((await call()).error).toMatchObject({ code: "upstream_failed" });
    expect(await harness.broker.loginsNeeded()).toEqual([]);
  });

  it.each([
    ["two minutes", 120, 55_000, 119_000],
    ["four seconds", 4, 1_900, 3_900],
    ["an hour", 3600, 3_479_000, 3_599_000],
    ["longer than dates go", 1e300, 365 * 86_400_000, null],
    ["a part of a second", 0.0301, 10, 31],
  ])("keeps a token of %s until shortly before its end", async (_, lifeS, keptMs, renewedMs) => {
    let made = 0;
    await start({
      token: () => {
        made += 1;
        return [200, { access_token: `canary-access-${made}`, expires_in: lifeS }];
      },
    });
    expect((await call()).error).toBeNull();
    nowMs += keptMs;
    const kept = await Promise.all([call(), call(restart())]);
    expect(kept.map(({ error }) => error)).toEqual([null, null]);
    expect(made).toBe(1);
    if (renewedMs === null) return;
    nowMs += renewedMs - keptMs;
    expect((await call()).error).toBeNull();
    expect(made).toBe(2);
  });

  it("G9: says that a login has ended without what the endpoint says about it", async () => {
    await start({
      token: () => [
        400,
        {
          error: "invalid_grant",
          error_description: "token canary-refresh-1 of canary-client-secret",
        },
      ],
    });
    const { error } = await call();
    expect(error).toMatchObject({ code: "auth_failed" });
    expect(error?.message).toContain("invalid_grant");
    expect(`${error?.stack}${JSON.stringify(error?.cause ?? null)}`).not.toMatch(/canary-/);
    expect(JSON.stringify(await auditEvents(harness.vault))).not.toMatch(/canary-/);
    expect(asked(API_HOST)).toEqual([]);
  });

  it("renews once among brokers that share a vault", async () => {
    await start();
    const others = [restart(), restart(), restart()];
    const results = await Promise.all(
      [harness.broker, ...others].flatMap((broker) => [call(broker), call(broker)]),
    );
    expect(results.map(({ error }) => error)).toEqual(results.map(() => null));
    expect(asked(TOKEN_HOST)).toHaveLength(1);
    nowMs += 3_600_000;
    await Promise.all([harness.broker, ...others].map((broker) => call(broker)));
    expect(asked(TOKEN_HOST)).toHaveLength(2);
  });

  it("says that a renewal was cut off when its refresh token is then refused", async () => {
    let cut = true;
    await start({ cut: () => cut });
    // The provider has rotated the token, and nobody has heard of the new one.
    expect((await call()).error).toMatchObject({ code: "upstream_failed" });
    cut = false;
    const { error } = await call();
    expect(error).toMatchObject({ code: "auth_failed" });
    expect(error?.message).toContain("cut off");
    expect(await harness.broker.loginsNeeded()).toMatchObject([
      { reason: "renewal_interrupted", atMs: nowMs },
    ]);
    const events = await auditEvents(harness.vault, 4);
    expect(events).toContainEqual(
      expect.objectContaining({ kind: "oauth.needs_login", reason: "renewal_interrupted" }),
    );
    const before = asked(TOKEN_HOST).length;
    expect((await call(restart())).error).toMatchObject({ code: "auth_failed" });
    expect(asked(TOKEN_HOST)).toHaveLength(before);
    // A new login is a new value of the secret.
    const { secretId } = await harness.broker.findSecret("SPOTIFY_OAUTH");
    const document = { ...DOCUMENT, refreshToken: "canary-refresh-2" };
    await harness.broker.rotateSecret(secretId, utf8(JSON.stringify(document)));
    expect(await harness.broker.loginsNeeded()).toEqual([]);
  });

  it("leaves the lease alone that somebody took from a broker which stood still", async () => {
    let hasAsked = () => {};
    const asking = new Promise<void>((resolve) => {
      hasAsked = resolve;
    });
    let answerNow = () => {};
    const answering = new Promise<void>((resolve) => {
      answerNow = resolve;
    });
    await start();
    const upstream: Upstream = {
      close: () => harness.upstream.close(),
      send: (request, handler, signal) => {
        if (request.origin.host !== TOKEN_HOST)
          return harness.upstream.send(request, handler, signal);
        hasAsked();
        void answering.then(() => harness.upstream.send(request, handler, signal));
      },
    };
    const slow = call(restart(harness.vault, upstream));
    await asking;
    const taken = { holder: "another", beat: 0, valueVersion: 1, startedAtMs: nowMs };
    await harness.vault.transaction((tx) => tx.putDocument("state", "oauth-lease:spotify", taken));
    answerNow();
    expect((await slow).error).toBeNull();
    const lease = await harness.vault.getDocument("state", "oauth-lease:spotify");
    expect(lease?.value).toEqual(taken);
  });

  it("takes over from a broker that ended in the middle of a renewal", async () => {
    await start();
    await harness.vault.transaction((tx) =>
      tx.putDocument("state", "oauth-lease:spotify", {
        holder: "another",
        beat: 3,
        valueVersion: 1,
        startedAtMs: nowMs - 1,
      }),
    );
    expect((await call()).error).toBeNull();
    expect(asked(TOKEN_HOST)).toHaveLength(1);
    expect(await harness.broker.loginsNeeded()).toEqual([]);
  }, 20_000);
});
