import { builtinRegistry } from "@aivault/registry";
import type { JsonValue } from "@aivault/vault-core";
import { afterEach, describe, expect, it } from "vitest";
import { Broker } from "../src/index.ts";
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

async function start(limits: JsonValue, delayMs = 0): Promise<void> {
  provider = await startStandIn(["api.openai.com"], (_request, response) => {
    setTimeout(() => response.end("ok"), delayMs);
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

const call = (broker = harness.broker) =>
  receive(
    broker,
    invocation({
      capability: CAPABILITY,
      request: { method: "POST", path: "/v1/chat/completions", body: "{}" },
    }),
  );

describe("limits of a capability", () => {
  it("G10: hold for a minute's requests, also over a restart", async () => {
    await start({ requestsPerMinute: 3 });
    for (let i = 0; i < 3; i++) expect((await call()).error).toBeNull();
    expect((await call()).error).toMatchObject({ code: "rate_limited" });
    const restarted = new Broker({
      vault: harness.vault,
      registry: builtinRegistry(),
      upstream: harness.upstream,
      now: () => nowMs,
      random,
      version: "0",
    });
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
    await start({ concurrency: 2 }, 50);
    const results = await Promise.all(Array.from({ length: 5 }, () => call()));
    expect(results.filter(({ error }) => error?.code === "rate_limited")).toHaveLength(3);
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
    await start({ requestBytesMax: 1, totalMs: 30 }, 500);
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
