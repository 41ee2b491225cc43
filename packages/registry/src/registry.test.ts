import { describe, expect, it } from "vitest";
import { sample } from "../test/sample.ts";
import { isRegistryError } from "./errors.ts";
import { parseProvider } from "./parse-provider.ts";
import { createRegistry } from "./registry.ts";

const acme = parseProvider(sample());

/** A plain provider with ids, names and hosts of its own. */
const other = (id: string, secretName: string, host = `api.${id}.example`) =>
  parseProvider({
    id,
    name: id,
    category: "developer",
    docsUrl: "https://docs.example/",
    checked: "2026-11-23",
    secrets: [
      {
        name: secretName,
        placeholder: "secret",
        description: "Key.",
        pattern: "^k[0-9]{4}$",
        example: "k1234",
      },
    ],
    auth: { strategy: "header", name: "Authorization", template: "Bearer {{secret}}" },
    hosts: [host],
    capabilities: [
      {
        id: `${id}/things`,
        description: "Read.",
        host,
        risk: "read",
        rules: [{ methods: ["GET"], match: "prefix", path: "/things" }],
      },
    ],
    verify: { capability: `${id}/things`, method: "GET", path: "/things" },
  });

describe("createRegistry", () => {
  const registry = createRegistry([other("zeta", "ZETA_KEY"), acme], { digest: "d" });

  it("finds by provider, capability, secret name, alias and host", () => {
    expect(registry.provider("acme")).toBe(acme);
    expect(registry.capability("acme/things")?.provider).toBe(acme);
    expect(registry.capability("acme/things")?.capability.risk).toBe("write");
    expect(registry.claimOf("ACME_API_KEY")?.secret.placeholder).toBe("key");
    expect(registry.claimOf("ACME_KEY")?.secret.name).toBe("ACME_API_KEY");
    expect(registry.claimOf("ACME_OAUTH")?.alternative?.id).toBe("oauth");
    expect(registry.providersOfHost("api.zeta.example").map((p) => p.id)).toEqual(["zeta"]);
    expect(registry.digest).toBe("d");
  });

  it("finds the provider of an expanded host template", () => {
    expect(registry.providersOfHost("shop-1.acme.example")).toEqual([acme]);
    expect(registry.providersOfHost("api.eu.acme.example")).toEqual([acme]);
    expect(registry.providersOfHost("api.us.gov.acme.example")).toEqual([acme]);
    expect(registry.providersOfHost("api.mars.acme.example")).toEqual([]);
    expect(registry.providersOfHost("a.b.acme.example")).toEqual([]);
    expect(registry.providersOfHost("acme.example")).toEqual([]);
    expect(registry.providersOfHost("x.acme.example.evil.example")).toEqual([]);
  });

  it("finds the provider of a region's host", () => {
    expect(registry.providersOfHost("sandbox.acme.example")).toEqual([acme]);
  });

  it("finds nothing for names that are nearly right, and for names of object members", () => {
    for (const id of ["Acme", "acme/", "", "__proto__", "constructor", "toString"]) {
      expect(registry.provider(id)).toBeNull();
      expect(registry.capability(id)).toBeNull();
      expect(registry.claimOf(id)).toBeNull();
      expect(registry.providersOfHost(id)).toEqual([]);
    }
  });

  it("lists providers by id, frozen", () => {
    expect(registry.providers.map((provider) => provider.id)).toEqual(["acme", "zeta"]);
    expect(Object.isFrozen(registry)).toBe(true);
    expect(Object.isFrozen(registry.providers)).toBe(true);
  });

  it.each([
    ["two providers of one id", [other("a", "A_KEY"), other("a", "B_KEY")]],
    ["two claims to one secret name", [other("a", "A_KEY"), other("b", "A_KEY")]],
    ["a claim to another's alias", [acme, other("b", "ACME_KEY")]],
    ["a claim to the secret of another's alternative", [acme, other("b", "ACME_OAUTH")]],
  ])("refuses %s", (_title, providers) => {
    expect(() => createRegistry(providers)).toThrow(
      expect.toSatisfy((error) => isRegistryError(error) && error.code === "REGISTRY_INVALID"),
    );
  });

  it("lets providers share a host", () => {
    const shared = createRegistry([
      other("a", "A_KEY", "www.example.com"),
      other("b", "B_KEY", "www.example.com"),
    ]);
    expect(shared.providersOfHost("www.example.com").map((p) => p.id)).toEqual(["a", "b"]);
  });
});
