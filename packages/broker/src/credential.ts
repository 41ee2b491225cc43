import { parseHost } from "@aivault/policy";
import {
  type AuthScheme,
  hostVariableNames,
  type Provider,
  type Registry,
  resolveHost,
  type SecretDefinition,
} from "@aivault/registry";
import type { JsonValue, Scope } from "@aivault/vault-core";
import { type IsInternalAllowed, parseAuthScheme } from "./auth-scheme.ts";
import { BrokerError } from "./errors.ts";
import {
  invalidShape,
  readArray,
  readChoice,
  readCount,
  readMembers,
  readString,
  readStringRecord,
} from "./shape.ts";
import { placeholders } from "./template.ts";
import type { CredentialView } from "./views.ts";

/** A credential as the vault keeps it, in a sealed document of kind `credential`. */
export interface CredentialDocument {
  readonly id: string;
  readonly provider: string;
  readonly origin: "registry" | "operator";
  /** Which of the registry provider's alternatives it is; null for the provider's own scheme. */
  readonly alternative: string | null;
  /** Null for a registry provider: its scheme is read from the registry each time (G4). */
  readonly auth: AuthScheme | null;
  /** Where it may go. For a registry provider only the tenants' hosts; the others are the registry's. */
  readonly hosts: readonly string[];
  /** Values of the registry provider's host variables. */
  readonly hostVariables: Readonly<Record<string, string>>;
  /** Which of the registry provider's regions the account is in; null for the provider's own hosts. */
  readonly region: string | null;
  /** Placeholder to secret id. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly scope: Scope;
  readonly createdAtMs: number;
}

/** A credential, complete: what the registry says about it has been added. */
export interface Credential {
  readonly id: string;
  readonly provider: string;
  readonly origin: "registry" | "operator";
  /** The registry's provider of this id, or null. */
  readonly definition: Provider | null;
  readonly auth: AuthScheme;
  /** Exact hosts, canonical. */
  readonly hosts: readonly string[];
  readonly hostVariables: Readonly<Record<string, string>>;
  /** A key of the definition's `regions`, or null. */
  readonly region: string | null;
  readonly secrets: Readonly<Record<string, string>>;
  readonly scope: Scope;
  /** Greater is preferred. */
  readonly priority: number;
  /** The only capabilities it is for, or null for all of its provider. */
  readonly capabilities: readonly string[] | null;
  readonly createdAtMs: number;
}

/** Ids of credentials and providers. `/` and `@` occur in those of scoped credentials. */
export const CREDENTIAL_ID = /^[a-z0-9][a-z0-9._@/+-]{0,127}$/i;

/**
 * Reads a credential document.
 *
 * @param internal - What an operator allowed although it is no public name: hosts on any port, and services.
 * @throws {BrokerError} `invalid_request`: it is malformed; the message names the member.
 */
export function parseCredentialDocument(
  json: unknown,
  internal: {
    readonly isInternalHost: (host: string) => boolean;
    readonly isInternalAllowed: IsInternalAllowed;
  },
): CredentialDocument {
  const members = readMembers(json, "the credential", [
    "id",
    "provider",
    "origin",
    "alternative",
    "auth",
    "hosts",
    "hostVariables",
    "region",
    "secrets",
    "scope",
    "createdAtMs",
  ]);
  const secrets = readStringRecord(members.get("secrets"), "secrets");
  const auth = members.get("auth") ?? null;
  const alternative = members.get("alternative") ?? null;
  const region = members.get("region") ?? null;
  return {
    id: readCredentialId(members.get("id"), "id"),
    provider: readCredentialId(members.get("provider"), "provider"),
    origin: readChoice(members.get("origin"), "origin", ["registry", "operator"]),
    alternative: alternative === null ? null : readString(alternative, "alternative"),
    auth:
      auth === null
        ? null
        : parseAuthScheme(auth, Object.keys(secrets), internal.isInternalAllowed),
    hosts: readArray(members.get("hosts") ?? [], "hosts", (item, what) =>
      readHost(item, what, internal.isInternalHost),
    ),
    hostVariables: readStringRecord(members.get("hostVariables") ?? {}, "hostVariables"),
    region: region === null ? null : readString(region, "region", 64),
    secrets,
    scope: readScope(members.get("scope")),
    createdAtMs: readCount(members.get("createdAtMs"), "createdAtMs"),
  };
}

/** @throws {BrokerError} `invalid_request`. */
export function readCredentialId(json: unknown, what: string): string {
  const id = readString(json, what, 128);
  if (!CREDENTIAL_ID.test(id)) {
    throw invalidShape(what, "letters, digits and . _ - + @ /, beginning with a letter or digit");
  }
  return id;
}

function readHost(json: unknown, what: string, isInternalHost: (host: string) => boolean): string {
  const text = readString(json, what, 253).toLowerCase();
  if (isInternalHost(text)) return text;
  const host = parseHost(text);
  if (!host.ok) throw new BrokerError("invalid_request", `${what}: ${host.message}`);
  return host.value;
}

/** @throws {BrokerError} `invalid_request`. */
export function readScope(json: unknown): Scope {
  const scope = readMembers(json, "scope", ["kind", "workspaceId", "groupId"]);
  const kind = readChoice(scope.get("kind"), "scope.kind", ["global", "workspace", "group"]);
  switch (kind) {
    case "global":
      return { kind };
    case "workspace":
      return { kind, workspaceId: readString(scope.get("workspaceId"), "scope.workspaceId", 128) };
    case "group":
      return {
        kind,
        workspaceId: readString(scope.get("workspaceId"), "scope.workspaceId", 128),
        groupId: readString(scope.get("groupId"), "scope.groupId", 128),
      };
  }
}

/** The document as JSON. */
export function serializeCredential(document: CredentialDocument): JsonValue {
  return { ...document } as unknown as JsonValue;
}

/** One way to authenticate that a registry provider has. */
export interface AuthAlternative {
  /** Null for the provider's own. */
  readonly id: string | null;
  readonly secrets: readonly SecretDefinition[];
  readonly auth: AuthScheme;
  readonly priority: number;
  readonly capabilities: readonly string[] | null;
}

/** Every way a registry provider has, its own first. */
export function authAlternatives(provider: Provider): readonly AuthAlternative[] {
  return [
    {
      id: null,
      secrets: provider.secrets,
      auth: provider.auth,
      priority: 0,
      capabilities: provider.authCapabilities ?? null,
    },
    ...(provider.alternatives ?? []).map((alternative) => ({
      id: alternative.id,
      secrets: alternative.secrets,
      auth: alternative.auth,
      priority: alternative.priority,
      capabilities: alternative.capabilities ?? null,
    })),
  ];
}

/**
 * Completes a document with what the registry says.
 *
 * @throws {BrokerError} `invalid_request`: it does not fit the registry; `policy_violation` with
 * `secret_pinned` or `host_not_allowed` where it would go somewhere it must not.
 */
export function completeCredential(document: CredentialDocument, registry: Registry): Credential {
  const definition = registry.provider(document.provider);
  const base = {
    id: document.id,
    provider: document.provider,
    origin: document.origin,
    definition,
    hostVariables: document.hostVariables,
    region: document.region,
    secrets: document.secrets,
    scope: document.scope,
    createdAtMs: document.createdAtMs,
  };
  if (definition === null) {
    if (document.auth === null || document.hosts.length === 0 || document.region !== null) {
      throw new BrokerError(
        "invalid_request",
        `credential \`${document.id}\` needs an auth scheme and hosts, and no region: \`${document.provider}\` is not in the registry`,
      );
    }
    return { ...base, auth: document.auth, hosts: document.hosts, priority: 0, capabilities: null };
  }
  if (document.region !== null && !Object.hasOwn(definition.regions ?? {}, document.region)) {
    throw new BrokerError(
      "invalid_request",
      `\`${definition.id}\` has no region \`${document.region}\``,
    );
  }
  if (document.auth !== null) {
    throw new BrokerError(
      "invalid_request",
      `the auth scheme of \`${definition.id}\` is the registry's and cannot be given`,
    );
  }
  const alternative = authAlternatives(definition).find(({ id }) => id === document.alternative);
  if (alternative === undefined) {
    throw new BrokerError(
      "invalid_request",
      `\`${definition.id}\` has no way to authenticate called \`${document.alternative}\``,
    );
  }
  for (const { placeholder, optional, name } of alternative.secrets) {
    if (optional !== true && document.secrets[placeholder] === undefined) {
      throw new BrokerError("invalid_request", `credential \`${document.id}\` lacks ${name}`);
    }
  }
  return {
    ...base,
    auth: alternative.auth,
    hosts: registryHosts(definition, document),
    priority: alternative.priority,
    capabilities: alternative.capabilities,
  };
}

/** The provider's own hosts in the document's region, templates expanded with what it says. */
function registryHosts(provider: Provider, document: CredentialDocument): readonly string[] {
  return provider.hosts.flatMap((entry) => hostOf(provider, entry, document) ?? []);
}

/**
 * The host that an entry of a provider's `hosts` stands for.
 *
 * @returns Null where the account does not say which tenant it is.
 */
export function hostOf(
  provider: Provider,
  entry: string,
  account: Pick<CredentialDocument, "region" | "hostVariables">,
): string | null {
  const { region, hostVariables } = account;
  const replaced = region !== null && provider.regions?.[region]?.hosts[entry] !== undefined;
  if (!replaced && missingVariables(provider, entry, hostVariables).length > 0) return null;
  return resolveHost(provider, entry, region, hostVariables);
}

/** The variables of a host template that have no value yet. */
export function missingVariables(
  provider: Provider,
  template: string,
  values: Readonly<Record<string, string>>,
): readonly string[] {
  return hostVariableNames(template).filter(
    (name) => values[name] === undefined && provider.hostVariables?.[name]?.default === undefined,
  );
}

/** The placeholders whose secrets the credential can do without. Only the registry has such. */
export function optionalPlaceholders({
  definition,
  auth,
}: Pick<Credential, "definition" | "auth">): ReadonlySet<string> {
  const ways = definition === null ? [] : authAlternatives(definition);
  const secrets = ways.find((way) => way.auth === auth)?.secrets ?? [];
  return new Set(
    secrets.flatMap(({ placeholder, optional }) => (optional === true ? [placeholder] : [])),
  );
}

/** A credential, as shown. */
export function viewCredential(credential: Credential): CredentialView {
  return {
    id: credential.id,
    provider: credential.provider,
    auth: { ...credential.auth },
    hosts: credential.hosts,
    secrets: credential.secrets,
    scope: credential.scope,
    origin: credential.origin,
    createdAtMs: credential.createdAtMs,
  };
}

const opened = new WeakMap<AuthScheme, readonly string[]>();

/** The placeholders that an auth scheme opens. */
export function schemePlaceholders(auth: AuthScheme): readonly string[] {
  const known = opened.get(auth);
  if (known !== undefined) return known;
  const found = findPlaceholders(auth);
  opened.set(auth, found);
  return found;
}

function findPlaceholders(auth: AuthScheme): readonly string[] {
  const inTemplates = (templates: readonly (string | null | undefined)[]) =>
    templates.flatMap((template) => (template == null ? [] : placeholders(template)));
  switch (auth.strategy) {
    case "header":
    case "query":
      return inTemplates([auth.template, ...(auth.byShape ?? []).map(({ template }) => template)]);
    case "path":
      return placeholders(auth.template);
    case "basic":
      return inTemplates([auth.username, auth.password]);
    case "multi-header":
      return auth.headers.flatMap((entry) =>
        inTemplates([entry.template, ...(entry.byShape ?? []).map(({ template }) => template)]),
      );
    case "multi-query":
      return auth.params.flatMap((entry) =>
        inTemplates([entry.template, ...(entry.byShape ?? []).map(({ template }) => template)]),
      );
    case "oauth2":
      // The document goes to the token endpoint only; what is injected is the token made from it, and
      // whatever else the headers name (Twitch wants its client id).
      return inTemplates(auth.headers.map(({ template }) => template)).filter(
        (placeholder) => placeholder !== "access_token" && placeholder !== auth.document,
      );
    case "aws-sigv4":
      return [
        auth.accessKeyId,
        auth.secretAccessKey,
        ...(auth.sessionToken === undefined ? [] : [auth.sessionToken]),
      ];
    case "hmac":
      return [
        auth.key,
        ...inTemplates([
          auth.message,
          ...(auth.headers ?? []).map(({ template }) => template),
          ...(auth.params ?? []).map(({ template }) => template),
        ]),
      ];
    case "mtls":
      return [
        auth.certificate,
        auth.privateKey,
        ...("passphrase" in auth ? [String(auth.passphrase)] : []),
        ...("ca" in auth ? [String(auth.ca)] : []),
        ...inTemplates((auth.headers ?? []).map(({ template }) => template)),
      ];
  }
}
