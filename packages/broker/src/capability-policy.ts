import { parseHost } from "@aivault/policy";
import type { TokenGrant, UseLimits } from "./context.ts";
import { BrokerError } from "./errors.ts";
import { invalidShape, readArray, readCount, readMembers, readString } from "./shape.ts";

/** What an operator demands of one capability: a sealed document of kind `policy` with its id. */
export interface CapabilityPolicy extends UseLimits {
  /** Names of JSON members whose values callers do not get to see, at any depth. */
  readonly responseBlock?: readonly string[];
  /** Redirects are followed, each decided about from the start. Default: the caller gets the redirect. */
  readonly followRedirects?: boolean;
  /** Further hosts that redirects may lead to, always without credential. */
  readonly redirectHosts?: readonly string[];
}

const COUNTS = [
  "requestsPerMinute",
  "concurrency",
  "requestBytesMax",
  "responseBytesMax",
  "totalMs",
  "idleMs",
] as const;

/**
 * Reads the document.
 *
 * @throws {BrokerError} `invalid_request`, naming the member.
 */
export function parseCapabilityPolicy(json: unknown): CapabilityPolicy {
  const members = readMembers(json, "the policy", [
    ...COUNTS,
    "responseBlock",
    "followRedirects",
    "redirectHosts",
  ]);
  const policy: Record<string, number | boolean | readonly string[]> = {};
  for (const name of COUNTS) {
    if (!members.has(name)) continue;
    // A deadline of 0 would mean none to the upstream, so it has to be at least 1.
    policy[name] = readCount(members.get(name), name, name.endsWith("Ms") ? 1 : 0);
  }
  if (members.has("responseBlock")) {
    policy["responseBlock"] = readArray(
      members.get("responseBlock"),
      "responseBlock",
      (item, what) => readString(item, what, 128),
    );
  }
  if (members.has("followRedirects")) {
    const follows = members.get("followRedirects");
    if (typeof follows !== "boolean") throw invalidShape("followRedirects", "true or false");
    policy["followRedirects"] = follows;
  }
  if (members.has("redirectHosts")) {
    policy["redirectHosts"] = readArray(members.get("redirectHosts"), "redirectHosts", readHost);
  }
  return policy;
}

function readHost(json: unknown, what: string): string {
  const host = parseHost(readString(json, what, 253));
  if (!host.ok) throw new BrokerError("invalid_request", `${what}: ${host.message}`);
  return host.value;
}

/** The least of what the policy and the tokens allow, for each limit that is about one exchange. */
export function exchangeLimits(
  policy: CapabilityPolicy,
  grants: readonly TokenGrant[],
): Pick<UseLimits, "requestBytesMax" | "responseBytesMax" | "totalMs" | "idleMs"> {
  const all = [policy, ...grants.flatMap(({ limits }) => (limits === undefined ? [] : [limits]))];
  const least = (name: keyof UseLimits) => {
    const given = all.flatMap((limits) => limits[name] ?? []);
    return given.length === 0 ? {} : { [name]: Math.min(...given) };
  };
  return {
    ...least("requestBytesMax"),
    ...least("responseBytesMax"),
    ...least("totalMs"),
    ...least("idleMs"),
  };
}
