import { matchesCapability } from "@aivault/policy";
import { BrokerError } from "./errors.ts";
import type { ScopeContext } from "./isolation.ts";

/** What bounds a number of invocations, or each of them. Left out: no bound of its own. */
export interface UseLimits {
  /** Invocations in any 60 seconds. */
  readonly requestsPerMinute?: number;
  /** Invocations under way at a time. */
  readonly concurrency?: number;
  /** Bytes of one request's body. */
  readonly requestBytesMax?: number;
  /** Bytes of one response's decoded body. */
  readonly responseBytesMax?: number;
  /** Milliseconds for one exchange. */
  readonly totalMs?: number;
  /** Milliseconds between two chunks of one response. */
  readonly idleMs?: number;
}

/** What one verified token allows. */
export interface TokenGrant {
  readonly tokenId: string;
  /** Ids, or patterns in which `*` stands for any run of characters but `/`. */
  readonly capabilities: readonly string[];
  /** The only credential it may use; null leaves the choice to the broker. */
  readonly credential: string | null;
  readonly limits?: UseLimits;
}

/**
 * What the daemon knows about a caller beyond its envelope. It is made from a verified token or from the
 * transport; an envelope cannot say any of it (W-F3).
 */
export interface InvocationContext {
  readonly workspaceId?: string;
  /** Needs a workspace. */
  readonly groupId?: string;
  /** What bindings call the caller: the token's label, or the agent's name. */
  readonly consumer?: string;
  /** The token and every token it was derived from. All of them must allow what is done (G13). */
  readonly grants?: readonly TokenGrant[];
}

/** The place an invocation stands in. @throws {TypeError} A group without a workspace. */
export function scopeContext(context: InvocationContext | undefined): ScopeContext | null {
  if (context?.workspaceId === undefined) {
    if (context?.groupId !== undefined) throw new TypeError("a group needs its workspace");
    return null;
  }
  return { workspaceId: context.workspaceId, groupId: context.groupId ?? null };
}

/**
 * Checks that every token grants the capability, and finds the credential they leave.
 *
 * A pin is a ceiling (W-E7): another credential that the caller names is refused, not preferred.
 *
 * @param requested - The credential in the envelope, or null.
 * @returns The credential that a token is pinned to; null when none is.
 * @throws {BrokerError} `policy_violation` with `capability_not_granted`.
 */
export function requireGranted(
  grants: readonly TokenGrant[],
  capabilityId: string,
  requested: string | null,
): string | null {
  let pinned: string | null = null;
  for (const { capabilities, credential } of grants) {
    if (!capabilities.some((pattern) => matchesCapability(pattern, capabilityId))) {
      throw notGranted(
        "the token does not grant this capability; ask the operator for one that does",
      );
    }
    if (credential === null) continue;
    if (pinned !== null && pinned !== credential) {
      throw notGranted("the tokens above this one leave no credential");
    }
    pinned = credential;
  }
  if (pinned !== null && requested !== null && requested !== pinned) {
    throw notGranted("the token is pinned to another credential");
  }
  return pinned;
}

function notGranted(message: string): BrokerError {
  return new BrokerError("policy_violation", message, { reason: "capability_not_granted" });
}
