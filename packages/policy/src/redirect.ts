import { type EndpointUrl, parseEndpointUrl } from "./endpoint-url.ts";
import { accept, forbid, invalid, type Result } from "./result.ts";

/** Where a request went that was answered with a redirect. */
export interface RedirectBase {
  /** Canonical. */
  readonly host: string;
  readonly port: number;
  /** Canonical, without query. */
  readonly path: string;
}

/** Where a redirect leads, as far as its authority goes; the target has yet to be decided about. */
export interface RedirectTarget {
  readonly host: string;
  readonly port: number;
  /** False once host or port differ: a credential must not go there. */
  readonly sameOrigin: boolean;
  /** Path and query as written: {@link parseTarget} and the rules have not seen them. */
  readonly target: string;
}

const LOCATION_CHARS_MAX = 16_384;

/** Tells whether a status sends one elsewhere for the same thing (RFC 9110 section 15.4). */
export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

/** The method after a redirect: 303, and 301 or 302 after POST, make a GET without body of it. */
export function redirectedMethod(status: number, method: string): string {
  if (status === 303) return method === "HEAD" ? method : "GET";
  return (status === 301 || status === 302) && method === "POST" ? "GET" : method;
}

/**
 * Read a `location` value, strictly: what two parsers could take for different hosts is refused.
 *
 * G8: only https, only the port that was called or 443, only the host that was called or one of
 * `allowHosts`. No URL object is built, and nothing is repaired.
 *
 * @param location - Undecoded, one character per octet.
 * @returns `host_not_allowed`, or `invalid_request` for what is not such a location.
 * @see RFC 3986 section 5.2
 */
export function parseRedirect(
  location: string,
  base: RedirectBase,
  allowHosts: readonly string[] = [],
): Result<RedirectTarget> {
  if (location.length > LOCATION_CHARS_MAX) return invalid("the location is too long");
  if (!/^[!-~]+$/.test(location) || location.includes("\\")) {
    return invalid("the location is empty or has characters other than printable ASCII");
  }
  const fragment = location.indexOf("#");
  const reference = fragment === -1 ? location : location.slice(0, fragment);
  const stay = (target: string): Result<RedirectTarget> =>
    accept({ host: base.host, port: base.port, sameOrigin: true, target });
  if (reference.startsWith("//")) return absolute(`https:${reference}`, base, allowHosts);
  if (/^[a-z][a-z0-9+.-]*:/i.test(reference)) return absolute(reference, base, allowHosts);
  if (reference.startsWith("/")) return stay(reference);
  if (reference === "") return invalid("the location is only a fragment");
  if (reference.startsWith("?")) return stay(base.path + reference);
  return stay(merge(base.path, reference));
}

function absolute(
  text: string,
  base: RedirectBase,
  allowHosts: readonly string[],
): Result<RedirectTarget> {
  const authority = base.host.includes(":") ? `[${base.host}]` : base.host;
  // Another port than 443 is followed only where it is the one that was called.
  const own = /^https:\/\/([^/?]*)(.*)/i.exec(text);
  if (own?.[1]?.toLowerCase() === `${authority}:${base.port}`) {
    const target = own[2] === "" || own[2]?.startsWith("?") ? `/${own[2]}` : (own[2] as string);
    return accept({ host: base.host, port: base.port, sameOrigin: true, target });
  }
  const url: Result<EndpointUrl> = parseEndpointUrl(text, [base.host, ...allowHosts]);
  if (!url.ok) {
    return url.code === "invalid_request" ? forbid("host_not_allowed", url.message) : url;
  }
  const { host, port, path, query } = url.value;
  return accept({
    host,
    port,
    sameOrigin: host === base.host && port === base.port,
    target: query === "" ? path : `${path}?${query}`,
  });
}

/** RFC 3986 sections 5.2.3 and 5.2.4, for a relative path. Encoded dots are left for the target's rules. */
function merge(basePath: string, reference: string): string {
  const mark = reference.indexOf("?");
  const path = mark === -1 ? reference : reference.slice(0, mark);
  const segments = basePath.split("/").slice(1, -1);
  const parts = path.split("/");
  for (const [index, part] of parts.entries()) {
    const isLast = index === parts.length - 1;
    if (part === "..") segments.pop();
    else if (part !== ".") segments.push(part);
    if (isLast && (part === "." || part === "..")) segments.push("");
  }
  return `/${segments.join("/")}${mark === -1 ? "" : reference.slice(mark)}`;
}
