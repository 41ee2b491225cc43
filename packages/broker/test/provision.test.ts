import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  auditEvents,
  caller,
  createHarness,
  type Harness,
  invocation,
  operator,
  utf8,
} from "./support/harness.ts";

let harness: Harness;

beforeEach(async () => {
  harness = await createHarness();
});

afterEach(async () => {
  await harness.close();
});

const store = (name: string, value = "sk-canary-0123456789") =>
  harness.broker.createSecret({ name, value: utf8(value) });

describe("storing secrets", () => {
  it("pins and provisions a name that a provider claims, and nothing else", async () => {
    expect((await store("OPENAI_API_KEY")).provisioning).toMatchObject({
      provider: "openai",
      credential: "openai",
      capabilities: expect.arrayContaining(["openai/chat-completions"]),
    });
    const plain = await store("MY_OWN_KEY");
    expect(plain.secret.pinnedProvider).toBeNull();
    expect(plain.provisioning).toEqual({
      provider: null,
      credential: null,
      capabilities: [],
      missing: [],
    });
    const views = await harness.broker.listCapabilities(caller);
    expect(new Set(views.map(({ provider }) => provider))).toEqual(new Set(["openai"]));
  });

  it("stores no registry capability, and no scheme of a registry credential", async () => {
    await store("OPENAI_API_KEY");
    expect((await harness.vault.listDocuments("capability")).items).toEqual([]);
    const [document] = (await harness.vault.listDocuments("credential")).items;
    expect(document?.value).toMatchObject({ auth: null, hosts: [], origin: "registry" });
  });

  it("shows operators what is missing", async () => {
    const views = await harness.broker.listCapabilities(operator);
    expect(views.find(({ id }) => id === "openai/chat-completions")).toMatchObject({
      ready: false,
      missing: ["OPENAI_API_KEY"],
    });
  });

  it("is told the tenant by the provider's name for it, before or after", async () => {
    const token = "shpat_0123456789abcdef0123456789abcdef";
    const made = await store("SHOPIFY_ACCESS_TOKEN", token);
    expect(made.provisioning).toMatchObject({ credential: "shopify", missing: ["SHOPIFY_SHOP"] });
    const invoke = {
      capability: "shopify/admin",
      request: { method: "GET", path: "/admin/api/2026-10/shop.json" },
    };
    await expect(harness.broker.plan(invocation(invoke))).rejects.toMatchObject({
      reason: "host_not_allowed",
      hint: "aivault secrets create --name SHOPIFY_SHOP",
    });
    const told = await store("SHOPIFY_SHOP", "https://Acme.myshopify.com/\n");
    expect(told.secret.pinnedProvider).toBe("shopify");
    expect(told.provisioning).toMatchObject({ credential: "shopify", missing: [] });
    const { url } = await harness.broker.plan(invocation(invoke));
    expect(url).toBe("https://acme.myshopify.com/admin/api/2026-10/shop.json");
    // It moved; and the token is stored anew.
    await harness.broker.rotateSecret(told.secret.secretId, utf8("moved"));
    await harness.broker.rotateSecret(made.secret.secretId, utf8(token));
    expect(await harness.broker.listCredentials()).toMatchObject([
      { id: "shopify", hosts: ["moved.myshopify.com"] },
    ]);
    await store("AWS_REGION", "eu-central-1");
    await store("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE");
    await store("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    const aws = (await harness.broker.listCredentials()).find(({ id }) => id === "aws");
    expect(aws?.hosts).toContain("s3.eu-central-1.amazonaws.com");
  });

  it("G4: leaves a tenant open that is none", async () => {
    await store("SHOPIFY_ACCESS_TOKEN", "shpat_0123456789abcdef0123456789abcdef");
    for (const shop of ["evil.test", "acme.myshopify.com.evil.test", "a/b", "a@b", ""]) {
      const { secretId } = await harness.broker.findSecret("SHOPIFY_SHOP").catch(async () => {
        return (await store("SHOPIFY_SHOP", "-")).secret;
      });
      if (shop !== "") await harness.broker.rotateSecret(secretId, utf8(shop));
      expect(await harness.broker.listCredentials()).toMatchObject([{ id: "shopify", hosts: [] }]);
    }
  });

  it("pins a secret that is renamed to a claimed name", async () => {
    const { secret } = await store("OLD_NAME");
    const renamed = await harness.broker.updateSecret(secret.secretId, { name: "OPENAI_API_KEY" });
    expect(renamed.secret.pinnedProvider).toBe("openai");
    expect(renamed.provisioning.credential).toBe("openai");
  });

  it("G4: never moves a pin to another provider", async () => {
    const { secret } = await store("OPENAI_API_KEY");
    await expect(
      harness.broker.updateSecret(secret.secretId, { name: "ANTHROPIC_API_KEY" }),
    ).rejects.toMatchObject({ code: "policy_violation", reason: "secret_pinned" });
  });

  it("says what stopped working with a deleted secret, and works again with a new one", async () => {
    const { secret } = await store("OPENAI_API_KEY");
    const deleted = await harness.broker.deleteSecret(secret.secretId);
    expect(deleted.dependants).toEqual(["openai"]);
    expect(await harness.broker.listCapabilities(caller)).toEqual([]);
    expect((await store("OPENAI_API_KEY")).provisioning.credential).toBe("openai");
  });

  it("keeps a credential that works without the deleted secret", async () => {
    await store("AWS_ACCESS_KEY_ID", "AKIACANARY0000000000");
    await store("AWS_SECRET_ACCESS_KEY", "canarysecretaccesskey0123456789abcdefABC");
    const { secret, provisioning } = await store("AWS_SESSION_TOKEN", "canary-session-token");
    expect(provisioning.credential).toBe("aws");
    expect((await harness.broker.deleteSecret(secret.secretId)).dependants).toEqual([]);
    const [credential] = await harness.broker.listCredentials();
    expect(Object.keys(credential?.secrets ?? {}).sort()).toEqual([
      "access_key_id",
      "secret_access_key",
    ]);
  });

  it("refuses a second secret of a name, whole", async () => {
    await store("OPENAI_API_KEY");
    await expect(store("OPENAI_API_KEY")).rejects.toMatchObject({ code: "conflict" });
    await expect(harness.broker.findSecret("NO_SUCH")).rejects.toMatchObject({
      code: "secret_not_found",
    });
  });

  it("G3: records the lifecycle without any value", async () => {
    const { secret } = await store("OPENAI_API_KEY");
    await harness.broker.rotateSecret(secret.secretId, utf8("sk-canary-rotated"));
    await harness.broker.deleteSecret(secret.secretId);
    const events = await auditEvents(harness.vault);
    expect(events.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(["secret.created", "secret.rotated", "secret.deleted"]),
    );
    expect(JSON.stringify(events)).not.toContain("sk-canary");
  });
});

describe("credentials and capabilities made by hand", () => {
  const acme = {
    id: "acme",
    provider: "acme",
    secrets: { secret: "ACME_KEY" },
    auth: { strategy: "header", name: "X-Acme-Key", template: "{{secret}}" },
    hosts: ["api.acme.example"],
  };
  const capability = {
    id: "acme/things",
    provider: "acme",
    host: "api.acme.example",
    rules: [{ methods: ["GET"], match: "prefix" as const, path: "/things" }],
  };

  it("are listed and deleted", async () => {
    await store("ACME_KEY");
    await harness.broker.createCredential(acme);
    await harness.broker.createCapability(capability);
    expect(await harness.broker.describeCapability("acme/things")).toMatchObject({
      origin: "operator",
      ready: true,
    });
    expect(await harness.broker.listCredentials()).toMatchObject([
      { id: "acme", auth: { strategy: "header", name: "x-acme-key" } },
    ]);
    await expect(harness.broker.createCapability(capability)).rejects.toMatchObject({
      code: "conflict",
    });
    expect(await harness.broker.deleteCapability("acme/things")).toBe(true);
    expect(await harness.broker.deleteCapability("acme/things")).toBe(false);
    expect(await harness.broker.deleteCredential("acme")).toBe(true);
  });

  it.each([
    ["a secret that is not there", { secrets: { secret: "NOPE" } }, "secret_not_found"],
    ["no scheme", { auth: undefined }, "invalid_request"],
    ["no host", { hosts: [] }, "invalid_request"],
    ["a host with a path", { hosts: ["api.acme.example/x"] }, "invalid_request"],
    ["an address", { hosts: ["127.0.0.1"] }, "invalid_request"],
    ["an internal name", { hosts: ["metadata.google.internal"] }, "invalid_request"],
    [
      "a framing header",
      { auth: { strategy: "header", name: "Host", template: "{{secret}}" } },
      "invalid_request",
    ],
    [
      "a template without secret",
      { auth: { strategy: "header", name: "x", template: "y" } },
      "invalid_request",
    ],
    ["an unknown strategy", { auth: { strategy: "magic" } }, "invalid_request"],
    ["an unknown member", { extra: 1 }, "invalid_request"],
    [
      "a key that would be sent",
      {
        auth: {
          strategy: "hmac",
          algorithm: "sha256",
          key: "secret",
          message: "{{body}}",
          headers: [{ name: "x-sig", template: "{{secret}}" }],
        },
      },
      "invalid_request",
    ],
  ])("refuses a credential with %s", async (_, change, code) => {
    await store("ACME_KEY");
    await expect(
      harness.broker.createCredential({ ...acme, ...change } as typeof acme),
    ).rejects.toMatchObject({ code });
    expect(await harness.broker.listCredentials()).toEqual([]);
  });

  it.each([
    ["two hosts in one", { host: "api.acme.example,evil.example" }],
    ["a wildcard", { host: "*.example" }],
    ["no rule", { rules: [] }],
    ["an empty path", { rules: [{ methods: ["GET"], match: "prefix", path: "" }] }],
    ["an unknown method", { rules: [{ methods: ["YEET"], match: "prefix", path: "/" }] }],
    ["another provider's name", { id: "other/things" }],
    ["an unknown member", { extra: 1 }],
  ])("refuses a capability with %s", async (_, change) => {
    await expect(
      harness.broker.createCapability({ ...capability, ...change } as typeof capability),
    ).rejects.toMatchObject({ code: "invalid_request" });
  });

  it("G4: refuses to take a pinned secret to another host, by credential or capability", async () => {
    await store("OPENAI_API_KEY");
    await expect(
      harness.broker.createCredential({
        id: "thief",
        provider: "thief",
        secrets: { secret: "OPENAI_API_KEY" },
        auth: { strategy: "header", name: "authorization", template: "Bearer {{secret}}" },
        hosts: ["evil.example"],
      }),
    ).rejects.toMatchObject({ code: "policy_violation", reason: "secret_pinned" });
    await expect(
      harness.broker.createCapability({
        id: "openai/anything",
        provider: "openai",
        host: "evil.example",
        rules: [{ methods: ["POST"], match: "prefix", path: "/" }],
      }),
    ).rejects.toMatchObject({ code: "policy_violation", reason: "secret_pinned" });
    await expect(
      harness.broker.createCredential({
        id: "openai-evil",
        provider: "openai",
        secrets: { secret: "OPENAI_API_KEY" },
        hosts: ["evil.example"],
      }),
    ).rejects.toMatchObject({ code: "policy_violation" });
  });

  it("refuses a scheme for a registry provider", async () => {
    await store("OPENAI_API_KEY");
    await expect(
      harness.broker.createCredential({
        id: "mine",
        provider: "openai",
        secrets: { secret: "OPENAI_API_KEY" },
        auth: { strategy: "header", name: "x", template: "{{secret}}" },
      }),
    ).rejects.toMatchObject({ code: "invalid_request" });
  });

  it("fills in a tenant's host, and refuses one that is not the provider's", async () => {
    await store("SOME_SHOP_TOKEN", "shpat_0123456789abcdef0123456789abcdef");
    const shop = { id: "shop", provider: "shopify", secrets: { secret: "SOME_SHOP_TOKEN" } };
    await expect(
      harness.broker.createCredential({ ...shop, hosts: ["acme.myshopify.com.evil.example"] }),
    ).rejects.toMatchObject({ code: "policy_violation", reason: "host_not_allowed" });
    const made = await harness.broker.createCredential({ ...shop, hosts: ["acme.myshopify.com"] });
    expect(made.hosts).toEqual(["acme.myshopify.com"]);
  });

  it("takes the place of what was provisioned, and of nothing that somebody decided", async () => {
    await store("SHOPIFY_ACCESS_TOKEN", "shpat_0123456789abcdef0123456789abcdef");
    const shop = {
      id: "shopify",
      provider: "shopify",
      secrets: { secret: "SHOPIFY_ACCESS_TOKEN" },
      hosts: ["acme.myshopify.com"],
    };
    const conflict = { code: "conflict" };
    const elsewhere = { kind: "workspace", workspaceId: "w1" } as const;
    await expect(
      harness.broker.createCredential({ ...shop, scope: elsewhere }),
    ).rejects.toMatchObject(conflict);
    await store("OTHER_SHOP_TOKEN", "shpat_2123456789abcdef0123456789abcdef");
    await expect(
      harness.broker.createCredential({ ...shop, secrets: { secret: "OTHER_SHOP_TOKEN" } }),
    ).rejects.toMatchObject(conflict);
    expect((await harness.broker.createCredential(shop)).hosts).toEqual(["acme.myshopify.com"]);
    await expect(harness.broker.createCredential(shop)).rejects.toMatchObject(conflict);
    // Nor does storing the secret again undo it.
    const { secretId } = await harness.broker.findSecret("SHOPIFY_ACCESS_TOKEN");
    await harness.broker.rotateSecret(secretId, utf8("shpat_1123456789abcdef0123456789abcdef"));
    expect(await harness.broker.listCredentials()).toMatchObject([
      { id: "shopify", origin: "operator", hosts: ["acme.myshopify.com"] },
    ]);
    expect(await auditEvents(harness.vault)).toContainEqual(
      expect.objectContaining({ kind: "credential.created", replaced: true }),
    );
  });

  it("W-F3: keeps a workspace's secret inside its workspace", async () => {
    const scope = { kind: "workspace", workspaceId: "w1" } as const;
    const { secret } = await harness.broker.createSecret({
      name: "ACME_KEY",
      value: utf8("value-of-w1"),
      scope,
    });
    const made = { ...acme, secrets: { secret: secret.secretId } };
    await expect(harness.broker.createCredential(made)).rejects.toMatchObject({
      code: "invalid_request",
    });
    await harness.broker.createCredential({ ...made, scope });
  });

  it("W-C2: sets a malformed document aside and keeps the rest working", async () => {
    await store("OPENAI_API_KEY");
    await harness.vault.transaction(async (tx) => {
      await tx.putDocument("credential", "broken", { id: "broken", hosts: 7 });
      await tx.putDocument("capability", "broken/thing", { host: "*" });
      await tx.putDocument("policy", "openai/chat-completions", { requestsPerMinute: -1 });
    });
    expect(await harness.broker.quarantined()).toMatchObject([
      { kind: "credential", id: "broken" },
      { kind: "capability", id: "broken/thing" },
      { kind: "policy", id: "openai/chat-completions" },
    ]);
    expect(await harness.broker.describeCapability("openai/chat-completions")).toMatchObject({
      ready: true,
    });
    expect(await harness.broker.deleteCredential("broken")).toBe(true);
  });

  it("asks which credential is meant when two are equally near", async () => {
    await store("OPENAI_API_KEY");
    await store("SECOND_KEY");
    await harness.broker.createCredential({
      id: "openai-second",
      provider: "openai",
      secrets: { secret: "SECOND_KEY" },
    });
    const plan = (credential?: string) =>
      harness.broker.plan({
        requestId: "r",
        principal: caller,
        uploads: null,
        envelope: {
          capability: "openai/chat-completions",
          credential: credential ?? null,
          dryRun: true,
          request: {
            method: "POST",
            path: "/v1/chat/completions",
            headers: [],
            body: { kind: "none" },
          },
        },
      });
    await expect(plan()).rejects.toMatchObject({ code: "credential_ambiguous" });
    expect(await plan("openai-second")).toMatchObject({ credential: "openai-second" });
    await expect(plan("trello")).rejects.toMatchObject({ code: "credential_not_found" });
  });
});
