import { describe, expect, it } from "vitest";
import { sample } from "../test/sample.ts";
import { isRegistryError } from "./errors.ts";
import { parseProvider } from "./parse-provider.ts";

type Json = Record<string, unknown>;

/** The sample with the value at a path replaced; `undefined` removes it. */
function spoil(path: string, value: unknown): unknown {
  const keys = path.split(".");
  const copy = structuredClone(sample());
  let at: Json = copy;
  for (const key of keys.slice(0, -1)) at = at[key] as Json;
  const last = keys.at(-1) ?? "";
  if (value === undefined) delete at[last];
  else at[last] = value;
  return copy;
}

function complaintsOf(json: unknown): readonly string[] {
  try {
    parseProvider(json);
    return [];
  } catch (error) {
    if (!isRegistryError(error)) throw error;
    expect(error.code).toBe("REGISTRY_INVALID");
    return error.complaints;
  }
}

describe("parseProvider", () => {
  it("reads a definition into a deeply frozen copy", () => {
    const json = sample();
    const provider = parseProvider(json);
    expect(provider).toEqual(json);
    const walk = (value: unknown): void => {
      if (typeof value !== "object" || value === null) return;
      expect(Object.isFrozen(value)).toBe(true);
      Object.values(value).forEach(walk);
    };
    walk(provider);
  });

  it.each([
    ["$.hosts[1]", "hosts.1", "API.acme.example"],
    ["$.capabilities[0].rules[0].method", "capabilities.0.rules.0.method", ["GET"]],
    ["$.capabilities[0].rules[1].path", "capabilities.0.rules.1.path", "/v1//things/{id}"],
    ["$.auth.strategy", "auth.strategy", "magic"],
    ["$.auth.headers[0].byShape[0].pattern", "auth.headers.0.byShape.0.pattern", "("],
    ["$.secrets[0].name", "secrets.0.name", "acme"],
    ["$.ports.api.{region}.acme.example", "ports", { "api.{region}.acme.example": 0 }],
    ["$.extra", "extra", 1],
    ["$.hosts", "hosts", undefined],
    // G4: whoever names the tenant would name the domain.
    ["$.hosts[2]", "hosts.2", "api.{tenant}.example"],
  ])("names %s when it is at fault", (where, path, value) => {
    expect(complaintsOf(spoil(path, value)).some((line) => line.startsWith(`${where}:`))).toBe(
      true,
    );
  });

  it.each([
    ["G4: a capability with a host of its own", "capabilities.0.host", "evil.example"],
    ["a capability of another provider", "capabilities.0.id", "other/things"],
    ["a prefix that admits the whole host", "capabilities.2.wholeHost", undefined],
    ["a reason for a whole host that is not admitted", "capabilities.0.wholeHost", "Why not."],
    [
      "a host no capability uses",
      "hosts",
      ["{tenant}.acme.example", "api.{region}.acme.example", "b.acme.example"],
    ],
    ["a host template over an undefined variable", "hosts.0", "{shop}.acme.example"],
    ["a host with one fixed label", "hosts.0", "{tenant}.example"],
    ["an address for a host", "hosts.0", "10.0.0.1"],
    ["a host variable without values or pattern", "hostVariables.region.values", undefined],
    ["a default that is not a value", "hostVariables.region.default", "mars"],
    ["a host variable pattern without anchors", "hostVariables.tenant.pattern", "[a-z]+"],
    [
      "a region of an unknown host",
      "regions.sandbox.hosts",
      { "x.acme.example": "y.acme.example" },
    ],
    ["a region recognised by no secret", "regions.sandbox.fromSecret.placeholder", "nothing"],
    ["a port of an unknown host", "ports", { "x.acme.example": 1 }],
    ["a secret pattern without anchors", "secrets.0.pattern", "acme_[a-z0-9]{8}"],
    ["an example that does not match its pattern", "secrets.0.example", "acme-nonsense"],
    ["two secrets with one placeholder", "secrets.1.placeholder", "key"],
    ["two secrets with one name", "secrets.1.name", "ACME_KEY"],
    ["a placeholder no secret has", "auth.headers.1.template", "{{acount}}"],
    ["a misspelt placeholder", "auth.headers.1.template", "{{account}} {key}"],
    ["a secret no template uses", "auth.headers.1.template", "fixed"],
    ["a filter over an unknown capability", "authCapabilities.0", "acme/nothing"],
    ["two alternatives with one id", "alternatives.1.id", "oauth"],
    [
      "a signing name for an unknown host",
      "alternatives.2.auth.services",
      { "x.acme.example": "s3" },
    ],
    ["a static header that authenticates", "staticHeaders", { Authorization: "x" }],
    ["a DELETE that is not destructive", "capabilities.1.risk", "write"],
    ["a read that may PUT", "capabilities.0.rules.0.methods", ["GET", "PUT"]],
    ["a rule graver than its capability", "capabilities.0.rules.0.risk", "spend"],
    ["a capability graver than its rules", "capabilities.0.rules.1.risk", "read"],
    ["a pattern without a gap", "capabilities.0.rules.1.path", "/v1/things"],
    ["a gap outside of a pattern", "capabilities.0.rules.1.match", "prefix"],
    ["two gaps in one segment", "capabilities.0.rules.1.path", "/v1/{a}{b}"],
    ["a dot segment", "capabilities.0.rules.1.path", "/v1/../{a}"],
    ["a parameter both required and forbidden", "capabilities.0.rules.1.query.forbidden", ["mode"]],
    [
      "a request called read here and destructive there",
      "capabilities.1.rules.0.methods",
      ["DELETE", "GET"],
    ],
    ["a verify request of an unknown capability", "verify.capability", "acme/nothing"],
    ["a verify request outside its capability", "verify.path", "/v2/things"],
    ["a verify request that changes something", "verify.method", "POST"],
    ["a verify body that is not JSON", "verify.body", "{"],
  ] satisfies [string, string, unknown][])("refuses %s", (_title, path, value) => {
    expect(complaintsOf(spoil(path, value))).not.toEqual([]);
  });

  it("refuses a capability no credential is good for", () => {
    const { alternatives: _, ...json } = sample();
    const complaints = complaintsOf({ ...json, authCapabilities: ["acme/things"] });
    expect(complaints.some((line) => line.includes("acme/graph_ql"))).toBe(true);
  });

  it("tells every fault at once", () => {
    const json = { ...sample(), id: "A", hosts: [], surprise: 1 };
    expect(complaintsOf(json)).toHaveLength(3);
  });
});
