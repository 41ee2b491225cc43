import {
  hostVariableFromSecret,
  hostVariableFromText,
  hostVariableNames,
  isHostTemplate,
  type Provider,
  type Registry,
  regionFromSecret,
  type SecretDefinition,
} from "@aivault/registry";
import type { Clock, Scope, SecretMetadata, Vault, VaultTransaction } from "@aivault/vault-core";
import {
  type AuthAlternative,
  authAlternatives,
  type CredentialDocument,
  missingVariables,
  parseCredentialDocument,
  serializeCredential,
} from "./credential.ts";
import { BrokerError, isBrokerError } from "./errors.ts";
import type {
  NewSecret,
  Provisioning,
  SecretChange,
  SecretCreated,
  SecretDeleted,
} from "./views.ts";

/** What provisioning works on. */
export interface ProvisionSources {
  readonly vault: Vault;
  readonly registry: Registry;
  readonly now: Clock;
}

const GLOBAL: Scope = { kind: "global" };
const NOTHING: Provisioning = { provider: null, credential: null, capabilities: [], missing: [] };

/**
 * Stores a secret. A name that a provider claims pins it to that provider (G4) and, in the same
 * transaction, makes the provider's credential as soon as all its secrets are there.
 */
export async function createSecret(
  sources: ProvisionSources,
  { name, value, aliases = [], scope = GLOBAL }: NewSecret,
): Promise<SecretCreated> {
  const provider = claimant(sources.registry, [name, ...aliases]);
  const account = await knownAccount(sources, provider, scope, [name, ...aliases], value);
  return await sources.vault.transaction(async (tx) => {
    const secret = await tx.createSecret({
      name,
      value,
      aliases,
      scope,
      pinnedProvider: provider?.id ?? null,
    });
    const provisioning = await provision(sources, tx, provider, secret, account);
    await sources.vault.audit.append({
      kind: "secret.created",
      secretId: secret.secretId,
      name,
      pinnedProvider: secret.pinnedProvider,
      credential: provisioning.credential,
    });
    return { secret, provisioning };
  });
}

/** Renames a secret. A new name that a provider claims pins it, and provisions as storing it would. */
export async function updateSecret(
  sources: ProvisionSources,
  secretId: string,
  change: SecretChange,
): Promise<SecretCreated> {
  const { registry, vault } = sources;
  const before = await vault.getSecret(secretId);
  const names = [change.name ?? before.name, ...(change.aliases ?? before.aliases)];
  const provider = claimant(registry, names);
  if (provider !== null && (before.pinnedProvider ?? provider.id) !== provider.id) {
    throw new BrokerError(
      "policy_violation",
      `the secret is pinned to \`${before.pinnedProvider}\`, and this name belongs to \`${provider.id}\`; store it anew`,
      { reason: "secret_pinned" },
    );
  }
  const account =
    provider === null
      ? NO_ACCOUNT
      : await vault.useSecret(secretId, (value) =>
          knownAccount(sources, provider, before.scope, names, value),
        );
  return await vault.transaction(async (tx) => {
    const secret = await tx.updateSecret(secretId, {
      ...change,
      ...(provider === null ? {} : { pinnedProvider: provider.id }),
    });
    const provisioning = await provision(sources, tx, provider, secret, account);
    await vault.audit.append({
      kind: "secret.updated",
      secretId,
      name: secret.name,
      pinnedProvider: secret.pinnedProvider,
    });
    return { secret, provisioning };
  });
}

/** Replaces a secret's value. What the provider reads off the value (a data centre) follows. */
export async function rotateSecret(
  sources: ProvisionSources,
  secretId: string,
  value: Uint8Array,
): Promise<SecretMetadata> {
  const { registry, vault } = sources;
  const { name, aliases, pinnedProvider, scope } = await vault.getSecret(secretId);
  const provider = pinnedProvider === null ? null : registry.provider(pinnedProvider);
  const account = await knownAccount(sources, provider, scope, [name, ...aliases], value);
  return await vault.transaction(async (tx) => {
    const secret = await tx.rotateSecret(secretId, value);
    await provision(sources, tx, provider, secret, account);
    await vault.audit.append({
      kind: "secret.rotated",
      secretId,
      name,
      valueVersion: secret.valueVersion,
    });
    return secret;
  });
}

/**
 * Deletes a secret, and the credentials that were provisioned with it. One that works without it, as with
 * an AWS session token, stays.
 */
export async function deleteSecret(
  { vault, registry }: ProvisionSources,
  secretId: string,
  credentials: Iterable<{
    readonly id: string;
    readonly secrets: Readonly<Record<string, string>>;
  }>,
): Promise<SecretDeleted> {
  const users = [...credentials].filter(({ secrets }) => Object.values(secrets).includes(secretId));
  return await vault.transaction(async (tx) => {
    const secret = await tx.deleteSecret(secretId);
    const dependants: string[] = [];
    for (const { id } of users) {
      const document = await readExisting(tx, id);
      const reduced = document === null ? null : withoutOptional(document, secretId, registry);
      if (reduced !== null) {
        await tx.putDocument("credential", id, serializeCredential(reduced));
        continue;
      }
      dependants.push(id);
      // One that an operator made stays for the operator to decide about; it is not usable.
      if (document?.origin === "registry") await tx.deleteDocument("credential", id);
    }
    await vault.audit.append({ kind: "secret.deleted", secretId, name: secret.name, dependants });
    return { secret, dependants };
  });
}

/** The credential without this secret; null when it needs it. */
function withoutOptional(
  document: CredentialDocument,
  secretId: string,
  registry: Registry,
): CredentialDocument | null {
  const provider = registry.provider(document.provider);
  const alternative =
    provider === null
      ? undefined
      : authAlternatives(provider).find(({ id }) => id === document.alternative);
  const isOptional = (placeholder: string) =>
    alternative?.secrets.some(
      (definition) => definition.placeholder === placeholder && definition.optional === true,
    ) === true;
  const entries = Object.entries(document.secrets);
  if (entries.some(([name, id]) => id === secretId && !isOptional(name))) return null;
  return { ...document, secrets: Object.fromEntries(entries.filter(([, id]) => id !== secretId)) };
}

/** The provider that claims one of these names, for a secret or for a variable of its hosts. */
function claimant(registry: Registry, names: readonly string[]): Provider | null {
  const providers = new Set(
    names.flatMap((name) => {
      const claim = registry.claimOf(name);
      return claim === null ? variableClaimants(registry, name) : [claim.provider];
    }),
  );
  const [provider = null, ...others] = providers;
  if (others.length === 0) return provider;
  const ids = [...providers].map(({ id }) => `\`${id}\``).join(" and ");
  throw new BrokerError("invalid_request", `the names belong to ${ids}; a secret has one provider`);
}

function variableClaimants({ providers }: Registry, name: string): readonly Provider[] {
  return providers.filter(({ hostVariables = {} }) =>
    Object.values(hostVariables).some(({ env = [] }) => env.includes(name)),
  );
}

/** The names under which the values of a provider's host variables are stored. */
function variableNames({ hostVariables = {} }: Provider): readonly string[] {
  return Object.values(hostVariables).flatMap(({ env = [] }) => env);
}

async function provision(
  { now }: ProvisionSources,
  tx: VaultTransaction,
  provider: Provider | null,
  secret: SecretMetadata,
  account: Account,
): Promise<Provisioning> {
  if (provider === null) return NOTHING;
  const names = new Set([secret.name, ...secret.aliases]);
  const tellsVariable = variableNames(provider).some((name) => names.has(name));
  let result: Provisioning = {
    ...NOTHING,
    provider: provider.id,
    missing: provider.secrets.filter(({ optional }) => optional !== true).map(({ name }) => name),
  };
  for (const alternative of authAlternatives(provider)) {
    const concerned = alternative.secrets.some((definition) =>
      [definition.name, ...(definition.aliases ?? [])].some((name) => names.has(name)),
    );
    if (!concerned && !tellsVariable) continue;
    const { found, missing } = await findSecrets(tx, alternative, secret.scope);
    if (missing.length > 0) {
      if (result.credential === null) result = { ...result, missing };
      continue;
    }
    const id = credentialId(provider, alternative, secret.scope);
    const existing = await readExisting(tx, id);
    // What an operator made under this id stays what the operator made.
    if (existing?.origin === "operator") continue;
    const document: CredentialDocument = {
      id,
      provider: provider.id,
      origin: "registry",
      alternative: alternative.id,
      auth: null,
      hosts: [],
      hostVariables: { ...existing?.hostVariables, ...account.hostVariables },
      region: account.regions.get(alternative.id) ?? null,
      secrets: found,
      scope: secret.scope,
      createdAtMs: existing?.createdAtMs ?? now(),
    };
    await tx.putDocument("credential", id, serializeCredential(document));
    if (result.credential !== null) continue;
    result = {
      provider: provider.id,
      credential: id,
      capabilities: capabilitiesOf(provider, alternative),
      missing: unsetVariables(provider, document.hostVariables),
    };
  }
  return result;
}

async function findSecrets(
  tx: VaultTransaction,
  alternative: AuthAlternative,
  scope: Scope,
): Promise<{ found: Readonly<Record<string, string>>; missing: readonly string[] }> {
  const found: Record<string, string> = {};
  const missing: string[] = [];
  for (const definition of alternative.secrets) {
    let secret: SecretMetadata | null = null;
    for (const name of [definition.name, ...(definition.aliases ?? [])]) {
      secret ??= await tx.findSecret(name, scope);
    }
    if (secret !== null) found[definition.placeholder] = secret.secretId;
    else if (definition.optional !== true) missing.push(definition.name);
  }
  return { found, missing };
}

/** The credential document of this id; null when there is none, or none that can be read. */
export async function readExisting(
  tx: VaultTransaction,
  id: string,
): Promise<CredentialDocument | null> {
  const stored = await tx.getDocument("credential", id);
  if (stored === null) return null;
  try {
    return parseCredentialDocument(stored.value, {
      isInternalHost: () => true,
      isInternalAllowed: () => true,
    });
  } catch (error) {
    // A damaged document of ours is replaced by a sound one.
    if (isBrokerError(error)) return null;
    throw error;
  }
}

function credentialId(provider: Provider, alternative: AuthAlternative, scope: Scope): string {
  const id = alternative.id === null ? provider.id : `${provider.id}.${alternative.id}`;
  // Neither `@` nor `/` occurs in a provider's or alternative's id, nor `/` in a workspace's or group's,
  // so no two scopes share an id.
  switch (scope.kind) {
    case "global":
      return id;
    case "workspace":
      return `${id}@/${scope.workspaceId}`;
    case "group":
      return `${id}@/${scope.workspaceId}/${scope.groupId}`;
  }
}

function capabilitiesOf(provider: Provider, { capabilities }: AuthAlternative): readonly string[] {
  return capabilities ?? provider.capabilities.map(({ id }) => id);
}

function unsetVariables(
  provider: Provider,
  values: Readonly<Record<string, string>>,
): readonly string[] {
  const templates = provider.hosts.filter(isHostTemplate);
  const names = new Set(templates.flatMap((host) => missingVariables(provider, host, values)));
  return [...names].map((name) => provider.hostVariables?.[name]?.env?.[0] ?? name);
}

/** What a provider's secrets tell about the account that they belong to. */
interface Account {
  readonly hostVariables: Readonly<Record<string, string>>;
  /** By the alternative's id; one without is at the provider's own hosts. */
  readonly regions: ReadonlyMap<string | null, string>;
}

const NO_ACCOUNT: Account = { hostVariables: {}, regions: new Map() };

/** What can be read off the provider's secrets: the one at hand and those stored. */
async function knownAccount(
  { vault }: ProvisionSources,
  provider: Provider | null,
  scope: Scope,
  names: readonly string[],
  value: Uint8Array,
): Promise<Account> {
  if (provider === null) return NO_ACCOUNT;
  const readOff = async (
    { name, aliases = [] }: Pick<SecretDefinition, "name" | "aliases">,
    find: (text: string) => string | null,
  ): Promise<string | null> => {
    const read = (bytes: Uint8Array) => find(new TextDecoder().decode(bytes));
    if ([name, ...aliases].some((alias) => names.includes(alias))) return read(value);
    const stored = await vault.findSecret(name, scope);
    return stored === null ? null : await vault.useSecret(stored.secretId, read);
  };
  const hostVariables: Record<string, string> = {};
  for (const name of new Set(provider.hosts.flatMap(hostVariableNames))) {
    const variable = provider.hostVariables?.[name];
    if (variable === undefined) continue;
    for (const stored of variable.env ?? []) {
      const found = await readOff({ name: stored }, (text) =>
        hostVariableFromText(provider, name, text),
      );
      if (found !== null) hostVariables[name] = found;
    }
    if (variable.fromSecret === undefined) continue;
    const tellers = new Set(variable.fromSecret.map(({ placeholder }) => placeholder));
    for (const definition of provider.secrets) {
      const { placeholder } = definition;
      if (!tellers.has(placeholder)) continue;
      const found = await readOff(definition, (text) =>
        hostVariableFromSecret(variable, placeholder, text),
      );
      if (found !== null) hostVariables[name] = found;
    }
  }
  const tellers = new Set(
    Object.values(provider.regions ?? {}).map(({ fromSecret }) => fromSecret?.placeholder),
  );
  const regions = new Map<string | null, string>();
  for (const { id, secrets } of authAlternatives(provider)) {
    for (const definition of secrets) {
      const { placeholder } = definition;
      if (!tellers.has(placeholder)) continue;
      const region = await readOff(definition, (text) =>
        regionFromSecret(provider, placeholder, text),
      );
      if (region !== null) regions.set(id, region);
    }
  }
  return { hostVariables, regions };
}
