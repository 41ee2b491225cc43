import {
  allows,
  deriveHost,
  type Envelope,
  type HeaderPair,
  type HttpMethod,
  managedPathConflict,
  managedQueryConflict,
  parseMethod,
  parseTarget,
  type Result,
  requestHeaders,
  type Target,
} from "@aivault/policy";
import { isHostTemplate, type Provider, type Registry } from "@aivault/registry";
import type { Capability } from "./capability.ts";
import type { Catalog } from "./catalog.ts";
import { type Credential, hostOf, missingVariables } from "./credential.ts";
import { BrokerError } from "./errors.ts";
import type { Plan } from "./invocation.ts";
import { NO_PLACEMENT, type Placement, placementOf } from "./placement.ts";
import { REDACTION_MARKER } from "./redact.ts";
import { render } from "./template.ts";
import type { DecisionTrace } from "./trace.ts";

/** A request that policy allows, complete but for the credential and the body's bytes. */
export interface PlannedRequest {
  readonly capability: Capability;
  readonly credential: Credential;
  readonly method: HttpMethod;
  readonly target: Target;
  readonly host: string;
  readonly port: number;
  /** The registry names the port. */
  readonly portDeclared: boolean;
  /** Names lower case; without those the credential adds and without those about the body. */
  readonly headers: readonly HeaderPair[];
  readonly placement: Placement;
  /** Index of the capability's rule that admits it. */
  readonly rule: number;
  /** It was redirected to another origin: no credential goes with it, and none ever comes back (G8). */
  readonly anonymous: boolean;
}

/** What a plan is made from. */
export interface PlanOptions {
  readonly registry: Registry;
  readonly catalog: Catalog;
  /** For requests that bring no `user-agent`. */
  readonly userAgent: string;
  /** Notes what each rule said, where somebody asked. */
  readonly trace: DecisionTrace | null;
}

/**
 * Decides about a request, rule by rule (design, section 6), and plans it. Opens no secret.
 *
 * @throws {BrokerError} The denial.
 */
export function planRequest(
  { request }: Envelope,
  capability: Capability,
  credential: Credential,
  options: PlanOptions,
): PlannedRequest {
  const { trace } = options;
  const method = permit(parseMethod(request.method));
  trace?.pass("method", method);
  // G7: what is matched here is what is sent, byte for byte. An encoded slash is read only where one of
  // the rules admits it, and `matchPath` then holds the others to refusing it.
  const encodedSlash = capability.rules.some(
    (rule) => (rule as { encodedSlash?: boolean }).encodedSlash === true,
  );
  const target = permit(parseTarget(request.path, { encodedSlash }));
  const rule = permit(allows(capability.rules, method, target.path, target.query));
  trace?.pass("path", `rule ${rule} of \`${capability.id}\` admits ${method} ${target.path}`);
  const host = planHost(capability, credential);
  const port = capability.port ?? 443;
  trace?.pass("host", port === 443 ? host : `${host}:${port}`);
  requirePins(credential, host, options);
  trace?.pass("secret", `every secret of \`${credential.id}\` may go there`);
  const { placement } = formOf(credential);
  const passed = permit(requestHeaders(request.headers, { managed: placement.headers }));
  trace?.pass("headers", "none is the credential's or the connection's");
  const conflict = managedQueryConflict(target.query, placement.params);
  if (conflict !== null) permit(conflict);
  if (placement.path !== null) permit(managedPathConflict(target.path, placement.path));
  trace?.pass("query", "no parameter is the credential's");
  return {
    capability,
    credential,
    method,
    target,
    host,
    port,
    portDeclared: capability.origin === "registry" && capability.port !== null,
    headers: addDefaults(passed, credential, options.userAgent, request.body),
    placement,
    rule,
    anonymous: false,
  };
}

/** The same request at another origin, without its credential. */
export function planElsewhere(planned: PlannedRequest, host: string, port: number): PlannedRequest {
  return {
    ...planned,
    host,
    port,
    portDeclared: planned.portDeclared && port === planned.port && host === planned.host,
    placement: NO_PLACEMENT,
    anonymous: true,
  };
}

/** The value, or the denial as the error that callers of this package see. */
export function permit<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new BrokerError(result.code, result.message, { reason: result.reason });
}

/** What follows from a credential alone. It is read from the vault anew with every change. */
interface CredentialForm {
  readonly placement: Placement;
  /** By the capability's host. */
  readonly hosts: Map<string, string>;
}

const forms = new WeakMap<Credential, CredentialForm>();

function formOf(credential: Credential): CredentialForm {
  const known = forms.get(credential);
  if (known !== undefined) return known;
  const form = { placement: placementOf(credential.auth), hosts: new Map<string, string>() };
  forms.set(credential, form);
  return form;
}

function planHost(capability: Capability, credential: Credential): string {
  const { hosts } = formOf(credential);
  const id = `${capability.origin} ${capability.host}`;
  let host = hosts.get(id);
  if (host === undefined) {
    host = findHost(capability, credential);
    hosts.set(id, host);
  }
  return host;
}

function findHost(capability: Capability, credential: Credential): string {
  const { definition, hostVariables } = credential;
  let { host } = capability;
  if (isHostTemplate(host)) {
    const missing = definition === null ? [] : missingVariables(definition, host, hostVariables);
    if (definition === null || missing.length > 0) {
      throw new BrokerError(
        "policy_violation",
        `credential \`${credential.id}\` does not say which \`${missing.join("`, `")}\` of \`${host}\` is meant`,
        { reason: "host_not_allowed", hint: hintForVariable(definition, missing[0] ?? "") },
      );
    }
  }
  // What the registry names stands for the account's tenant and region.
  if (definition?.hosts.includes(host)) host = hostOf(definition, host, credential) ?? host;
  // An internal host was allowed by name and port; it is no public name that could be derived.
  if (capability.origin === "operator" && credential.hosts.includes(host)) return host;
  return permit(deriveHost(host, credential.hosts));
}

function hintForVariable(definition: Provider | null, name: string): string {
  const [stored] = definition?.hostVariables?.[name]?.env ?? [];
  return stored === undefined
    ? "aivault credential create"
    : `aivault secrets create --name ${stored}`;
}

/**
 * G4: a secret pinned to a provider goes to that provider's registered hosts only. It was checked when
 * the credential and the capability were made; this is what holds when either changed since.
 */
function requirePins(credential: Credential, host: string, options: PlanOptions): void {
  for (const secretId of Object.values(credential.secrets)) {
    const secret = options.catalog.secrets.get(secretId);
    if (secret === undefined) {
      throw new BrokerError(
        "secret_not_found",
        `a secret of credential \`${credential.id}\` no longer exists`,
      );
    }
    requirePin(secret.name, secret.pinnedProvider, [host], credential, options.registry);
  }
}

/**
 * G4: checks that a pinned secret would stay with its provider.
 *
 * @throws {BrokerError} `policy_violation` with `secret_pinned`.
 */
export function requirePin(
  name: string,
  pinnedProvider: string | null,
  hosts: readonly string[],
  credential: Pick<Credential, "definition" | "hosts" | "hostVariables">,
  registry: Registry,
): void {
  if (pinnedProvider === null) return;
  const provider = registry.provider(pinnedProvider);
  const registered = provider === null ? NO_HOSTS : registeredHosts(provider);
  // Tenants' hosts are known only through a credential of the same provider, whose hosts the registry
  // expanded itself.
  const own = credential.definition?.id === pinnedProvider ? credential.hosts : [];
  const outside = hosts.find((host) => !registered.has(host) && !own.includes(host));
  if (provider !== null && outside === undefined) return;
  throw new BrokerError(
    "policy_violation",
    `the secret \`${name}\` is pinned to \`${pinnedProvider}\` and may not go to \`${outside ?? hosts.join("`, `")}\``,
    { reason: "secret_pinned" },
  );
}

/** The hosts of a provider that are its own whoever the tenant is, in every region. */
function registeredHosts(provider: Provider): ReadonlySet<string> {
  const known = hostsOfProviders.get(provider);
  if (known !== undefined) return known;
  const { hosts, regions = {} } = provider;
  const inRegions = Object.values(regions).flatMap((region) => Object.values(region.hosts));
  const found = new Set([...hosts, ...inRegions].filter((host) => !isHostTemplate(host)));
  hostsOfProviders.set(provider, found);
  return found;
}

/** A definition does not change; another one of the same id is another object. */
const hostsOfProviders = new WeakMap<Provider, ReadonlySet<string>>();
const NO_HOSTS: ReadonlySet<string> = new Set();

function addDefaults(
  passed: readonly HeaderPair[],
  credential: Credential,
  userAgent: string,
  body: Envelope["request"]["body"],
): readonly HeaderPair[] {
  const headers = [...passed];
  const given = new Set(passed.map(({ name }) => name));
  const add = (name: string, value: string) => {
    if (!given.has(name)) headers.push({ name, value });
    given.add(name);
  };
  // The boundary is ours, so the whole header is.
  if (body.kind === "multipart") {
    const at = headers.findIndex(({ name }) => name === "content-type");
    if (at !== -1) headers.splice(at, 1);
  } else if (body.kind === "text") {
    add("content-type", looksLikeJson(body.text) ? "application/json" : "text/plain;charset=utf-8");
  }
  for (const [name, value] of Object.entries(credential.definition?.staticHeaders ?? {})) {
    add(name.toLowerCase(), value);
  }
  add("accept", "*/*");
  add("user-agent", userAgent);
  // Fixed, so that what comes back can be searched without decoding it (G9).
  headers.push({ name: "accept-encoding", value: "identity" });
  return headers;
}

/** By its first and last character: reading megabytes to name their type would cost more than it is worth. */
function looksLikeJson(text: string): boolean {
  const first = /^\s*([[{])/.exec(text.slice(0, 256))?.[1];
  const last = /([\]}])\s*$/.exec(text.slice(-256))?.[1];
  return (first === "{" && last === "}") || (first === "[" && last === "]");
}

/** The plan as a caller may see it. */
export function describePlan(planned: PlannedRequest): Plan {
  return {
    capability: planned.capability.id,
    credential: planned.credential.id,
    method: planned.method,
    url: maskedUrl(planned),
    headers: planned.headers,
    injects: planned.placement.injects,
  };
}

/** The URL with every credential masked; the same request always gives the same text. */
export function maskedUrl({ host, port, target, placement }: PlannedRequest): string {
  const authority = port === 443 ? host : `${host}:${port}`;
  const masked = placement.path === null ? "" : render(placement.path, () => REDACTION_MARKER);
  const params = placement.params.map((name) => `${name}=${REDACTION_MARKER}`);
  return `https://${authority}${joinTarget(masked, target, params)}`;
}

/** Path and query with a prefix in front and parameters behind. */
export function joinTarget(prefix: string, target: Target, params: readonly string[]): string {
  const query = [...(target.query === "" ? [] : [target.query]), ...params].join("&");
  const path = prefix.replace(/\/$/, "") + target.path;
  return query === "" ? path : `${path}?${query}`;
}
