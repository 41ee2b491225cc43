import { type HostPattern, hostMatches, parseHost, parseHostPattern } from "./host.ts";
import { accept, forbid, invalid, quote, type Result } from "./result.ts";
import { parseTarget } from "./target.ts";

/** An operator's URL (an OAuth token endpoint), taken apart. Always https. */
export interface EndpointUrl {
  readonly host: string;
  readonly port: 443;
  /** Canonical, begins with `/`. */
  readonly path: string;
  /** Without `?`. */
  readonly query: string;
}

const URL_CHARS_MAX = 4096;
const SCHEME = "https://";

/**
 * Read an operator's URL.
 *
 * Stricter than a URL parser, which repairs: printable ASCII, `https://` with both slashes, no user, no
 * fragment, no backslash, port 443 or none, and a host that is allowed.
 *
 * @param allowHosts - Hosts or wildcards.
 * @returns `host_not_allowed`, or `invalid_request` for anything that is not such a URL.
 */
export function parseEndpointUrl(text: string, allowHosts: readonly string[]): Result<EndpointUrl> {
  if (text.length > URL_CHARS_MAX) return invalid("the URL is too long");
  if (!/^[!-~]+$/.test(text) || text.includes("\\")) {
    return invalid("the URL is empty or has characters other than printable ASCII");
  }
  if (text.slice(0, SCHEME.length).toLowerCase() !== SCHEME) {
    return invalid("the URL must begin with `https://`");
  }
  if (text.includes("#")) return invalid("the URL must not have a fragment");
  const rest = text.slice(SCHEME.length);
  const end = rest.search(/[/?]/);
  const authority = end === -1 ? rest : rest.slice(0, end);
  if (authority.includes("@")) return invalid("the URL must not name a user");
  const host = parseHost(authority.endsWith(":443") ? authority.slice(0, -4) : authority);
  if (!host.ok) return host;
  if (!allowHosts.some((allowed) => covers(allowed, host.value))) {
    return forbid("host_not_allowed", `the host ${quote(host.value)} of the URL is not allowed`);
  }
  const tail = end === -1 ? "/" : rest.slice(end);
  const target = parseTarget(tail.startsWith("?") ? `/${tail}` : tail);
  if (!target.ok) return target;
  return accept({ host: host.value, port: 443, ...target.value });
}

function covers(allowed: string, host: string): boolean {
  const pattern: Result<HostPattern> = parseHostPattern(allowed);
  return pattern.ok && hostMatches(pattern.value, host);
}
