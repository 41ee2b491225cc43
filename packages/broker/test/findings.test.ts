// Providers of the built-in registry that want more than one secret in one place: each case is an account
// as an operator would set it up, against a stand-in of the provider.
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
