import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { builtinDefinitions } from "../src/builtin.ts";
import {
  builtinRegistry,
  type Provider,
  parseProvider,
  type SecretDefinition,
} from "../src/index.ts";
import { createRegistry } from "../src/registry.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const ids = readdirSync(`${root}/providers`)
  .map((name) => name.replace(/\.json$/, ""))
  .sort();
const registry = builtinRegistry();

const secretsOf = (id: string): readonly SecretDefinition[] => {
  const provider = registry.provider(id);
  return [
    ...(provider?.secrets ?? []),
    ...(provider?.alternatives ?? []).flatMap((alternative) => alternative.secrets),
  ];
};
const everySecret = registry.providers.flatMap((provider) =>
  secretsOf(provider.id).map((secret) => ({ id: provider.id, secret })),
);

describe("the built-in registry", () => {
  it("is generated from the definition files as they are now", () => {
    execFileSync(process.execPath, [`${root}/scripts/generate.mjs`, "--check"], { stdio: "pipe" });
  });

  it("holds every definition file, and each passes the strict parser", () => {
    expect(registry.providers.map((provider) => provider.id)).toEqual(ids);
    for (const id of ids) {
      const json: unknown = JSON.parse(readFileSync(`${root}/providers/${id}.json`, "utf8"));
      expect(registry.provider(id)).toEqual(parseProvider(json));
    }
  });

  it("is the same object each time, frozen, with a digest", () => {
    expect(builtinRegistry()).toBe(registry);
    expect(registry.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(Object.isFrozen(registry.providers[0]?.capabilities[0]?.rules[0]?.methods)).toBe(true);
  });

  it("finds each capability, secret name, alias and host it holds", () => {
    for (const provider of registry.providers) {
      for (const capability of provider.capabilities) {
        expect(registry.capability(capability.id)?.capability).toBe(capability);
      }
      for (const host of provider.hosts.filter((name) => !name.includes("{"))) {
        expect(registry.providersOfHost(host)).toContain(provider);
      }
      for (const secret of secretsOf(provider.id)) {
        for (const name of [secret.name, ...(secret.aliases ?? [])]) {
          expect(registry.claimOf(name)?.provider).toBe(provider);
        }
      }
    }
  });

  it("has the capability ids that grants may refer to", async () => {
    const lines = registry.providers.flatMap((provider) =>
      provider.capabilities.map(({ id, risk }) => `${id} ${risk}`),
    );
    await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot("golden/capabilities.txt");
  });

  it("recognises each secret by its pattern and takes no other's example for it", () => {
    for (const { secret } of everySecret) {
      // A key that nothing marks is marked opaque: its pattern is never used to recognise anything.
      if (secret.opaque === true) continue;
      const pattern = new RegExp(secret.pattern, "u");
      expect(pattern.test(secret.example), secret.name).toBe(true);
      for (const other of everySecret) {
        if (other.secret.name === secret.name) continue;
        expect(
          pattern.test(other.secret.example),
          `${secret.name} takes ${other.secret.name}`,
        ).toBe(false);
      }
    }
  });

  it("describes a secret that several alternatives share in one way", () => {
    for (const provider of registry.providers) {
      const shapes = new Map<string, string>();
      for (const { name, pattern } of secretsOf(provider.id)) {
        expect(shapes.get(name) ?? pattern, name).toBe(pattern);
        shapes.set(name, pattern);
      }
    }
  });

  it("G4: has no capability at a host that the provider does not list", () => {
    for (const provider of registry.providers) {
      for (const capability of provider.capabilities) {
        expect(provider.hosts, capability.id).toContain(capability.host);
      }
    }
  });

  it("verifies credentials with a request inside one of the provider's own capabilities", () => {
    for (const { id, verify } of registry.providers) {
      if (verify === undefined) continue;
      expect(["GET", "HEAD", "POST"], id).toContain(verify.method);
      expect(registry.capability(verify.capability)?.provider.id).toBe(id);
    }
  });

  it("has the digest the catalogue shows", () => {
    const catalogue = readFileSync(`${root}/../../docs/registry.md`, "utf8");
    expect(catalogue).toContain(registry.digest);
  });

  it("has a catalogue in which every link within the page leads somewhere", () => {
    const catalogue = readFileSync(`${root}/../../docs/registry.md`, "utf8");
    const headings = [...catalogue.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replaceAll(/[^a-z0-9 _-]/g, "")
        .replaceAll(" ", "-"),
    );
    const anchors = [...catalogue.matchAll(/<a id="([^"]+)">/g)].map(([, id = ""]) => id);
    const places = [...headings, ...anchors];
    expect(new Set(places).size).toBe(places.length);
    const links = [...catalogue.matchAll(/\]\(#([^)]+)\)/g)].map(([, place = ""]) => place);
    expect(links.filter((place) => !places.includes(place))).toEqual([]);
    expect(anchors.length).toBe(registry.providers.flatMap((p) => p.capabilities).length);
  });

  it("answers, part by part, as a registry of all definitions does", () => {
    const whole = createRegistry(
      Object.values(builtinDefinitions).map((text) => JSON.parse(text) as Provider),
    );
    const ids = whole.providers.flatMap(({ id, capabilities, hosts }) => [
      id,
      ...capabilities.map((capability) => capability.id),
      ...hosts,
    ]);
    const regional = whole.providers.flatMap(({ regions = {} }) =>
      Object.values(regions).flatMap((region) => Object.values(region.hosts)),
    );
    const names = everySecret.flatMap(({ secret }) => [secret.name, ...(secret.aliases ?? [])]);
    const tenants = [
      "shop.myshopify.com",
      "a.b.myshopify.com",
      "myshopify.com",
      "b.s3.eu-central-1.amazonaws.com",
      "s3.eu-central-1.amazonaws.com",
      "us1.api.mailchimp.com",
      "x1.api.mailchimp.com",
      "team.atlassian.net",
    ];
    const strange = ["", "/", ".", "__proto__", "constructor", "constructor/name", "toString.x"];
    for (const key of [...ids, ...regional, ...names, ...tenants, ...strange]) {
      expect(registry.provider(key), key).toEqual(whole.provider(key));
      expect(registry.capability(key), key).toEqual(whole.capability(key));
      expect(registry.claimOf(key), key).toEqual(whole.claimOf(key));
      expect(registry.providersOfHost(key), key).toEqual(whole.providersOfHost(key));
    }
  });
});
