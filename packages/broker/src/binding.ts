import { isCapabilityPattern, matchesCapability } from "@aivault/policy";
import type { JsonValue, Scope } from "@aivault/vault-core";
import { readCredentialId, readScope } from "./credential.ts";
import { isWithinReach, type ScopeContext } from "./isolation.ts";
import { invalidShape, readCount, readMembers, readString } from "./shape.ts";

/**
 * An operator's choice: who uses which credential for what, in a sealed document of kind `binding`.
 *
 * It decides where nobody names a credential, before what is merely stored in the same scope (W-F2).
 */
export interface Binding {
  readonly id: string;
  /** A capability id, or a pattern over them. */
  readonly capability: string;
  /** Where it holds. */
  readonly scope: Scope;
  /** A token's id or label, or an agent's name; null for everybody. */
  readonly consumer: string | null;
  /** Exactly one of these two is not null. */
  readonly credential: string | null;
  /** The id of a secret: whichever credential uses it. */
  readonly secret: string | null;
  readonly createdAtMs: number;
}

/** Who a binding is looked up for. */
export interface BindingQuery {
  readonly capabilityId: string;
  readonly context: ScopeContext | null;
  /** Names the caller goes by. */
  readonly consumers: readonly string[];
}

/**
 * Reads the document, or what an operator asked for.
 *
 * @throws {BrokerError} `invalid_request`, naming the member.
 */
export function parseBinding(json: unknown): Binding {
  const members = readMembers(json, "the binding", [
    "id",
    "capability",
    "scope",
    "consumer",
    "credential",
    "secret",
    "createdAtMs",
  ]);
  const capability = readString(members.get("capability"), "capability", 256);
  if (!isCapabilityPattern(capability)) {
    throw invalidShape("capability", "an id, or a pattern such as openai/*");
  }
  const credential = members.get("credential") ?? null;
  const secret = members.get("secret") ?? null;
  if ((credential === null) === (secret === null)) {
    throw invalidShape("the binding", "to a credential or to a secret, and not to both");
  }
  const consumer = members.get("consumer") ?? null;
  return {
    id: readCredentialId(members.get("id"), "id"),
    capability,
    scope: readScope(members.get("scope") ?? { kind: "global" }),
    consumer: consumer === null ? null : readString(consumer, "consumer", 128),
    credential: credential === null ? null : readCredentialId(credential, "credential"),
    secret: secret === null ? null : readString(secret, "secret", 128),
    createdAtMs: readCount(members.get("createdAtMs"), "createdAtMs"),
  };
}

/** The document as JSON. */
export function serializeBinding(binding: Binding): JsonValue {
  return { ...binding } as unknown as JsonValue;
}

/** The bindings that speak about an invocation, most particular first: by scope, consumer, capability. */
export function applicableBindings(
  bindings: Iterable<Binding>,
  { capabilityId, context, consumers }: BindingQuery,
): readonly Binding[] {
  return [...bindings]
    .filter(
      (binding) =>
        matchesCapability(binding.capability, capabilityId) &&
        isWithinReach(context, { scope: binding.scope }) &&
        (binding.consumer === null || consumers.includes(binding.consumer)),
    )
    .sort((a, b) => precedence(b) - precedence(a));
}

/** How near a scope is: group before workspace before global. */
export const NEARNESS = { global: 0, workspace: 1, group: 2 } as const;

/** Greater is more particular; equal for two bindings that neither overrules. */
export function precedence({ scope, consumer, capability }: Binding): number {
  const isExact = !capability.includes("*");
  return 4 * NEARNESS[scope.kind] + (consumer === null ? 0 : 2) + (isExact ? 1 : 0);
}
