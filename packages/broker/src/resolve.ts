import type { Registry } from "@aivault/registry";
import type { Scope, Vault } from "@aivault/vault-core";
import type { Capability } from "./capability.ts";
import { type Catalog, isUsable } from "./catalog.ts";
import { authAlternatives, type Credential } from "./credential.ts";
import { BrokerError } from "./errors.ts";

/** Where a caller stands, as its token says; null for a caller without token. */
export interface ScopeContext {
  readonly workspaceId: string;
  readonly groupId: string | null;
}

/** What there is to choose from. */
export interface ResolveSources {
  readonly catalog: Catalog;
  readonly registry: Registry;
  readonly vault: Vault;
}

/**
 * Chooses the credential of an invocation: the one asked for, else the nearest scope (group, workspace,
 * global), then the greatest priority.
 *
 * @param requested - From the envelope, or null.
 * @throws {BrokerError} `credential_not_found`, with the command that would make one;
 * `credential_ambiguous`, with the choices.
 */
export async function resolveCredential(
  capability: Capability,
  requested: string | null,
  context: ScopeContext | null,
  { catalog, registry, vault }: ResolveSources,
): Promise<Credential> {
  const candidates = (catalog.credentialsOf.get(capability.provider) ?? []).filter(
    (credential) =>
      (credential.capabilities === null || credential.capabilities.includes(capability.id)) &&
      isUsable(credential, catalog) &&
      isEligible(credential.scope, context, credential.id === requested),
  );
  if (requested !== null) {
    const chosen = candidates.find(({ id }) => id === requested);
    if (chosen !== undefined) return chosen;
    throw new BrokerError(
      "credential_not_found",
      `no credential \`${requested}\` that \`${capability.id}\` can be called with`,
      { hint: "aivault credential list" },
    );
  }
  const best = Math.max(...candidates.map(rank));
  const [chosen, ...others] = candidates.filter((candidate) => rank(candidate) === best);
  if (chosen === undefined) {
    throw notFound(capability, await missingSecrets(capability, vault, registry));
  }
  if (others.length > 0) {
    const ids = [chosen, ...others].map(({ id }) => `\`${id}\``).join(", ");
    throw new BrokerError(
      "credential_ambiguous",
      `\`${capability.id}\` can be called with ${ids}; name one as \`credential\``,
      { hint: `--credential ${chosen.id}` },
    );
  }
  return chosen;
}

/** Isolation is decided here and nowhere else: what lies outside the caller's scope does not exist. */
function isEligible(scope: Scope, context: ScopeContext | null, named: boolean): boolean {
  if (scope.kind === "global") return true;
  // Without a token nothing says where the caller stands; it gets what it names, as an operator would.
  if (context === null) return named;
  if (scope.workspaceId !== context.workspaceId) return false;
  return scope.kind === "workspace" || scope.groupId === context.groupId;
}

const NEARNESS = { global: 0, workspace: 1, group: 2 } as const;
/** Priorities of the registry are small whole numbers; nearness always outweighs them. */
const PRIORITY_SPAN = 1_000_000;

function rank({ scope, priority }: Credential): number {
  return NEARNESS[scope.kind] * PRIORITY_SPAN + priority;
}

function notFound(capability: Capability, missing: readonly string[]): BrokerError {
  const [first] = missing;
  const provider = `\`${capability.provider}\``;
  return first === undefined
    ? new BrokerError(
        "credential_not_found",
        `no credential for ${provider}; make one with \`aivault credential create\``,
        { hint: "aivault credential create" },
      )
    : new BrokerError(
        "credential_not_found",
        `no credential for ${provider}: the vault has no ${missing.join(" and no ")}`,
        { hint: `aivault secrets create --name ${first}` },
      );
}

/** The secrets whose storing would give the provider a credential for this capability. */
export async function missingSecrets(
  capability: Capability,
  vault: Vault,
  registry: Registry,
): Promise<readonly string[]> {
  const provider = registry.provider(capability.provider);
  if (provider === null) return [];
  const alternative = authAlternatives(provider).find(
    ({ capabilities }) => capabilities === null || capabilities.includes(capability.id),
  );
  const missing: string[] = [];
  for (const { name, optional } of alternative?.secrets ?? []) {
    if (optional === true) continue;
    if ((await vault.findSecret(name, { kind: "global" })) === null) missing.push(name);
  }
  return missing;
}
