// Every capability of the built-in registry through the real policy and the real broker: what a caller
// may ask for becomes exactly this request, and its neighbours are refused.
import { allows, HTTP_METHODS, type HttpMethod, matchPath, parsePathRule } from "@aivault/policy";
import {
  type AuthScheme,
  builtinRegistry,
  type CapabilityDefinition,
  type CredentialAlternative,
  expandHost,
  hostVariableNames,
  isHostTemplate,
  type PathRule,
  type Provider,
  type SecretDefinition,
} from "@aivault/registry";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Broker, BrokerError, CredentialView, Plan } from "../src/index.ts";
import { createHarness, type Harness, invocation, utf8 } from "./support/harness.ts";

const registry = builtinRegistry();

/** One value for each host variable, as a tenant might have it. */
const TENANT: Readonly<Record<string, string>> = {
  bucket: "example-bucket",
  cloud: "aws",
  cluster: "0a1b2c3d",
  dc: "us21",
  environment: "us-east-1-aws",
  index: "example-1a2b3c4",
  project: "abcdefghijklmnopqrst",
  region: "eu-central-1",
  resource: "example",
  shop: "example",
  site: "example",
  stack: "example",
  tenant: "example",
};

/** The example, without what would place it in a region: what is compared here are the own hosts. */
function exampleOutsideRegions(
  { regions = {} }: Provider,
  { placeholder, example }: SecretDefinition,
): string {
  return Object.values(regions).reduce(
    (text, { fromSecret }) =>
      fromSecret?.placeholder === placeholder
        ? text.replace(new RegExp(fromSecret.pattern, "u"), "")
        : text,
    example,
  );
}

const ways = (provider: Provider): readonly (CredentialAlternative | null)[] => [
  null,
  ...(provider.alternatives ?? []),
];

/** A path the rule admits: a name stands for itself, an open end goes on. */
function examplePath({ match, path, encodedSlash }: PathRule): string {
  const filled = path
    .replaceAll(/\{([a-z_]+)\+\}/g, "$1/more")
    .replaceAll(/\{([a-z_]+)\}/g, encodedSlash === true ? "$1%2Fmore" : "$1");
  if (match !== "prefix") return filled;
  return /[/.:]$/.test(filled) ? `${filled}more` : `${filled}/more`;
}

function exampleTarget(rule: PathRule): string {
  const required = Object.entries(rule.query?.required ?? {});
  const query = required.map(([name, value]) => `${name}=${value}`).join("&");
  return query === "" ? examplePath(rule) : `${examplePath(rule)}?${query}`;
}

const admits = (capability: CapabilityDefinition, method: HttpMethod, target: string): boolean => {
  const [path = "", query = ""] = target.split("?");
  return allows(capability.rules, method, path, query).ok;
};

/** The rule that a capability is for: many also admit what is less grave. */
function gravestRule({ risk, rules }: CapabilityDefinition): PathRule {
  return rules.find((rule) => (rule.risk ?? risk) === risk) as PathRule;
}

/**
 * Requests that resemble what the capability admits and are outside of it, most telling first: what the
 * provider's other capabilities do at the same host, then the same path by another method, then a path
 * that only begins alike.
 */
function neighbours(provider: Provider, capability: CapabilityDefinition): [HttpMethod, string][] {
  const rule = gravestRule(capability);
  const target = exampleTarget(rule);
  const stem = rule.path.replace(/\/?\{.*$/, "").replace(/[/.:]$/, "");
  const siblings = provider.capabilities
    .filter(({ id, host }) => id !== capability.id && host === capability.host)
    .flatMap(({ rules }) => rules)
    .flatMap((other) =>
      other.methods.map((method): [HttpMethod, string] => [method, exampleTarget(other)]),
    )
    .sort((a, b) => sharedLength(b[1], target) - sharedLength(a[1], target));
  return [
    ...siblings.filter(([, path]) => sharedLength(path, target) > 5).slice(0, 20),
    ...HTTP_METHODS.map((method): [HttpMethod, string] => [method, target]),
    [rule.methods[0] as HttpMethod, `/neighbour${stem}`],
    [rule.methods[0] as HttpMethod, stem === "" ? "//" : `${stem}-neighbour`],
  ];
}

function sharedLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return length;
}

/** Where the credential goes, with every secret masked. */
function masked(scheme: AuthScheme): string {
  const mask = (text: string): string => text.replaceAll(/\{\{[a-z0-9_]+\}\}/g, "***");
  const named = (
    entries: readonly { name: string; template: string }[],
    separator: string,
  ): string[] => entries.map(({ name, template }) => `${name}${separator}${mask(template)}`);
  switch (scheme.strategy) {
    case "header":
      return [
        ...named([scheme], ": "),
        ...(scheme.byShape ?? []).map((shape) => `or ${mask(shape.template ?? "nothing")}`),
      ].join(" ");
    case "query":
      return `?${named([scheme], "=")}`;
    case "path":
      return mask(scheme.template);
    case "basic":
      return `Authorization: Basic base64(${mask(`${scheme.username}:${scheme.password}`)})`;
    case "multi-header":
    case "oauth2":
      return named(scheme.headers, ": ").join(", ");
    case "multi-query":
      return `?${named(scheme.params, "=").join("&")}`;
    case "aws-sigv4":
      return "Authorization: AWS4-HMAC-SHA256 ***";
    case "hmac":
      return [...named(scheme.headers ?? [], ": "), ...named(scheme.params ?? [], "=")].join(", ");
    case "mtls":
      return "client certificate";
  }
}

let harness: Harness;
let broker: Broker;
/** By credential id, in order of id. */
let credentials: ReadonlyMap<string, CredentialView>;

const plan = (capability: string, credential: string, method: string, path: string) =>
  broker.plan(invocation({ capability, credential, request: { method, path, headers: [] } }));

async function refusal(
  capability: string,
  credential: string,
  [method, path]: [string, string],
): Promise<string> {
  try {
    await plan(capability, credential, method, path);
    return "allowed";
  } catch (error) {
    const { code, reason } = error as BrokerError;
    return reason ?? code;
  }
}

beforeAll(async () => {
  harness = await createHarness();
  broker = harness.broker;
  for (const provider of registry.providers) {
    const stored = new Set<string>();
    const templates = provider.hosts.filter(isHostTemplate);
    for (const way of ways(provider)) {
      const { secrets } = way ?? provider;
      for (const secret of secrets) {
        const { name } = secret;
        const value = utf8(exampleOutsideRegions(provider, secret));
        if (!stored.has(name)) await broker.createSecret({ name, value });
        stored.add(name);
      }
      if (templates.length === 0) continue;
      await broker.createCredential({
        id: `${provider.id}.${way?.id ?? "own"}.tenant`,
        provider: provider.id,
        secrets: Object.fromEntries(secrets.map(({ placeholder, name }) => [placeholder, name])),
        hosts: templates.map((template) => expandHost(provider, template, TENANT)),
      });
    }
  }
  const views = await broker.listCredentials();
  credentials = new Map(views.map((view) => [view.id, view]));
}, 60_000);

afterAll(async () => {
  await harness.close();
});

/** The credentials a capability can be called with, a tenant's for a tenant's host. */
function credentialsFor(provider: Provider, { id, host }: CapabilityDefinition): string[] {
  return [...credentials.values()]
    .filter((view) => {
      if (view.provider !== provider.id) return false;
      const [, name = "own"] = view.id.split(".");
      const way = provider.alternatives?.find((alternative) => alternative.id === name);
      const only = way === undefined ? provider.authCapabilities : way.capabilities;
      return (
        (only === undefined || only.includes(id)) &&
        view.id.endsWith(".tenant") === isHostTemplate(host)
      );
    })
    .map((view) => view.id);
}

describe("every rule of the registry", () => {
  it("is a rule that policy accepts, in canonical form", () => {
    for (const { capabilities } of registry.providers) {
      for (const { id, rules } of capabilities) {
        for (const rule of rules) {
          expect(parsePathRule(rule), `${id} ${rule.path}`).toEqual({ ok: true, value: rule });
        }
      }
    }
  });

  it("admits its own example with each of its methods", () => {
    for (const { capabilities } of registry.providers) {
      for (const capability of capabilities) {
        for (const rule of capability.rules) {
          for (const method of rule.methods) {
            const target = exampleTarget(rule);
            expect(admits(capability, method, target), `${capability.id} ${target}`).toBe(true);
          }
        }
      }
    }
  });

  it("keeps what it says about the query, whatever its siblings admit", () => {
    let constrained = 0;
    for (const { capabilities } of registry.providers) {
      for (const capability of capabilities) {
        for (const rule of capability.rules.filter(({ query }) => query !== undefined)) {
          constrained += 1;
          const target = exampleTarget(rule);
          const [path = ""] = target.split("?");
          const joint = target.includes("?") ? "&" : "?";
          const wrong = [
            ...Object.keys(rule.query?.required ?? {}).flatMap((name) => [
              path,
              `${path}?${name}=other`,
              `${target}&${name}=other`,
            ]),
            ...(rule.query?.forbidden ?? []).flatMap((name) => [
              `${target}${joint}${name}`,
              `${target}${joint}${name.toUpperCase()}=1`,
              `${target}${joint}%${name.charCodeAt(0).toString(16)}${name.slice(1)}=1`,
            ]),
            ...(rule.query?.allowed === undefined ? [] : [`${target}${joint}unheard_of=1`]),
          ];
          for (const given of wrong) {
            for (const method of rule.methods) {
              expect(admits(capability, method, given), `${capability.id} ${given}`).toBe(false);
            }
          }
        }
      }
    }
    expect(constrained).toBeGreaterThan(30);
  });

  it("admits an encoded slash only where it says so", () => {
    for (const { capabilities } of registry.providers) {
      for (const { id, rules } of capabilities) {
        for (const rule of rules.filter(({ match }) => match !== "exact")) {
          const path = examplePath({ ...rule, encodedSlash: true });
          if (!path.includes("%2F")) continue;
          expect(matchPath(rule, path), `${id} ${path}`).toBe(rule.encodedSlash === true);
        }
      }
    }
  });
});

describe("every host of the registry", () => {
  it("G4: resolves to a host name, and a tenant's value cannot leave the provider's domain", () => {
    for (const provider of registry.providers) {
      for (const host of [
        ...provider.hosts,
        ...ways(provider).flatMap((way) => {
          const { auth } = way ?? provider;
          return auth.strategy === "oauth2" ? [auth.tokenUrl] : [];
        }),
      ].filter(isHostTemplate)) {
        const expanded = expandHost(provider, host, TENANT);
        expect(expanded, host).not.toContain("{");
        for (const name of hostVariableNames(host)) {
          for (const value of ["evil.example", "a/b", "a@b", "", "a:1", "A", "a%2eb", "-a", "a#"]) {
            expect(() => expandHost(provider, host, { ...TENANT, [name]: value }), value).toThrow();
          }
        }
      }
    }
  });

  it("has a credential, from storing the provider's secrets or from naming the tenant", async () => {
    expect(await broker.quarantined()).toEqual([]);
    for (const provider of registry.providers) {
      for (const capability of provider.capabilities) {
        expect(credentialsFor(provider, capability).length, capability.id).toBeGreaterThan(0);
      }
    }
  });
});

describe("the plan of every capability", () => {
  it("is the committed one, and its neighbours are refused", async () => {
    const lines: string[] = [];
    for (const provider of registry.providers) {
      for (const { id, auth, hosts } of credentials.values()) {
        if (credentials.get(id)?.provider !== provider.id) continue;
        lines.push(JSON.stringify({ credential: id, with: masked(auth as AuthScheme), hosts }));
      }
      for (const capability of provider.capabilities) {
        lines.push(JSON.stringify(await golden(provider, capability)));
      }
    }
    await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot(
      "../../registry/test/golden/plans.jsonl",
    );
  }, 240_000);
});

async function golden(provider: Provider, capability: CapabilityDefinition): Promise<object> {
  const { id } = capability;
  const rule = gravestRule(capability);
  const method = rule.methods[0] as HttpMethod;
  const plans: Plan[] = [];
  for (const credential of credentialsFor(provider, capability)) {
    plans.push(await plan(id, credential, method, exampleTarget(rule)));
  }
  const requests = new Set(plans.map((made) => `${made.method} ${made.url}`));
  const refuse: Record<string, string> = {};
  const outside = neighbours(provider, capability).filter(
    ([m, target]) => !admits(capability, m, target),
  );
  // The one that says most, and the one that only begins alike.
  for (const request of new Set([outside[0], outside.at(-1)])) {
    if (request === undefined) throw new Error(`${id} has no neighbour that is refused`);
    const reasons = new Set<string>();
    for (const { credential } of plans) reasons.add(await refusal(id, credential, request));
    expect(reasons, request.join(" ")).not.toContain("allowed");
    refuse[request.join(" ")] = [...reasons].join(" ");
  }
  return {
    capability: id,
    risk: capability.risk,
    allow: [...requests],
    by: Object.fromEntries(plans.map((made) => [made.credential, made.injects.join(", ")])),
    refuse,
  };
}

describe("what tells two capabilities apart is more than the path", () => {
  const REALM = "/v3/company/1234/invoice";
  it.each([
    ["quickbooks/accounting", "quickbooks", "POST", REALM, "allowed"],
    [
      "quickbooks/accounting",
      "quickbooks",
      "POST",
      `${REALM}?operation=delete`,
      "path_not_allowed",
    ],
    ["quickbooks/accounting", "quickbooks", "POST", `${REALM}?Operation=x`, "path_not_allowed"],
    ["quickbooks/accounting", "quickbooks", "POST", `${REALM}?%6fperation=x`, "path_not_allowed"],
    ["quickbooks/accounting", "quickbooks", "POST", `${REALM}?a=1;operation=x`, "path_not_allowed"],
    ["quickbooks/accounting-delete", "quickbooks", "POST", `${REALM}?operation=delete`, "allowed"],
    ["quickbooks/accounting-delete", "quickbooks", "POST", REALM, "path_not_allowed"],
    [
      "quickbooks/accounting-delete",
      "quickbooks",
      "POST",
      `${REALM}?operation=delete&operation=update`,
      "path_not_allowed",
    ],
    ["github/git-read", "github.git", "GET", "/o/r/info/refs?service=git-upload-pack", "allowed"],
    [
      "github/git-read",
      "github.git",
      "GET",
      "/o/r/info/refs?service=git-receive-pack",
      "path_not_allowed",
    ],
    ["github/git-read", "github.git", "POST", "/o/r/git-receive-pack", "path_not_allowed"],
    ["github/git-write", "github.git", "POST", "/o/r/git-receive-pack", "allowed"],
    ["github/git-read", "github", "GET", "/o/r/info/refs", "credential_not_found"],
    ["aws/s3-read", "aws.own.tenant", "GET", "/bucket?list-type=2&prefix=a%2Fb", "allowed"],
    ["aws/s3-read", "aws.own.tenant", "GET", "/bucket?policy", "path_not_allowed"],
    ["aws/s3-read", "aws.own.tenant", "GET", "/bucket/key?acl", "path_not_allowed"],
    ["aws/s3-write", "aws.own.tenant", "PUT", "/bucket/key", "allowed"],
    ["aws/s3-write", "aws.own.tenant", "PUT", "/bucket/key?acl", "path_not_allowed"],
    ["aws/s3-write", "aws.own.tenant", "PUT", "/bucket", "path_not_allowed"],
    ["aws/s3-bucket-read", "aws.own.tenant", "GET", "/a/key", "allowed"],
    ["aws/s3-bucket-read", "aws.own.tenant", "GET", "/?cors", "path_not_allowed"],
    ["aws/s3-bucket-read", "aws.own.tenant", "GET", "/?policy", "path_not_allowed"],
    ["aws/s3-bucket-read", "aws.own.tenant", "GET", "/?session", "path_not_allowed"],
    ["aws/whoami", "aws.own.tenant", "GET", "/?Action=GetCallerIdentity", "allowed"],
    ["aws/whoami", "aws.own.tenant", "GET", "/?Action=AssumeRole", "path_not_allowed"],
    [
      "aws/whoami",
      "aws.own.tenant",
      "GET",
      "/?Action=GetCallerIdentity&Action=GetSessionToken",
      "path_not_allowed",
    ],
    ["gitlab/projects-read", "gitlab", "GET", "/api/v4/projects/group%2Fproject", "allowed"],
    ["gitlab/projects-read", "gitlab", "GET", "/api/v4/projects/a%2F..%2Fb", "path_traversal"],
  ] as const)("%s with %s: %s %s is %s", async (capability, credential, method, path, outcome) => {
    expect(await refusal(capability, credential, [method, path])).toBe(outcome);
  });
});
