import { describe, expect, it } from "vitest";
import { type AuthScheme, builtinRegistry, type HttpMethod, type PathRule } from "../src/index.ts";
import { ruleAdmits } from "../src/path-language.ts";

const registry = builtinRegistry();
const METHODS: readonly HttpMethod[] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];

/** A path the rule admits: names become sample text, open ends get one segment more. */
function examplePath(rule: PathRule): string {
  const path = rule.path
    .replaceAll(/\{([a-z_]+)\+\}/g, "$1/more")
    .replaceAll(/\{([a-z_]+)\}/g, "$1");
  if (rule.match !== "prefix") return path;
  return /[/.:]$/.test(path) ? `${path}more` : `${path}/more`;
}

const exampleQuery = (rule: PathRule): string => {
  const required = Object.entries(rule.query?.required ?? {}).map(([k, v]) => `${k}=${v}`);
  return required.length > 0 ? `?${required.join("&")}` : "";
};

/** Where the credential would go, with its value masked. */
function injected(scheme: AuthScheme): string {
  const masked = (text: string): string => text.replaceAll(/\{\{[a-z0-9_]+\}\}/g, "***");
  switch (scheme.strategy) {
    case "header":
      return `${scheme.name}: ${masked(scheme.template)}`;
    case "query":
      return `?${scheme.name}=${masked(scheme.template)}`;
    case "path":
      return masked(scheme.template);
    case "basic":
      return `Authorization: Basic base64(${masked(`${scheme.username}:${scheme.password}`)})`;
    case "multi-header":
    case "oauth2":
      return scheme.headers.map(({ name, template }) => `${name}: ${masked(template)}`).join(", ");
    case "multi-query":
      return `?${scheme.params.map(({ name, template }) => `${name}=${masked(template)}`).join("&")}`;
    case "aws-sigv4":
      return "Authorization: AWS4-HMAC-SHA256 ***";
    case "hmac":
      return [...(scheme.headers ?? []), ...(scheme.params ?? [])]
        .map(({ name, template }) => `${name}: ${masked(template)}`)
        .join(", ");
    case "mtls":
      return "client certificate";
  }
}

describe("the plan of every capability", () => {
  it("admits its own example and refuses the neighbours of it", async () => {
    const lines: string[] = [];
    for (const provider of registry.providers) {
      for (const capability of provider.capabilities) {
        const [rule] = capability.rules;
        const method = rule?.methods[0];
        if (rule === undefined || method === undefined) throw new Error(capability.id);
        const path = examplePath(rule);
        const admits = (m: HttpMethod, p: string): boolean =>
          capability.rules.some((entry) => ruleAdmits(entry, m, p));
        expect(admits(method, path), `${capability.id} ${method} ${path}`).toBe(true);

        // The neighbours: a path that only begins like the rule's, a step out of it, another method.
        const neighbours: [HttpMethod, string][] = [
          [method, `${rule.path.replace(/\/?\{.*$/, "").replace(/[/.:]$/, "")}-neighbour`],
          [method, `/neighbour${rule.path.replaceAll(/[{}+]/g, "")}/of/it`],
          ...METHODS.filter((m) => !capability.rules.some((r) => r.methods.includes(m))).map(
            (m): [HttpMethod, string] => [m, path],
          ),
        ];
        const refused = neighbours.find(([m, p]) => !admits(m, p));
        if (refused === undefined) throw new Error(`${capability.id} has no refused neighbour`);
        const scheme =
          provider.authCapabilities?.includes(capability.id) === false
            ? (provider.alternatives?.find((a) => a.capabilities?.includes(capability.id) ?? true)
                ?.auth ?? provider.auth)
            : provider.auth;
        lines.push(
          capability.id,
          `  allow ${method} https://${capability.host}${path}${exampleQuery(rule)}`,
          `  with  ${injected(scheme)}`,
          `  deny  ${refused[0]} ${refused[1]}`,
        );
      }
    }
    await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot("golden/plans.txt");
  });

  it("G4: has no host that the provider does not list", () => {
    for (const provider of registry.providers) {
      for (const capability of provider.capabilities) {
        expect(provider.hosts, capability.id).toContain(capability.host);
      }
    }
  });
});
