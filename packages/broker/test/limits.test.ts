import { builtinRegistry } from "@aivault/registry";
import type { JsonValue } from "@aivault/vault-core";
import { afterEach, describe, expect, it } from "vitest";
import { Broker, type TokenGrant, type UseLimits } from "../src/index.ts";
import {
  createHarness,
  type Harness,
  invocation,
  random,
  receive,
  utf8,
} from "./support/harness.ts";
import { type StandIn, startStandIn } from "./support/provider.ts";

const CAPABILITY = "openai/chat-completions";
let provider: StandIn;
let harness: Harness;
let nowMs = 1_800_000_000_000;

/** Lets the answers go that {@link start} was told to hold. */
let release: () => void = () => {};

async function start(limits: JsonValue, holds = false): Promise<void> {
  const released = holds
    ? new Promise<void>((resolve) => {
        release = resolve;
      })
    : Promise.resolve();
  provider = await startStandIn(["api.openai.com"], (_request, response) => {
    void released.then(() => response.end("ok"));
  });
  harness = await createHarness({
    hosts: { "api.openai.com": provider.port },
    now: () => nowMs,
  });
  await harness.broker.createSecret({
    name: "OPENAI_API_KEY",
    value: utf8("sk-canary-0123456789"),
  });
  await harness.vault.transaction((tx) => tx.putDocument("policy", CAPABILITY, limits));
}

afterEach(async () => {
  await harness.close();
  await provider.close();
});

const call = (broker = harness.broker, grants: readonly TokenGrant[] = []) =>
  receive(
    broker,
    invocation(
      {
        capability: CAPABILITY,
        request: { method: "POST", path: "/v1/chat/completions", body: "{}" },
      },
      null,
      { context: { grants } },
    ),
  );

const token = (tokenId: string, limits: UseLimits): TokenGrant => ({
  tokenId,
  capabilities: ["openai/*"],
  credential: null,
  limits,
});

/** Another broker over the same vault, as after a restart. */
const restart = () =>
  new Broker({
    vault: harness.vault,
    registry: builtinRegistry(),
    upstream: harness.upstream,
    now: () => nowMs,
    random,
    version: "0",
  });

describe("limits of a capability", () => {
  it("G10: hold for a minute's requests, also over a restart", async () => {
    await start({ requestsPerMinute: 3 });
    for (let i = 0; i < 3; i++) expect((await call()).error).toBeNull();
    expect((await call()).error).toMatchObject({ code: "rate_limited" });
    const restarted = restart();
    const { error } = await call(restarted);
    expect(error).toMatchObject({ code: "rate_limited" });
    expect(error?.retryAfterMs).toBeGreaterThan(0);
    nowMs += 62_000;
    expect((await call(restarted)).error).toBeNull();
  });

  it("G10: hold for requests that come together", async () => {
    await start({ requestsPerMinute: 5 });
    const results = await Promise.all(Array.from({ length: 12 }, () => call()));
    expect(results.filter(({ error }) => error === null)).toHaveLength(5);
    expect(provider.requests).toHaveLength(5);
  });

  it("G10: hold for how many are under way at a time", async () => {
    await start({ concurrency: 2 }, true);
    let refused = 0;
    const calls = Array.from({ length: 5 }, async () => {
      const { error } = await call();
      if (error === null) return;
      expect(error).toMatchObject({ code: "rate_limited" });
      refused++;
      if (refused === 3) release();
    });
    await Promise.all(calls);
    expect(refused).toBe(3);
    expect((await call()).error).toBeNull();
  });

  it("G10: a refused request and a dry run spend nothing", async () => {
    await start({ requestsPerMinute: 1 });
    const what = (path: string) =>
      invocation({ capability: CAPABILITY, request: { method: "POST", path } });
    await receive(harness.broker, what("/elsewhere"));
    await harness.broker.plan(what("/v1/chat/completions"));
    expect((await call()).error).toBeNull();
  });

  it("G10: bound sizes and times", async () => {
    await start({ requestBytesMax: 1, totalMs: 30 }, true);
    expect((await call()).error).toMatchObject({ code: "request_too_large" });
    const empty = invocation({
      capability: CAPABILITY,
      request: { method: "POST", path: "/v1/chat/completions" },
    });
    expect((await receive(harness.broker, empty)).error).toMatchObject({
      code: "upstream_timeout",
    });
  });
});

describe("limits of a token", () => {
  it("G10: hold for its requests, also over a restart, and for nobody else's", async () => {
    await start({});
    const t1 = [token("t1", { requestsPerMinute: 2 })];
    for (let i = 0; i < 2; i++) expect((await call(harness.broker, t1)).error).toBeNull();
    expect((await call(restart(), t1)).error).toMatchObject({ code: "rate_limited" });
    const t2 = [token("t2", { requestsPerMinute: 2 })];
    expect((await call(harness.broker, t2)).error).toBeNull();
    expect((await call()).error).toBeNull();
  });

  it("G10: a request that one of its tokens refuses is counted by none", async () => {
    await start({});
    const parent = token("parent", { requestsPerMinute: 1 });
    const spent = [token("spent", { requestsPerMinute: 0 }), parent];
    expect((await call(harness.broker, spent)).error).toMatchObject({ code: "rate_limited" });
    expect((await call(harness.broker, [parent])).error).toBeNull();
    expect((await call(harness.broker, [parent])).error).toMatchObject({ code: "rate_limited" });
  });

  it("G10: bound concurrency and sizes together with the capability's", async () => {
    await start({ requestBytesMax: 100 }, true);
    const one = [token("t1", { concurrency: 1, requestBytesMax: 2 })];
    const calls = [call(harness.broker, one), call(harness.broker, one)];
    expect((await Promise.race(calls)).error).toMatchObject({ code: "rate_limited" });
    release();
    const results = await Promise.all(calls);
    expect(results.filter(({ error }) => error === null)).toHaveLength(1);
    const tight = [token("t1", { requestBytesMax: 1 })];
    expect((await call(harness.broker, tight)).error).toMatchObject({ code: "request_too_large" });
  });
});

describe("storing what was used", () => {
  it("takes far fewer writes than requests, and gives nothing back after a crash", async () => {
    await start({ requestsPerMinute: 200 });
    expect((await call()).error).toBeNull();
    const before = harness.vault.status().revision;
    for (let i = 0; i < 20; i++) expect((await call()).error).toBeNull();
    expect(harness.vault.status().revision - before).toBeLessThanOrEqual(3);
    // What the broker that ended had stored ahead counts as used, so at most 200 in all.
    const restarted = restart();
    let allowed = 21;
    for (let i = 0; i < 200; i++) if ((await call(restarted)).error === null) allowed++;
    expect(allowed).toBeLessThanOrEqual(200);
    expect(allowed).toBeGreaterThanOrEqual(190);
  });

  it("G10: holds for two brokers over one vault", async () => {
    await start({ requestsPerMinute: 60 });
    const other = restart();
    let allowed = 0;
    for (let i = 0; i < 40; i++) {
      const both = await Promise.all([call(), call(other)]);
      allowed += both.filter(({ error }) => error === null).length;
    }
    expect(allowed).toBeLessThanOrEqual(60);
    expect(allowed).toBeGreaterThanOrEqual(50);
  });
});
