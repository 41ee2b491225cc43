// Rules of an operator that say more than a path: what the query must be, and `%2F` in a segment.

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createHarness, type Harness, invocation, receive, utf8 } from "./support/harness.ts";
import { type StandIn, startStandIn } from "./support/provider.ts";

const HOST = "api.acme.com";
let provider: StandIn;
let harness: Harness;

beforeEach(async () => {
  provider = await startStandIn([HOST], (_request, response) => response.end("ok"));
  harness = await createHarness({ hosts: { [HOST]: provider.port } });
  await harness.broker.createSecret({ name: "ACME_KEY", value: utf8("canary-acme-0123456789") });
  await harness.broker.createCredential({
    id: "acme",
    provider: "acme",
    secrets: { secret: "ACME_KEY" },
    auth: { strategy: "header", name: "x-acme", template: "{{secret}}" },
    hosts: [HOST],
  });
});

afterEach(async () => {
  await harness.close();
  await provider.close();
});

const create = (id: string, rule: object) =>
  harness.broker.createCapability({
    id: `acme/${id}`,
    provider: "acme",
    host: HOST,
    rules: [{ methods: ["GET"], match: "prefix", path: "/", ...rule }],
  });
const call = async (id: string, path: string) =>
  (
    await receive(
      harness.broker,
      invocation({ capability: `acme/${id}`, request: { method: "GET", path } }),
    )
  ).error;

describe("an operator's rule", () => {
  it("demands parameters, forbids some, and admits no others", async () => {
    const query = { required: { op: "read", empty: "" }, forbidden: ["force"], allowed: ["page"] };
    expect((await create("query", { query })).rules[0]).toMatchObject({ query });
    expect(await call("query", "/x?op=read&empty=&page=2")).toBeNull();
    expect(provider.requests.at(-1)?.url).toBe("/x?op=read&empty=&page=2");
    for (const path of ["/x", "/x?op=write&empty=", "/x?op=read&empty=&force=1", "/x?op=read"]) {
      expect(await call("query", path)).toMatchObject({ reason: "path_not_allowed" });
    }
    expect(provider.requests).toHaveLength(1);
  });

  it("admits an encoded slash only where it says so", async () => {
    await create("plain", { match: "pattern", path: "/projects/{id}/issues" });
    await create("slash", { match: "pattern", path: "/projects/{id}/issues", encodedSlash: true });
    expect(await call("slash", "/projects/group%2Fname/issues")).toBeNull();
    expect(provider.requests.at(-1)?.url).toBe("/projects/group%2Fname/issues");
    expect(await call("plain", "/projects/group%2Fname/issues")).toMatchObject({
      code: "policy_violation",
    });
    expect(await call("slash", "/projects/group%2F..%2Fx/issues")).toMatchObject({
      code: "policy_violation",
    });
  });

  it.each([
    { query: { required: ["a"] } },
    { query: { required: { a: 1 } } },
    { query: { forbidden: "a" } },
    { query: { allowed: [""] } },
    { query: { demanded: {} } },
    { query: [] },
    { encodedSlash: "yes" },
    { fragment: true },
  ])("is refused when it is malformed: %j", async (rule) => {
    await expect(create("bad", rule)).rejects.toMatchObject({ code: "invalid_request" });
  });
});
