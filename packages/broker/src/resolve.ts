import type { Registry } from "@aivault/registry";
import type { Vault } from "@aivault/vault-core";
import { applicableBindings, type Binding, NEARNESS, precedence } from "./binding.ts";
import type { Capability } from "./capability.ts";
import { type Catalog, isUsable } from "./catalog.ts";
import { type InvocationContext, scopeContext } from "./context.ts";
import { authAlternatives, type Credential, hostOf } from "./credential.ts";
import { BrokerError } from "./errors.ts";
import type { Principal } from "./invocation.ts";
import { contextOf, isWithinReach, type ScopeContext } from "./isolation.ts";

/** Who asks, and for which credential. */
export interface CredentialRequest {
  readonly principal: Principal;
  /** From the envelope, or null. */
  readonly requested: string | null;
  /** The credential that a token is pinned to, or null; it agrees with `requested`. */
  readonly pinned: string | null;
  readonly context: InvocationContext | undefined;
}

/** A credential, and by which rule it was chosen. */
export interface ResolvedCredential {
  readonly credential: Credential;
  /** For people: `named by the caller`, `binding \`ci\``. */
  readonly because: string;
}

/**
 * Chooses the credential of an invocation: the one the caller names, else the one its token is pinned to,
 * else by scope, group before workspace before global; in each scope a binding before what is only stored
 * there, and among those the greatest priority. One that does not know the capability's host is passed
 * over where there is another. What is left must be one.
 *
 * @returns Null when there is none to choose from; see {@link credentialNotFound}.
 * @throws {BrokerError} `credential_not_found`: the one that was named or bound; `credential_ambiguous`,
 * with the choices.
 */
export function resolveCredential(
  capability: Capability,
  request: CredentialRequest,
  catalog: Catalog,
): ResolvedCredential | null {
  const { requested, pinned, context, principal } = request;
  const isPlain = requested === null && pinned === null && context === undefined;
  if (!isPlain || principal.kind !== "caller") return choose(capability, request, catalog);
  // Such callers differ in nothing that counts here. G13: a change of the vault makes another catalog.
  const chosen = plainChoices.get(catalog.credentials) ?? new WeakMap();
  plainChoices.set(catalog.credentials, chosen);
  const known = chosen.get(capability);
  if (known !== undefined) return known;
  const resolved = choose(capability, request, catalog);
  if (resolved !== null) chosen.set(capability, resolved);
  return resolved;
}

const plainChoices = new WeakMap<Catalog["credentials"], WeakMap<Capability, ResolvedCredential>>();

function choose(
  capability: Capability,
  request: CredentialRequest,
  catalog: Catalog,
): ResolvedCredential | null {
  const { requested, pinned, context } = request;
  const grants = context?.grants ?? [];
  const named = requested ?? pinned;
  const place = placeOf(request, named, catalog);
  const usable = (catalog.credentialsOf.get(capability.provider) ?? []).filter(
    (credential) =>
      isFor(credential, capability) &&
      isWithinReach(place, { scope: credential.scope }) &&
      isUsable(credential, catalog, place),
  );
  if (named !== null) {
    const credential = usable.find(({ id }) => id === named);
    if (credential === undefined) throw notUsable(named, capability);
    return {
      credential,
      because: requested === null ? "the token is pinned to it" : "named by the caller",
    };
  }
  // One that lacks its tenant has nowhere to go. Where there is no other, it stays, so that the caller is
  // told what it lacks and not that there is none.
  const serving = usable.filter((credential) => serves(credential, capability));
  const candidates = serving.length === 0 ? usable : serving;
  const bound = applicableBindings(catalog.bindings.values(), {
    capabilityId: capability.id,
    context: place,
    consumers: [
      ...(context?.consumer === undefined ? [] : [context.consumer]),
      ...grants.map(({ tokenId }) => tokenId),
    ],
  });
  const nearest = candidates.reduce((best, { scope }) => Math.max(best, NEARNESS[scope.kind]), -1);
  const [first] = bound;
  if (first !== undefined && NEARNESS[first.scope.kind] >= nearest) {
    const equals = bound.filter((binding) => precedence(binding) === precedence(first));
    return byBinding(capability, equals, usable);
  }
  const best = candidates.reduce((most, credential) => Math.max(most, rank(credential)), -Infinity);
  const choices = candidates.filter((candidate) => rank(candidate) === best);
  const credential = onlyOne(capability, choices);
  if (credential === null) return null;
  const { kind } = credential.scope;
  return {
    credential,
    because: candidates.length === 1 ? "the only one" : `the nearest scope is ${kind}`,
  };
}

function isFor({ capabilities }: Credential, { id }: Capability): boolean {
  return capabilities === null || capabilities.includes(id);
}

/** Whether the credential is for this capability and knows the host that it leads to. */
export function serves(credential: Credential, capability: Capability): boolean {
  const { host } = capability;
  if (!isFor(credential, capability)) return false;
  const { definition } = credential;
  const isEntry = definition?.hosts.includes(host) === true;
  const actual = isEntry ? hostOf(definition, host, credential) : host;
  return actual !== null && credential.hosts.includes(actual);
}

/** An operator who names a credential stands where that is: it could have made a token for there. */
function placeOf(
  { principal, context }: CredentialRequest,
  named: string | null,
  catalog: Catalog,
): ScopeContext | null {
  const place = scopeContext(context);
  if (place !== null || principal.kind !== "operator" || named === null) return place;
  const scope = catalog.credentials.get(named)?.scope;
  return scope === undefined ? null : contextOf(scope);
}

/** A binding whose credential cannot be used is an error: what an operator chose is not replaced. */
function byBinding(
  capability: Capability,
  bindings: readonly Binding[],
  candidates: readonly Credential[],
): ResolvedCredential {
  const choices = candidates.filter((candidate) =>
    bindings.some(({ credential, secret }) =>
      credential === null
        ? Object.values(candidate.secrets).includes(secret as string)
        : candidate.id === credential,
    ),
  );
  const ids = bindings.map(({ id }) => `\`${id}\``).join(", ");
  const credential = onlyOne(capability, choices);
  if (credential !== null) return { credential, because: `binding ${ids}` };
  throw new BrokerError(
    "credential_not_found",
    `binding ${ids} chooses for \`${capability.id}\`, and what it chooses is not usable here`,
    { hint: "aivault credential list" },
  );
}

function onlyOne(capability: Capability, choices: readonly Credential[]): Credential | null {
  const [chosen, ...others] = choices;
  if (others.length === 0) return chosen ?? null;
  const ids = choices.map(({ id }) => `\`${id}\``).join(", ");
  throw new BrokerError(
    "credential_ambiguous",
    `\`${capability.id}\` can be called with ${ids}; name one as \`credential\``,
    { hint: `--credential ${chosen?.id}` },
  );
}

/** Priorities of the registry are small whole numbers; nearness always outweighs them. */
const PRIORITY_SPAN = 1_000_000;

function rank({ scope, priority }: Credential): number {
  return NEARNESS[scope.kind] * PRIORITY_SPAN + priority;
}

function notUsable(id: string, capability: Capability): BrokerError {
  return new BrokerError(
    "credential_not_found",
    `no credential \`${id}\` that \`${capability.id}\` can be called with from here`,
    { hint: "aivault credential list" },
  );
}

/** What a caller is told where there is no credential. @param missing - See {@link missingSecrets}. */
export function credentialNotFound(
  capability: Capability,
  missing: readonly string[],
): BrokerError {
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
