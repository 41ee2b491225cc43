import { HTTP_METHODS, parseHost, parseInternalHost, parsePathRule } from "@aivault/policy";
import type { CapabilityEntry, PathRule, QueryConstraint, Risk } from "@aivault/registry";
import type { JsonValue } from "@aivault/vault-core";
import { readCredentialId } from "./credential.ts";
import { BrokerError } from "./errors.ts";
import { invalidShape, readArray, readChoice, readMembers, readString } from "./shape.ts";

/** A capability, from the registry or an operator. */
export interface Capability {
  readonly id: string;
  readonly provider: string;
  readonly description: string;
  /** A host name; for a registry provider with tenants possibly a template. */
  readonly host: string;
  /** The port; null for the scheme's own. */
  readonly port: number | null;
  readonly risk: Risk;
  readonly rules: readonly PathRule[];
  readonly origin: "registry" | "operator";
}

const CAPABILITY_ID = /^[a-z0-9][a-z0-9._-]{0,63}\/[a-z0-9][a-z0-9._-]{0,127}$/;

/** A registry's capability in the broker's own shape. Never stored: it is read anew each time (W-C5). */
export function registryCapability(entry: CapabilityEntry): Capability {
  const known = fromRegistry.get(entry.capability);
  if (known !== undefined) return known;
  const { provider, capability } = entry;
  const made: Capability = {
    id: capability.id,
    provider: provider.id,
    description: capability.description,
    host: capability.host,
    port: provider.ports?.[capability.host] ?? null,
    risk: capability.risk,
    rules: capability.rules,
    origin: "registry",
  };
  fromRegistry.set(capability, made);
  return made;
}

const fromRegistry = new WeakMap<CapabilityEntry["capability"], Capability>();

/** What an operator's capability may be besides public. */
export interface CapabilityOptions {
  /** Tells whether the operator allowed this internal host and port. */
  readonly isInternalAllowed: (host: string, port: number) => boolean;
  /** The same for any port. */
  readonly isInternalHost: (host: string) => boolean;
}

/**
 * Reads an operator's capability: its document, or what the operator asked for. One validator for both,
 * so that nothing can be stored that would not load (W-C2).
 *
 * @throws {BrokerError} `invalid_request`, naming the member; `policy_violation` for a host.
 */
export function parseCapability(json: unknown, options: CapabilityOptions): Capability {
  const members = readMembers(json, "the capability", [
    "id",
    "provider",
    "description",
    "host",
    "risk",
    "rules",
  ]);
  const id = readString(members.get("id"), "id", 192);
  if (!CAPABILITY_ID.test(id)) {
    throw invalidShape("id", "<provider>/<name>, of a-z 0-9 . _ -");
  }
  const provider = readCredentialId(members.get("provider"), "provider");
  if (id.slice(0, id.indexOf("/")) !== provider) {
    throw invalidShape("id", `\`${provider}/<name>\`, since the provider is \`${provider}\``);
  }
  const rules = readArray(members.get("rules"), "rules", readRule);
  if (rules.length === 0) throw invalidShape("rules", "a list with at least one rule");
  return {
    id,
    provider,
    description: members.has("description")
      ? readString(members.get("description"), "description")
      : "",
    ...readHostAndPort(members.get("host"), options),
    risk: readChoice(members.get("risk") ?? "write", "risk", [
      "read",
      "write",
      "destructive",
      "spend",
    ]),
    rules,
    origin: "operator",
  };
}

function readHostAndPort(
  json: unknown,
  { isInternalAllowed }: CapabilityOptions,
): { host: string; port: number | null } {
  const text = readString(json, "host", 300);
  const internal = parseInternalHost(text);
  if (internal.ok && isInternalAllowed(internal.value.host, internal.value.port)) {
    return internal.value;
  }
  if (isInternalAllowed(text.toLowerCase(), 443)) return { host: text.toLowerCase(), port: null };
  const withPort = /^([^:]+):([1-9][0-9]{0,4})$/.exec(text);
  const host = parseHost(withPort?.[1] ?? text);
  if (!host.ok) throw new BrokerError(host.code, host.message, { reason: host.reason });
  const port = withPort === null ? null : Number(withPort[2]);
  if (port !== null && port > 65_535) throw invalidShape("host", "a name, or name:port");
  return { host: host.value, port: port === 443 ? null : port };
}

function readRule(json: unknown, what: string): PathRule {
  const members = readMembers(json, what, ["methods", "match", "path", "query", "encodedSlash"]);
  const encodedSlash = members.get("encodedSlash") ?? false;
  if (typeof encodedSlash !== "boolean")
    throw invalidShape(`${what}.encodedSlash`, "true or false");
  const rule: PathRule = {
    methods: readArray(members.get("methods"), `${what}.methods`, (item, place) =>
      readChoice(item, place, HTTP_METHODS),
    ),
    match: readChoice(members.get("match"), `${what}.match`, ["prefix", "exact", "pattern"]),
    path: readString(members.get("path"), `${what}.path`, 2048),
    ...(members.has("query") ? { query: readQuery(members.get("query"), `${what}.query`) } : {}),
    ...(encodedSlash ? { encodedSlash } : {}),
  };
  const parsed = parsePathRule(rule);
  if (!parsed.ok) throw new BrokerError(parsed.code, `${what}: ${parsed.message}`);
  return parsed.value;
}

const PARAM_CHARS_MAX = 256;

function readQuery(json: unknown, what: string): QueryConstraint {
  const members = readMembers(json, what, ["required", "forbidden", "allowed"]);
  const required = members.get("required") ?? {};
  if (typeof required !== "object" || Array.isArray(required)) {
    throw invalidShape(`${what}.required`, "an object");
  }
  const names = (member: "forbidden" | "allowed") =>
    members.has(member)
      ? {
          [member]: readArray(members.get(member), `${what}.${member}`, (item, place) =>
            readString(item, place, PARAM_CHARS_MAX),
          ),
        }
      : {};
  return {
    ...(members.has("required")
      ? {
          required: Object.fromEntries(
            Object.entries(required).map(([name, value]) => [
              readString(name, `a name in ${what}.required`, PARAM_CHARS_MAX),
              value === "" ? "" : readString(value, `${what}.required.${name}`),
            ]),
          ),
        }
      : {}),
    ...names("forbidden"),
    ...names("allowed"),
  };
}

/** An operator's capability as a document. */
export function serializeCapability(capability: Capability): JsonValue {
  const { id, provider, description, host, port, risk, rules } = capability;
  return {
    id,
    provider,
    ...(description === "" ? {} : { description }),
    host: port === null ? host : host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`,
    risk,
    rules: rules.map(({ methods, match, path, query, encodedSlash }) => ({
      methods: [...methods],
      match,
      path,
      ...(query === undefined ? {} : { query: { ...query } as JsonValue }),
      ...(encodedSlash === true ? { encodedSlash } : {}),
    })),
  };
}
