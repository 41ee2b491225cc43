/** What must hold between the parts of one definition: everything JSON Schema cannot say. */

import { HMAC_VALUE_PARTS, isHmacPart } from "./hmac-parts.ts";
import { matchesWhole } from "./host-template.ts";
import { ruleAdmits, rulesOverlap } from "./path-language.ts";
import type {
  AuthScheme,
  CapabilityDefinition,
  NamedTemplate,
  PathRule,
  Provider,
  Risk,
  SecretDefinition,
} from "./provider.ts";

type Complain = (path: string, message: string) => void;

/** From harmless to grave; a capability is as grave as its gravest rule. */
const GRAVITY: readonly Risk[] = ["read", "write", "spend", "destructive"];

/** Headers that carry identity or belong to one connection: never static. */
const RESERVED_HEADER =
  /^(?:authorization|proxy-.*|cookie|host|connection|content-length|transfer-encoding|te|trailer|upgrade|x-api-key|x-forwarded-.*|forwarded|via)$/i;

const duplicates = (values: readonly string[]): string[] =>
  values.filter((value, index) => values.indexOf(value) !== index);

const placeholdersIn = (template: string): string[] =>
  [...template.matchAll(/\{\{([^{}]*)\}\}/g)].map((match) => match[1] ?? "");

const variablesIn = (host: string): string[] =>
  [...host.matchAll(/\{([^{}]*)\}/g)].map((match) => match[1] ?? "");

/** Every complaint about how the parts of a well-formed definition fit together. */
export function relationComplaints(provider: Provider): string[] {
  const complaints: string[] = [];
  const complain: Complain = (path, message) => complaints.push(`${path}: ${message}`);
  hostComplaints(provider, complain);
  credentialComplaints(provider, complain);
  capabilityComplaints(provider, complain);
  overlapComplaints(provider, complain);
  verifyComplaints(provider, complain);
  for (const name of Object.keys(provider.staticHeaders ?? {})) {
    if (RESERVED_HEADER.test(name)) complain(`$.staticHeaders.${name}`, "may not be static");
  }
  return complaints;
}

function hostComplaints(provider: Provider, complain: Complain): void {
  const variables = provider.hostVariables ?? {};
  const used = new Set<string>();
  const note = (path: string, text: string): void => {
    for (const name of variablesIn(text)) {
      used.add(name);
      if (variables[name] === undefined) complain(path, `host variable \`${name}\` is not defined`);
    }
  };
  provider.hosts.forEach((host, i) => {
    note(`$.hosts[${i}]`, host);
    // A host no capability names would still be one the pinned secret may be sent to.
    if (!provider.capabilities.some((capability) => capability.host === host)) {
      complain(`$.hosts[${i}]`, "no capability uses this host");
    }
    if (/(?:^|\.)\d+$/.test(host)) complain(`$.hosts[${i}]`, "must be a name, not an address");
    // G4: with `api.{tenant}.com`, whoever names the tenant names the domain.
    const last = host.split(".").slice(-2);
    if (last.length < 2 || last.some((label) => label.includes("{"))) {
      complain(`$.hosts[${i}]`, "must end in at least two fixed labels");
    }
  });
  for (const [scheme, path] of schemesOf(provider)) {
    if (scheme.strategy !== "oauth2") continue;
    note(`${path}.tokenUrl`, scheme.tokenUrl);
    note(`${path}.authorizationUrl`, scheme.authorizationUrl ?? "");
    note(`${path}.deviceAuthorizationUrl`, scheme.deviceAuthorizationUrl ?? "");
  }
  for (const [name, variable] of Object.entries(variables)) {
    const path = `$.hostVariables.${name}`;
    if (!used.has(name)) complain(path, "is used by no host or URL");
    if ((variable.values === undefined) === (variable.pattern === undefined)) {
      complain(path, "needs either `values` or `pattern`");
    }
    if (variable.pattern !== undefined && !isAnchored(variable.pattern)) {
      complain(`${path}.pattern`, "must be anchored with `^` and `$`");
    }
    const accepts = (value: string): boolean =>
      variable.values?.includes(value) ??
      (!value.includes(".") && matchesWhole(variable.pattern ?? "", value));
    if (variable.default !== undefined && !accepts(variable.default)) {
      complain(`${path}.default`, "is not an accepted value");
    }
    variable.fromSecret?.forEach((source, i) => {
      if (!provider.secrets.some((secret) => secret.placeholder === source.placeholder)) {
        complain(`${path}.fromSecret[${i}].placeholder`, "names no secret");
      }
      if (source.value !== undefined && !accepts(source.value)) {
        complain(`${path}.fromSecret[${i}].value`, "is not an accepted value");
      }
    });
  }
  for (const [name, region] of Object.entries(provider.regions ?? {})) {
    for (const [host, other] of Object.entries(region.hosts)) {
      if (!provider.hosts.includes(host)) {
        complain(`$.regions.${name}.hosts.${host}`, "is not one of the hosts");
      }
      if (provider.hosts.includes(other)) {
        complain(`$.regions.${name}.hosts.${host}`, "is already one of the hosts");
      }
    }
    const { fromSecret } = region;
    if (
      fromSecret !== undefined &&
      !provider.secrets.some((secret) => secret.placeholder === fromSecret.placeholder)
    ) {
      complain(`$.regions.${name}.fromSecret.placeholder`, "names no secret");
    }
  }
  for (const host of Object.keys(provider.ports ?? {})) {
    if (!provider.hosts.includes(host)) complain(`$.ports.${host}`, "is not one of the hosts");
  }
}

const isAnchored = (pattern: string): boolean => pattern.startsWith("^") && pattern.endsWith("$");

function schemesOf(provider: Provider): [AuthScheme, string][] {
  return [
    [provider.auth, "$.auth"],
    ...(provider.alternatives ?? []).map((alternative, i): [AuthScheme, string] => [
      alternative.auth,
      `$.alternatives[${i}].auth`,
    ]),
  ];
}

function credentialComplaints(provider: Provider, complain: Complain): void {
  const ids = new Set(provider.capabilities.map((capability) => capability.id));
  const known = (names: readonly string[] | undefined, path: string): void => {
    names?.forEach((name, i) => {
      if (!ids.has(name))
        complain(`${path}[${i}]`, `\`${name}\` is no capability of this provider`);
    });
  };
  secretComplaints(provider.secrets, "$.secrets", complain);
  placeholderComplaints(provider, provider.auth, provider.secrets, "$.auth", complain);
  known(provider.authCapabilities, "$.authCapabilities");
  const alternatives = provider.alternatives ?? [];
  alternatives.forEach((alternative, i) => {
    const path = `$.alternatives[${i}]`;
    secretComplaints(alternative.secrets, `${path}.secrets`, complain);
    placeholderComplaints(
      provider,
      alternative.auth,
      alternative.secrets,
      `${path}.auth`,
      complain,
    );
    known(alternative.capabilities, `${path}.capabilities`);
  });
  for (const id of duplicates(alternatives.map((alternative) => alternative.id))) {
    complain("$.alternatives", `two alternatives have the id \`${id}\``);
  }
  const filters = [
    provider.authCapabilities,
    ...alternatives.map((alternative) => alternative.capabilities),
  ];
  for (const id of ids) {
    if (!filters.some((filter) => filter === undefined || filter.includes(id))) {
      complain("$.authCapabilities", `no credential is good for \`${id}\``);
    }
  }
}

function secretComplaints(
  secrets: readonly SecretDefinition[],
  path: string,
  complain: Complain,
): void {
  for (const name of duplicates(secrets.flatMap((s) => [s.name, ...(s.aliases ?? [])]))) {
    complain(path, `the name \`${name}\` appears twice`);
  }
  for (const name of duplicates(secrets.map((secret) => secret.placeholder))) {
    complain(path, `the placeholder \`${name}\` appears twice`);
  }
  secrets.forEach((secret, i) => {
    if (!isAnchored(secret.pattern)) {
      complain(`${path}[${i}].pattern`, "must be anchored with `^` and `$`");
    }
    if (!new RegExp(secret.pattern, "u").test(secret.example)) {
      complain(`${path}[${i}].example`, "does not match the pattern");
    }
  });
}

const templatesOf = (named: readonly NamedTemplate[] | undefined): string[] =>
  (named ?? []).flatMap((entry) => [
    entry.template,
    ...(entry.byShape ?? []).flatMap((shape) => shape.template ?? []),
  ]);

/** The templates of a scheme, with placeholders that are named directly put into braces. */
function templatesIn(scheme: AuthScheme): { templates: string[]; builtin: string[] } {
  switch (scheme.strategy) {
    case "header":
    case "query":
      return { templates: templatesOf([scheme]), builtin: [] };
    case "path":
      return { templates: [scheme.template], builtin: [] };
    case "basic":
      return { templates: [scheme.username, scheme.password], builtin: [] };
    case "multi-header":
      return { templates: templatesOf(scheme.headers), builtin: [] };
    case "multi-query":
      return { templates: templatesOf(scheme.params), builtin: [] };
    case "oauth2":
      return {
        templates: [
          `{{${scheme.document}}}`,
          ...templatesOf(scheme.headers),
          ...Object.values(scheme.tokenParams ?? {}),
        ],
        builtin: ["access_token"],
      };
    case "aws-sigv4":
      return {
        templates: [scheme.accessKeyId, scheme.secretAccessKey, scheme.sessionToken ?? ""]
          .filter((name) => name !== "")
          .map((name) => `{{${name}}}`),
        builtin: [],
      };
    case "hmac":
      return {
        templates: [
          `{{${scheme.key}}}`,
          scheme.message,
          ...templatesOf(scheme.headers),
          ...templatesOf(scheme.params),
        ],
        builtin: [
          "signature",
          ...placeholdersIn(scheme.message).filter(isHmacPart),
          ...HMAC_VALUE_PARTS,
        ],
      };
    case "mtls":
      return {
        templates: [
          `{{${scheme.certificate}}}`,
          `{{${scheme.privateKey}}}`,
          ...templatesOf(scheme.headers),
        ],
        builtin: [],
      };
  }
}

function placeholderComplaints(
  provider: Provider,
  scheme: AuthScheme,
  secrets: readonly SecretDefinition[],
  path: string,
  complain: Complain,
): void {
  const { templates, builtin } = templatesIn(scheme);
  const used = new Set(templates.flatMap(placeholdersIn));
  for (const name of used) {
    if (!builtin.includes(name) && !secrets.some((secret) => secret.placeholder === name)) {
      complain(path, `placeholder \`${name}\` names no secret`);
    }
  }
  for (const secret of secrets) {
    if (!used.has(secret.placeholder)) {
      complain(path, `secret \`${secret.name}\` is used by no template`);
    }
  }
  // Braces left over after the placeholders are taken out are a misspelt placeholder.
  for (const template of templates) {
    if (/[{}]/.test(template.replaceAll(/\{\{[a-z0-9_]+\}\}/g, ""))) {
      complain(path, "a template has unpaired braces");
    }
  }
  if (scheme.strategy === "hmac") {
    const sent = [...templatesOf(scheme.headers), ...templatesOf(scheme.params)];
    if ([scheme.message, ...sent].some((text) => placeholdersIn(text).includes(scheme.key))) {
      complain(path, `the signing key \`${scheme.key}\` is in a template, and is never sent`);
    }
  }
  if (scheme.strategy === "aws-sigv4") {
    for (const host of Object.keys(scheme.services)) {
      if (!provider.hosts.includes(host)) complain(path, `\`${host}\` is not one of the hosts`);
    }
    for (const host of provider.hosts) {
      if (scheme.services[host] === undefined) complain(path, `\`${host}\` has no signing name`);
    }
  }
}

function capabilityComplaints(provider: Provider, complain: Complain): void {
  for (const id of duplicates(provider.capabilities.map((capability) => capability.id))) {
    complain("$.capabilities", `the id \`${id}\` appears twice`);
  }
  provider.capabilities.forEach((capability, i) => {
    const path = `$.capabilities[${i}]`;
    if (!capability.id.startsWith(`${provider.id}/`)) {
      complain(`${path}.id`, `must begin with \`${provider.id}/\``);
    }
    // G4: a capability cannot bring a host of its own.
    if (!provider.hosts.includes(capability.host)) {
      complain(`${path}.host`, "is not one of the provider's hosts");
    }
    const risks = capability.rules.map((rule) => rule.risk ?? capability.risk);
    if (!risks.includes(capability.risk)) {
      complain(`${path}.risk`, "is not the risk of any rule");
    }
    capability.rules.forEach((rule, j) => {
      ruleComplaints(rule, capability, `${path}.rules[${j}]`, complain);
    });
    if (capability.wholeHost !== undefined && !capability.rules.some(admitsHost)) {
      complain(`${path}.wholeHost`, "explains a rule for the whole host that is not there");
    }
  });
}

/** Tells whether a rule says nothing about paths: a prefix `/`, or names with any number of segments. */
const admitsHost = (rule: PathRule): boolean =>
  rule.match === "prefix"
    ? rule.path === "/"
    : /^(?:\/\{[a-z_]+\})*\/\{[a-z_]+\+\}$/.test(rule.path);

function ruleComplaints(
  rule: PathRule,
  capability: CapabilityDefinition,
  path: string,
  complain: Complain,
): void {
  const risk = rule.risk ?? capability.risk;
  if (rule.path === "") complain(`${path}.path`, "must begin with `/`");
  if (GRAVITY.indexOf(risk) > GRAVITY.indexOf(capability.risk)) {
    complain(`${path}.risk`, "is graver than the risk of the capability");
  }
  if (admitsHost(rule) && capability.wholeHost === undefined) {
    complain(`${path}.path`, `\`${rule.path}\` admits the whole host; say why in \`wholeHost\``);
  }
  const segments = rule.path.slice(1).split("/");
  if (segments.some((segment) => segment === "." || segment === "..")) {
    complain(`${path}.path`, "must not contain dot segments");
  }
  const gaps = segments.filter((segment) => /[{}]/.test(segment));
  if (rule.match === "pattern") {
    if (gaps.length === 0) complain(`${path}.match`, "a pattern needs a `{name}`; say exact");
    if (/^\{[a-z_]+\+\}$/.test(segments.at(-1) ?? "")) gaps.pop();
    if (!gaps.every((segment) => /^[^{}]*\{[a-z_]+\}[^{}]*$/.test(segment))) {
      complain(`${path}.path`, "a segment has one `{name}`, or is `{name+}` at the end");
    }
  } else if (gaps.length > 0) {
    complain(`${path}.match`, "a path with `{name}` is a pattern");
  }
  if (risk === "read" && rule.methods.some((m) => m === "PUT" || m === "PATCH")) {
    complain(`${path}.methods`, "a read does not need PUT or PATCH");
  }
  if (risk !== "destructive" && rule.methods.includes("DELETE")) {
    complain(`${path}.methods`, "DELETE is destructive");
  }
  for (const name of Object.keys(rule.query?.required ?? {})) {
    if (rule.query?.forbidden?.includes(name)) {
      complain(`${path}.query`, `\`${name}\` is both required and forbidden`);
    }
  }
}

/** One request must not be called a read by one capability and destructive by another. */
function overlapComplaints(provider: Provider, complain: Complain): void {
  const all = provider.capabilities.flatMap((capability, i) =>
    capability.rules.map((rule, j) => ({
      rule,
      host: capability.host,
      risk: rule.risk ?? capability.risk,
      path: `$.capabilities[${i}].rules[${j}]`,
      id: capability.id,
    })),
  );
  all.forEach((one, i) => {
    for (const other of all.slice(i + 1)) {
      if (one.host !== other.host || one.risk === other.risk) continue;
      if (rulesOverlap(one.rule, other.rule)) {
        complain(
          other.path,
          `admits requests of risk ${other.risk} that \`${one.id}\` calls ${one.risk} (${one.path})`,
        );
      }
    }
  });
}

function verifyComplaints(provider: Provider, complain: Complain): void {
  const { verify } = provider;
  if (verify === undefined) return;
  const capability = provider.capabilities.find((entry) => entry.id === verify.capability);
  if (capability === undefined) {
    complain("$.verify.capability", "is no capability of this provider");
    return;
  }
  const path = verify.path.split("?")[0] ?? "";
  const rule = capability.rules.find((entry) => ruleAdmits(entry, verify.method, path));
  if (rule === undefined) {
    complain("$.verify.path", `is not admitted by \`${capability.id}\``);
  } else if ((rule.risk ?? capability.risk) !== "read") {
    complain("$.verify.path", "must be harmless: the rule that admits it is not a read");
  }
  if (verify.body !== undefined) {
    try {
      JSON.parse(verify.body);
    } catch {
      complain("$.verify.body", "must be JSON");
    }
  }
}
