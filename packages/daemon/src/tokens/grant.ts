/** What a token may do, and whether an attempt is within it. Pure: time comes in. */

/** The scope of one token. */
export interface TokenGrant {
  /** Ids, or patterns in which `*` stands for any run of characters but `/`; `*` alone for every id. */
  readonly capabilities: readonly string[];
  /** The only credential it may use; null leaves the choice to the broker. */
  readonly credential: string | null;
  /** Unix time in milliseconds; not valid at that time any more. */
  readonly expiresAtMs: number;
  /** Invocations; null for as many as the time allows. */
  readonly usesMax: number | null;
  /** Invocations in any 60 seconds; null for no limit of its own. */
  readonly perMinute: number | null;
  /** Invocations under way at a time; null as above, and so below. */
  readonly concurrency: number | null;
  /** Octets of one request's body. */
  readonly requestBytesMax: number | null;
  /** Octets of one response's decoded body. */
  readonly responseBytesMax: number | null;
  /** Where its holder stands: what lies elsewhere is out of reach. Null for nowhere in particular. */
  readonly workspaceId: string | null;
  /** Needs a workspace. */
  readonly groupId: string | null;
  /** Ed25519, 32 octets, base64url: whoever uses the token signs each request. Null for whoever has it. */
  readonly publicKey: string | null;
}

/** What an invocation asks for. */
export interface TokenAttempt {
  readonly capability: string;
  readonly credential: string | null;
}

/**
 * Decide whether one token of a chain grants `attempt`.
 *
 * @returns null when it does, else what to tell the caller: not what would have been granted.
 */
export function checkGrant(grant: TokenGrant, attempt: TokenAttempt): string | null {
  if (!grant.capabilities.some((pattern) => matchesId(pattern, attempt.capability))) {
    return "the token does not grant this capability; ask the operator for one that does";
  }
  if (grant.credential !== null && attempt.credential !== null) {
    if (grant.credential !== attempt.credential) {
      return "the token is pinned to another credential";
    }
  }
  return null;
}

/**
 * The credential that a chain of tokens leaves: what the caller named, else what a token is pinned to.
 *
 * @returns undefined when two tokens of the chain are pinned to different ones: nothing is left.
 */
export function pinnedCredential(
  chain: readonly TokenGrant[],
  asked: string | null,
): string | null | undefined {
  let credential = asked;
  for (const grant of chain) {
    if (grant.credential === null) continue;
    if (credential !== null && credential !== grant.credential) return undefined;
    credential = grant.credential;
  }
  return credential;
}

/** Match an id against a pattern, in time linear in their lengths for each `*`. */
export function matchesId(pattern: string, id: string): boolean {
  if (pattern === "*") return true;
  const [head = "", ...rest] = pattern.split("*");
  if (!id.startsWith(head)) return false;
  if (rest.length === 0) return id === head;
  let position = head.length;
  for (const [i, piece] of rest.entries()) {
    const isLast = i === rest.length - 1;
    const found = isLast
      ? Math.max(position, id.length - piece.length)
      : id.indexOf(piece, position);
    if (found < 0 || !id.startsWith(piece, found)) return false;
    // A capability is `provider/name`: a star within a name must not reach into another provider.
    if (id.slice(position, found).includes("/")) return false;
    position = found + piece.length;
  }
  return position === id.length;
}

/** True for a pattern that is worth storing. */
export function isCapabilityPattern(pattern: string): boolean {
  return /^[A-Za-z0-9._/*-]{1,256}$/.test(pattern) && pattern.split("*").length <= 9;
}
