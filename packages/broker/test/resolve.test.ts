import type { Scope } from "@aivault/vault-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { InvocationContext, Principal, TokenGrant } from "../src/index.ts";
import {
  auditEvents,
  caller,
  createHarness,
  envelope,
  type Harness,
  operator,
  utf8,
} from "./support/harness.ts";

const CAPABILITY = "acme/read";
const w1: Scope = { kind: "workspace", workspaceId: "w1" };
const g1: Scope = { kind: "group", workspaceId: "w1", groupId: "g1" };
let harness: Harness;

beforeEach(async () => {
  harness = await createHarness();
  await harness.broker.createCapability({
    id: CAPABILITY,
    provider: "acme",
    host: "api.acme.com",
    rules: [{ methods: ["GET"], match: "prefix", path: "/" }],
  });
});

afterEach(() => harness.close());

/** A secret and a credential of the same name. */
async function make(id: string, scope: Scope = { kind: "global" }): Promise<string> {
  const { secret } = await harness.broker.createSecret({
    name: `SECRET_${id}`,
    value: utf8(`value-of-${id}`),
    scope,
  });
  await harness.broker.createCredential({
    id,
    provider: "acme",
    secrets: { secret: secret.secretId },
    auth: { strategy: "header", name: "authorization", template: "Bearer {{secret}}" },
    hosts: ["api.acme.com"],
    scope,
  });
  return secret.secretId;
}

const grant = (change: Partial<TokenGrant> = {}): TokenGrant => ({
  tokenId: "t1",
  capabilities: ["acme/*"],
  credential: null,
  ...change,
});

async function resolve(
  context?: InvocationContext,
  credential?: string,
  principal: Principal = caller,
): Promise<string> {
  const plan = await harness.broker.plan({
    requestId: "r",
    principal,
    uploads: null,
    envelope: envelope({
      capability: CAPABILITY,
      ...(credential === undefined ? {} : { credential }),
      request: { method: "GET", path: "/x" },
    }),
    ...(context === undefined ? {} : { context }),
  });
  return plan.credential;
}

const at = (workspaceId: string, groupId?: string): InvocationContext => ({
  workspaceId,
  ...(groupId === undefined ? {} : { groupId }),
});

describe("which credential is used", () => {
  it("W-F4: prefers the group's, then the workspace's, then the global one", async () => {
    await make("global");
    await make("of-w1", w1);
    await make("of-g1", g1);
    expect(await resolve()).toBe("global");
    expect(await resolve(at("w1"))).toBe("of-w1");
    expect(await resolve(at("w1", "g1"))).toBe("of-g1");
    expect(await resolve(at("w2"))).toBe("global");
  });

  it("W-F4: asks when two are equally near, and takes the one that is named", async () => {
    await make("one");
    await make("two");
    await expect(resolve()).rejects.toMatchObject({ code: "credential_ambiguous" });
    expect(await resolve(undefined, "two")).toBe("two");
    expect(await resolve({ grants: [grant({ credential: "one" })] })).toBe("one");
  });

  it("W-F3: never uses what belongs elsewhere, named or not", async () => {
    await make("of-w1", w1);
    await make("of-g1", g1);
    for (const context of [undefined, at("w2"), at("w2", "g1")]) {
      for (const named of [undefined, "of-w1", "of-g1"]) {
        await expect(resolve(context, named)).rejects.toMatchObject({
          code: "credential_not_found",
        });
      }
    }
    await expect(resolve(at("w1"), "of-g1")).rejects.toMatchObject({
      code: "credential_not_found",
    });
    await expect(resolve(at("w1", "g2"), "of-g1")).rejects.toMatchObject({
      code: "credential_not_found",
    });
    expect(await resolve(undefined, "of-g1", operator)).toBe("of-g1");
  });

  it("W-F3: lets a group use a global secret only when it is attached", async () => {
    const secretId = await make("global");
    await expect(resolve(at("w1", "g1"))).rejects.toMatchObject({ code: "credential_not_found" });
    await harness.broker.attachSecret(secretId, { workspaceId: "w1", groupId: "g1" });
    expect(await resolve(at("w1", "g1"))).toBe("global");
    await expect(resolve(at("w1", "g2"))).rejects.toMatchObject({ code: "credential_not_found" });
    await harness.broker.detachSecret(secretId, { workspaceId: "w1", groupId: "g1" });
    await expect(resolve(at("w1", "g1"))).rejects.toMatchObject({ code: "credential_not_found" });
  });

  it("W-E7: refuses another credential than a token's pin", async () => {
    await make("one");
    await make("two");
    const pinned = { grants: [grant(), grant({ tokenId: "t0", credential: "one" })] };
    expect(await resolve(pinned)).toBe("one");
    expect(await resolve(pinned, "one")).toBe("one");
    await expect(resolve(pinned, "two")).rejects.toMatchObject({
      code: "policy_violation",
      reason: "capability_not_granted",
    });
    const torn = { grants: [grant({ credential: "one" }), grant({ credential: "two" })] };
    await expect(resolve(torn)).rejects.toMatchObject({ reason: "capability_not_granted" });
  });

  it("G13: refuses a capability that one of the tokens does not grant, and records it", async () => {
    await make("one");
    const grants = [grant(), grant({ capabilities: ["other/*"] })];
    await expect(resolve({ grants })).rejects.toMatchObject({
      reason: "capability_not_granted",
    });
    expect(await auditEvents(harness.vault, 1)).toMatchObject([
      { kind: "invocation.decided", decision: "deny", reason: "capability_not_granted" },
    ]);
    expect(await harness.broker.listCapabilities(caller, { grants })).toEqual([]);
    expect(await harness.broker.listCapabilities(caller, { grants: [grant()] })).toMatchObject([
      { id: CAPABILITY },
    ]);
  });
});

describe("bindings", () => {
  it("W-F2: decide between credentials that are equally near", async () => {
    await make("one");
    const secretId = await make("two");
    await harness.broker.createBinding({ id: "b", capability: CAPABILITY, secret: secretId });
    expect(await resolve()).toBe("two");
    expect(await resolve(undefined, "one")).toBe("one");
    expect(await harness.broker.listBindings()).toMatchObject([{ id: "b", secret: secretId }]);
    expect(await harness.broker.deleteBinding("b")).toBe(true);
    await expect(resolve()).rejects.toMatchObject({ code: "credential_ambiguous" });
  });

  it("W-F2: for one consumer or one capability come before those for all", async () => {
    for (const id of ["all", "some", "ci", "pinned"]) await make(id);
    const bind = (id: string, capability: string, consumer: string | null = null) =>
      harness.broker.createBinding({ id, capability, consumer, credential: id });
    await bind("all", "acme/*");
    expect(await resolve()).toBe("all");
    await bind("some", CAPABILITY);
    expect(await resolve()).toBe("some");
    await bind("ci", "*", "agent-ci");
    expect(await resolve({ consumer: "agent-ci" })).toBe("ci");
    expect(await resolve({ consumer: "agent-x" })).toBe("some");
    expect(await resolve({ grants: [grant({ tokenId: "agent-ci" })] })).toBe("ci");
    const pin = [grant({ credential: "pinned" })];
    expect(await resolve({ consumer: "agent-ci", grants: pin })).toBe("pinned");
  });

  it("W-F4: give way to what is stored nearer", async () => {
    await make("global");
    await make("of-w1", w1);
    await harness.broker.createBinding({ id: "b", capability: "*", credential: "global" });
    expect(await resolve(at("w1"))).toBe("of-w1");
    await harness.broker.createBinding({
      id: "near",
      capability: "*",
      scope: w1,
      credential: "global",
    });
    expect(await resolve(at("w1"))).toBe("global");
    expect(await resolve(at("w2"))).toBe("global");
  });

  it("W-F2: refuse rather than replace a choice that is not usable", async () => {
    await make("one");
    await make("two");
    await harness.broker.createBinding({ id: "b", capability: "*", credential: "two" });
    await harness.broker.deleteCredential("two");
    await expect(resolve()).rejects.toMatchObject({ code: "credential_not_found" });
  });

  it("W-F3: cannot be made across scopes", async () => {
    await make("of-w1", w1);
    await expect(
      harness.broker.createBinding({ id: "b", capability: "*", credential: "of-w1" }),
    ).rejects.toMatchObject({ code: "invalid_request" });
    await expect(
      harness.broker.createBinding({ id: "b", capability: "*", credential: "none" }),
    ).rejects.toMatchObject({ code: "credential_not_found" });
    await expect(harness.broker.createBinding({ id: "b", capability: "*" })).rejects.toMatchObject({
      code: "invalid_request",
    });
  });
});

describe("policies", () => {
  it("are set, shown and deleted per capability", async () => {
    expect(await harness.broker.getPolicy(CAPABILITY)).toBeNull();
    await harness.broker.setPolicy(CAPABILITY, { concurrency: 2 });
    expect(await harness.broker.getPolicy(CAPABILITY)).toEqual({ concurrency: 2 });
    expect(await harness.broker.deletePolicy(CAPABILITY)).toBe(true);
    expect(await harness.broker.deletePolicy(CAPABILITY)).toBe(false);
    await expect(harness.broker.setPolicy("no/such", {})).rejects.toMatchObject({
      code: "capability_not_found",
    });
  });

  it("G10: stop the capability when they cannot be read, instead of lifting the limit", async () => {
    await make("one");
    await harness.vault.transaction((tx) =>
      tx.putDocument("policy", CAPABILITY, { requestsPerMinute: -1 }),
    );
    await expect(resolve()).rejects.toMatchObject({ code: "vault_unavailable" });
  });
});
