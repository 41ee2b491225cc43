// Providers of the built-in registry that ask more of the broker than one secret at one host: each case is an
// account as an operator would set it up, most of them against a stand-in of the provider.
import { builtinRegistry } from "@aivault/registry";
import { afterEach, describe, expect, it } from "vitest";
import { injectHeaders } from "../src/auth/multi-header.ts";
import { createHarness, type Harness, invocation, receive, utf8 } from "./support/harness.ts";
import { type StandIn, startStandIn } from "./support/provider.ts";

let provider: StandIn;
let harness: Harness;

afterEach(async () => {
  await harness?.close();
  await provider?.close();
});

/** Stand-ins for these hosts, which give a token to whoever posts to a path that ends in `token`. */
async function start(...hosts: readonly string[]): Promise<void> {
  provider = await startStandIn(hosts, (request, response) => {
    const asksToken = request.url?.endsWith("/token") === true;
    response.end(
      asksToken ? JSON.stringify({ access_token: "canary-access", expires_in: 3600 }) : "ok",
    );
  });
  harness = await createHarness({
    hosts: Object.fromEntries(hosts.map((host) => [host, provider.port])),
  });
}

const store = (name: string, value: string) =>
  harness.broker.createSecret({ name, value: utf8(value) });

const call = (capability: string, path: string) =>
  receive(harness.broker, invocation({ capability, request: { method: "GET", path } }));

describe("oauth2 with a further secret in its headers", () => {
  const CLIENT_ID = "exampleexample0123456789exampl";

  it("sends the access token and the client id to Twitch", async () => {
    await start("api.twitch.tv", "id.twitch.tv");
    await store("TWITCH_CLIENT_ID", CLIENT_ID);
    await store("TWITCH_OAUTH", `{"clientId":"${CLIENT_ID}","clientSecret":"canary-secret"}`);
    expect((await call("twitch/catalog", "/helix/streams")).error).toBeNull();
    const { headers } = provider.requests.at(-1) ?? {};
    expect(headers?.["authorization"]).toBe("Bearer canary-access");
    expect(headers?.["client-id"]).toBe(CLIENT_ID);
  });
});

describe("a header whose secret is absent", () => {
  const auth = { headers: [{ name: "X-Id", template: "{{id}}" }] };

  it("is left out when the secret is optional", () => {
    expect(injectHeaders(auth, new Map(), new Set(["id"])).headers).toEqual([]);
  });

  it("is refused when the secret is required", () => {
    expect(() => injectHeaders(auth, new Map(), new Set())).toThrow(
      expect.objectContaining({ code: "auth_failed" }),
    );
  });
});

describe("a credential that lacks its tenant", () => {
  const plan = (credential?: string) =>
    harness.broker.plan(
      invocation({
        capability: "shopify/admin",
        ...(credential === undefined ? {} : { credential }),
        request: { method: "GET", path: "/admin/api/2025-01/products.json" },
      }),
    );

  it("is no candidate next to one that knows it", async () => {
    await start("mine.myshopify.com");
    await store("SHOPIFY_ACCESS_TOKEN", "shpat_0123456789abcdef0123456789abcdef");
    await expect(plan()).rejects.toMatchObject({ reason: "host_not_allowed" });
    await harness.broker.createCredential({
      id: "shopify-mine",
      provider: "shopify",
      secrets: { secret: "SHOPIFY_ACCESS_TOKEN" },
      hosts: ["mine.myshopify.com"],
    });
    expect((await plan()).credential).toBe("shopify-mine");
    await expect(plan("shopify")).rejects.toMatchObject({ reason: "host_not_allowed" });
  });

  it("does not hide that two others can serve the capability", async () => {
    await start("mine.myshopify.com");
    await store("SHOPIFY_ACCESS_TOKEN", "shpat_0123456789abcdef0123456789abcdef");
    for (const shop of ["one", "two"]) {
      await harness.broker.createCredential({
        id: `shopify-${shop}`,
        provider: "shopify",
        secrets: { secret: "SHOPIFY_ACCESS_TOKEN" },
        hosts: [`${shop}.myshopify.com`],
      });
    }
    await expect(plan()).rejects.toMatchObject({ code: "credential_ambiguous" });
  });
});

describe("a provider with regions", () => {
  const KEY = "01234567-89ab-cdef-0123-456789abcdef";
  const url = async (capability: string, path: string, credential: string) => {
    const request = { method: "GET", path };
    return (await harness.broker.plan(invocation({ capability, credential, request }))).url;
  };

  it("sends a DeepL key to the plan it is of, and follows when it is rotated", async () => {
    await start("api.deepl.com", "api-free.deepl.com");
    const { secret } = await store("DEEPL_API_KEY", `${KEY}:fx`);
    expect((await call("deepl/languages", "/v2/languages")).error).toBeNull();
    expect(provider.requests.at(-1)?.headers["host"]).toBe("api-free.deepl.com");
    await harness.broker.rotateSecret(secret.secretId, utf8(KEY));
    expect((await call("deepl/languages", "/v2/languages")).error).toBeNull();
    expect(provider.requests.at(-1)?.headers["host"]).toBe("api.deepl.com");
  });

  it("takes the region from the hosts that the operator names", async () => {
    await start("api.deepl.com");
    await store("DEEPL_API_KEY", KEY);
    const make = (id: string, hosts: readonly string[]) =>
      harness.broker.createCredential({
        id,
        provider: "deepl",
        secrets: { secret: "DEEPL_API_KEY" },
        hosts,
      });
    expect((await make("free", ["api-free.deepl.com"])).hosts).toEqual(["api-free.deepl.com"]);
    expect(await url("deepl/languages", "/v2/languages", "free")).toBe(
      "https://api-free.deepl.com/v2/languages",
    );
    expect(await url("deepl/languages", "/v2/languages", "deepl")).toBe(
      "https://api.deepl.com/v2/languages",
    );
    await expect(make("both", ["api.deepl.com", "api-free.deepl.com"])).rejects.toMatchObject({
      code: "invalid_request",
    });
    await expect(make("none", ["api-free.deepl.com.evil.test"])).rejects.toMatchObject({
      reason: "host_not_allowed",
    });
  });

  it("G4: keeps a pinned secret within its own provider's regions", async () => {
    await start("api.deepl.com");
    await store("DEEPL_API_KEY", KEY);
    await expect(
      harness.broker.createCredential({
        id: "datadog-eu",
        provider: "acme",
        secrets: { secret: "DEEPL_API_KEY" },
        auth: { strategy: "header", name: "authorization", template: "{{secret}}" },
        hosts: ["api.datadoghq.eu"],
      }),
    ).rejects.toMatchObject({ reason: "secret_pinned" });
  });

  it("reaches the hosts of every region of every provider, and no others", async () => {
    await start("api.deepl.com");
    for (const { id, regions = {}, secrets, hosts } of builtinRegistry().providers) {
      for (const [name, region] of Object.entries(regions)) {
        const given: Record<string, string> = {};
        for (const secret of secrets) {
          given[secret.placeholder] = secret.name;
          if ((await harness.vault.findSecret(secret.name, { kind: "global" })) === null) {
            await store(secret.name, secret.example);
          }
        }
        const made = await harness.broker.createCredential({
          id: `${id}.${name}.region`,
          provider: id,
          secrets: given,
          hosts: Object.values(region.hosts),
        });
        expect(made.hosts).toEqual(hosts.map((host) => region.hosts[host] ?? host));
      }
    }
    expect(await harness.broker.quarantined()).toEqual([]);
  });
});

describe("a capability, as shown", () => {
  it("tells what its rules demand of the query and of slashes", async () => {
    await start("api.deepl.com");
    const rulesOf = async (id: string) => (await harness.broker.describeCapability(id)).rules;
    expect(await rulesOf("aws/whoami")).toEqual([
      {
        methods: ["GET"],
        match: "exact",
        path: "/",
        query: { required: { Action: "GetCallerIdentity" } },
      },
    ]);
    const [plain, slashed] = await rulesOf("gitlab/projects-read");
    expect(plain).toEqual({ methods: ["GET"], match: "exact", path: "/api/v4/projects" });
    expect(slashed?.encodedSlash).toBe(true);
  });
});
