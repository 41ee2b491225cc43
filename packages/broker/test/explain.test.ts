import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DecisionStep } from "../src/index.ts";
import { auditEvents, createHarness, type Harness, invocation, utf8 } from "./support/harness.ts";

let harness: Harness;

beforeEach(async () => {
  harness = await createHarness();
  await harness.broker.createSecret({
    name: "OPENAI_API_KEY",
    value: utf8("sk-canary-0123456789"),
  });
});

afterEach(() => harness.close());

const explain = (path: string, more: object = {}, capability = "openai/chat-completions") =>
  harness.broker.explain(invocation({ capability, request: { method: "POST", path, ...more } }));

const refusedAt = (steps: readonly DecisionStep[]) =>
  steps.filter(({ outcome }) => outcome === "refused").map(({ stage }) => stage);

describe("explain", () => {
  it("says which rules allow a request, and what would be sent without the credential", async () => {
    const { decision, steps, plan, denial } = await explain("/v1/chat/completions", { body: "{}" });
    expect(decision).toBe("allow");
    expect(denial).toBeNull();
    expect(steps.every(({ outcome }) => outcome === "allowed")).toBe(true);
    expect(steps.map(({ stage }) => stage)).toEqual([
      "capability",
      "grant",
      "credential",
      "method",
      "path",
      "host",
      "secret",
      "headers",
      "query",
      "limits",
    ]);
    expect(steps[2]?.detail).toContain("the only one");
    expect(plan).toMatchObject({ credential: "openai", injects: ["header authorization"] });
    expect(JSON.stringify({ steps, plan })).not.toContain("canary");
    expect(await auditEvents(harness.vault, 1)).toMatchObject([{ kind: "invocation.planned" }]);
  });

  it("names the first rule that refuses, and what would be needed", async () => {
    const path = await explain("/v1/files");
    expect(refusedAt(path.steps)).toEqual(["path"]);
    expect(path.denial).toMatchObject({ code: "policy_violation", reason: "path_not_allowed" });
    expect(path.plan).toBeNull();
    const headers = [{ name: "authorization", value: "Bearer mine" }];
    expect(refusedAt((await explain("/v1/chat/completions", { headers })).steps)).toEqual([
      "headers",
    ]);
    const missing = await explain("/v1/messages", {}, "anthropic/messages");
    expect(refusedAt(missing.steps)).toEqual(["credential"]);
    expect(missing.denial?.hint).toContain("ANTHROPIC_API_KEY");
    const unknown = await explain("/", {}, "no/such");
    expect(refusedAt(unknown.steps)).toEqual(["capability"]);
    expect(unknown.steps.at(-1)).toMatchObject({ outcome: "not reached" });
  });

  it("sees a rate that is used up without using it", async () => {
    await harness.broker.setPolicy("openai/chat-completions", { requestsPerMinute: 0 });
    const { steps, denial } = await explain("/v1/chat/completions");
    expect(refusedAt(steps)).toEqual(["limits"]);
    expect(denial?.retryAfterMs).toBeGreaterThan(0);
  });

  it("G19: is no answer while the vault is locked", async () => {
    harness.vault.lock();
    await expect(explain("/v1/chat/completions")).rejects.toMatchObject({ code: "vault_locked" });
  });
});
