import { expandHost, hostVariableNames, isHostTemplate, type Provider } from "@aivault/registry";
import type { DocumentKind, JsonValue, Scope, SecretMetadata } from "@aivault/vault-core";
import { type Binding, parseBinding, serializeBinding } from "./binding.ts";
import {
  type Capability,
  type CapabilityOptions,
  parseCapability,
  serializeCapability,
} from "./capability.ts";
import { type CapabilityPolicy, parseCapabilityPolicy } from "./capability-policy.ts";
import { type Catalog, isUsable } from "./catalog.ts";
import {
  authAlternatives,
  type Credential,
  type CredentialDocument,
  completeCredential,
  parseCredentialDocument,
  readScope,
  serializeCredential,
} from "./credential.ts";
import { BrokerError } from "./errors.ts";
import { contextOf, isWithinReach } from "./isolation.ts";
import { hostOfTokenUrl } from "./oauth-grant.ts";
import { requirePin } from "./plan.ts";
import { type ProvisionSources, readExisting } from "./provision.ts";
import { readMembers, readStringRecord } from "./shape.ts";
import type { NewBinding, NewCapability, NewCredential } from "./views.ts";

/**
 * Makes a credential by hand, through the validator that loads it (W-C2).
 *
 * One that was provisioned under the same id and knows less (a tenant, a region) makes way for it.
 *
 * @throws {BrokerError} `conflict`: the id is taken; `invalid_request`; `secret_not_found`;
 * `policy_violation` with `secret_pinned`: it would take a pinned secret elsewhere (G4).
 */
export async function createCredential(
  sources: ProvisionSources,
  input: NewCredential,
  options: CapabilityOptions,
): Promise<Credential> {
  const { vault, registry, now } = sources;
  const members = readMembers(input, "the credential", [
    "id",
    "provider",
    "secrets",
    "auth",
    "hosts",
    "scope",
  ]);
  const scope = readScope(members.get("scope") ?? { kind: "global" });
  const given = readStringRecord(members.get("secrets"), "secrets");
  const definition = registry.provider(input.provider);
  const found = new Map<string, SecretMetadata>();
  for (const [placeholder, idOrName] of Object.entries(given)) {
    found.set(placeholder, await findSecret(sources, idOrName, scope));
  }
  const ids = Object.fromEntries([...found].map(([name, { secretId }]) => [name, secretId]));
  const fitted =
    definition === null
      ? { alternative: null, secrets: ids }
      : fitAlternative(definition, ids, input.id);
  const document = parseCredentialDocument(
    {
      id: input.id,
      provider: input.provider,
      origin: "operator",
      alternative: fitted.alternative,
      auth: members.get("auth") ?? null,
      hosts: members.get("hosts") ?? [],
      hostVariables: definition === null ? {} : variablesOf(definition, input.hosts ?? []),
      region: definition === null ? null : regionOf(definition, input.hosts ?? []),
      secrets: fitted.secrets,
      scope,
      createdAtMs: now(),
    } satisfies Record<keyof CredentialDocument, unknown>,
    options,
  );
  const credential = completeCredential(document, registry);
  for (const secret of found.values()) {
    requirePin(secret.name, secret.pinnedProvider, destinations(credential), credential, registry);
    requireWithin(scope, secret);
  }
  await vault.transaction(async (tx) => {
    const stored = await tx.getDocument("credential", document.id);
    const existing = stored === null ? null : await readExisting(tx, document.id);
    if (stored !== null && !isProvisionedLike(existing, document)) {
      throw new BrokerError("conflict", `there is a credential \`${document.id}\` already`, {
        hint: `aivault credential delete ${document.id}`,
      });
    }
    await tx.putDocument("credential", document.id, serializeCredential(document), {
      expectedRevision: stored?.revision ?? null,
    });
    await vault.audit.append({
      kind: "credential.created",
      replaced: stored !== null,
      credential: document.id,
      provider: document.provider,
      hosts: [...credential.hosts],
    });
  });
  return credential;
}

/** Made by storing a secret, and about the same account as far as it goes: nobody decided anything there. */
function isProvisionedLike(
  existing: CredentialDocument | null,
  { provider, scope, secrets }: CredentialDocument,
): boolean {
  return (
    existing?.origin === "registry" &&
    existing.provider === provider &&
    JSON.stringify(existing.scope) === JSON.stringify(scope) &&
    // Another secret is another account.
    Object.entries(secrets).every(([name, id]) => (existing.secrets[name] ?? id) === id)
  );
}

/** Every host that a credential's secrets go to. The registry answers for its own token endpoints. */
function destinations({ auth, definition, hosts }: Credential): readonly string[] {
  const isOwn = definition === null && auth.strategy === "oauth2";
  return isOwn ? [...hosts, hostOfTokenUrl(auth.tokenUrl)] : hosts;
}

/** A secret by id or by name, in the credential's scope or the global one. */
async function findSecret(
  { vault }: ProvisionSources,
  idOrName: string,
  scope: Scope,
): Promise<SecretMetadata> {
  const isId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(idOrName);
  const secret = isId
    ? await vault.getSecret(idOrName).catch(() => null)
    : ((await vault.findSecret(idOrName, scope)) ??
      (await vault.findSecret(idOrName, { kind: "global" })));
  if (secret !== null && secret.deletedAtMs === null) return secret;
  throw new BrokerError("secret_not_found", `there is no secret \`${idOrName.slice(0, 128)}\``, {
    hint: "aivault secrets list",
  });
}

/** Which way to authenticate the given placeholders make up. */
function fitAlternative(
  provider: Provider,
  given: Readonly<Record<string, string>>,
  id: string,
): { alternative: string | null; secrets: Readonly<Record<string, string>> } {
  const names = Object.keys(given);
  for (const { id: alternative, secrets } of authAlternatives(provider)) {
    const known = secrets.map(({ placeholder }) => placeholder);
    const required = secrets.filter(({ optional }) => optional !== true);
    const complete = required.every(({ placeholder }) => names.includes(placeholder));
    if (complete && names.every((name) => known.includes(name))) {
      return { alternative, secrets: given };
    }
    // One secret needs no placeholder: it is clear which is meant.
    const [only, second] = required;
    const [secretId] = Object.values(given);
    if (only !== undefined && second === undefined && names.join() === "secret" && secretId) {
      return { alternative, secrets: { [only.placeholder]: secretId } };
    }
  }
  const wanted = provider.secrets.map(({ placeholder }) => placeholder).join(", ");
  throw new BrokerError(
    "invalid_request",
    `credential \`${id}\` of \`${provider.id}\` needs secrets for: ${wanted}`,
  );
}

/** Reads the host variables off the tenants' hosts that the operator named. */
function variablesOf(
  provider: Provider,
  hosts: readonly string[],
): Readonly<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const host of hosts) {
    const read = provider.hosts.flatMap((entry) => {
      const found = isHostTemplate(entry) ? matchTemplate(provider, entry, host) : null;
      return found === null ? [] : [found];
    });
    if (read.length === 0 && !provider.hosts.includes(host) && !isOfRegion(provider, host)) {
      throw new BrokerError(
        "policy_violation",
        `\`${host}\` is none of the hosts of \`${provider.id}\`: ${provider.hosts.join(", ")}`,
        { reason: "host_not_allowed" },
      );
    }
    for (const found of read) Object.assign(values, found);
  }
  return values;
}

function isOfRegion({ regions = {} }: Provider, host: string): boolean {
  return Object.values(regions).some(({ hosts }) => Object.values(hosts).includes(host));
}

/** The region whose hosts the operator named; null when they are the provider's own. */
function regionOf(provider: Provider, hosts: readonly string[]): string | null {
  if (!hosts.some((host) => isOfRegion(provider, host))) return null;
  const regions = Object.entries(provider.regions ?? {});
  const region = regions.find(([, { hosts: replaced }]) =>
    hosts.every((host) => {
      const isRegions = Object.values(replaced).includes(host);
      return isRegions || (!isOfRegion(provider, host) && replaced[host] === undefined);
    }),
  );
  if (region !== undefined) return region[0];
  throw new BrokerError(
    "invalid_request",
    `the hosts are of several regions of \`${provider.id}\`; make a credential for each`,
  );
}

function matchTemplate(
  provider: Provider,
  template: string,
  host: string,
): Readonly<Record<string, string>> | null {
  const pattern = template
    .replaceAll(".", "\\.")
    .replaceAll(/\{[a-z]+\}/g, "([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)");
  const match = new RegExp(`^${pattern}$`).exec(host);
  if (match === null) return null;
  const values = Object.fromEntries(
    hostVariableNames(template).map((name, index) => [name, match[index + 1] ?? ""]),
  );
  try {
    // The registry judges the values; the expression above only takes the text apart.
    return expandHost(provider, template, values) === host ? values : null;
  } catch {
    return null;
  }
}

/** A secret of one workspace must not become usable everywhere through a wider credential (W-F3). */
function requireWithin(credential: Scope, secret: SecretMetadata): void {
  if (isWithinReach(contextOf(credential), secret)) return;
  throw new BrokerError(
    "invalid_request",
    `the secret \`${secret.name}\` is not in reach of the credential's scope; a group reaches what is attached to it`,
  );
}

/**
 * Makes a capability by hand.
 *
 * @throws {BrokerError} `conflict`: the id is taken; `invalid_request`; `policy_violation` with
 * `secret_pinned`: it would take a registry provider's credential to a host that is not the provider's.
 */
export async function createCapability(
  { vault, registry }: ProvisionSources,
  input: NewCapability,
  catalog: Catalog,
  options: CapabilityOptions,
): Promise<Capability> {
  const capability = parseCapability(input, options);
  const definition = registry.provider(capability.provider);
  if (registry.capability(capability.id) !== null) {
    throw new BrokerError(
      "conflict",
      `\`${capability.id}\` is the registry's; choose another name`,
    );
  }
  const hosts = new Set([
    ...(definition?.hosts ?? []),
    ...(catalog.credentialsOf.get(capability.provider) ?? []).flatMap(({ hosts }) => hosts),
  ]);
  if (definition !== null && !hosts.has(capability.host)) {
    throw new BrokerError(
      "policy_violation",
      `secrets of \`${definition.id}\` are pinned to its hosts (${[...hosts].join(", ")}), and \`${capability.host}\` is none of them`,
      { reason: "secret_pinned" },
    );
  }
  await vault.transaction(async (tx) => {
    if ((await tx.getDocument("capability", capability.id)) !== null) {
      throw new BrokerError("conflict", `there is a capability \`${capability.id}\` already`, {
        hint: `aivault capability delete ${capability.id}`,
      });
    }
    await tx.putDocument("capability", capability.id, serializeCapability(capability), {
      expectedRevision: null,
    });
    await vault.audit.append({
      kind: "capability.created",
      capability: capability.id,
      host: capability.host,
      risk: capability.risk,
    });
  });
  return capability;
}

/**
 * Makes a binding.
 *
 * @throws {BrokerError} `conflict`: the id is taken; `credential_not_found`, `secret_not_found`;
 * `invalid_request`: where the binding holds, the credential could not be used.
 */
export async function createBinding(
  sources: ProvisionSources,
  input: NewBinding,
  catalog: Catalog,
): Promise<Binding> {
  const { vault, now } = sources;
  const draft = parseBinding({ ...input, createdAtMs: now() });
  const secret =
    draft.secret === null ? null : await findSecret(sources, draft.secret, draft.scope);
  const binding = { ...draft, secret: secret?.secretId ?? null };
  const place = contextOf(binding.scope);
  if (binding.credential !== null) {
    const credential = catalog.credentials.get(binding.credential);
    if (credential === undefined) {
      throw new BrokerError(
        "credential_not_found",
        `there is no credential \`${binding.credential}\``,
        { hint: "aivault credential list" },
      );
    }
    if (!isWithinReach(place, credential) || !isUsable(credential, catalog, place)) {
      throw outOfReach(`the credential \`${credential.id}\``);
    }
  }
  if (secret !== null && !isWithinReach(place, secret)) {
    throw outOfReach(`the secret \`${secret.name}\``);
  }
  await vault.transaction(async (tx) => {
    if ((await tx.getDocument("binding", binding.id)) !== null) {
      throw new BrokerError("conflict", `there is a binding \`${binding.id}\` already`);
    }
    await tx.putDocument("binding", binding.id, serializeBinding(binding), {
      expectedRevision: null,
    });
    await vault.audit.append({
      kind: "binding.created",
      binding: binding.id,
      capability: binding.capability,
      consumer: binding.consumer,
      credential: binding.credential,
      secretId: binding.secret,
    });
  });
  return binding;
}

function outOfReach(what: string): BrokerError {
  return new BrokerError("invalid_request", `${what} is not in reach of the binding's scope`);
}

/** Stores what is demanded of a capability, through the validator that loads it (W-C2). */
export async function setPolicy(
  { vault }: ProvisionSources,
  capabilityId: string,
  input: CapabilityPolicy,
): Promise<CapabilityPolicy> {
  const policy = parseCapabilityPolicy(input);
  await vault.transaction(async (tx) => {
    await tx.putDocument("policy", capabilityId, { ...policy } as unknown as JsonValue);
    await vault.audit.append({ kind: "policy.set", capability: capabilityId });
  });
  return policy;
}

/** Deletes a document of an operator's. @returns Whether there was one. */
export async function deleteDocument(
  { vault }: ProvisionSources,
  kind: DocumentKind & ("credential" | "capability" | "binding" | "policy"),
  id: string,
): Promise<boolean> {
  return await vault.transaction(async (tx) => {
    const deleted = await tx.deleteDocument(kind, id);
    const noun = kind === "policy" ? "capability" : kind;
    if (deleted) await vault.audit.append({ kind: `${kind}.deleted`, [noun]: id });
    return deleted;
  });
}
