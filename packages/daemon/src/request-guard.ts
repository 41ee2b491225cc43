/**
 * What every request must look like before anything about it is believed. Pure.
 *
 * G14: a web page can make a browser send requests to this machine, and by DNS rebinding under a name
 * of its own. Such a request shows itself by its Host, its Origin or its fetch metadata.
 */

import { Problem } from "./problem.ts";

/** The head of a request, as parsed by Node. */
export interface RequestHead {
  /** `1.1`; or `2`, which no request line can say. */
  readonly httpVersion: string;
  readonly method: string;
  /** The request target, octets as they came. */
  readonly url: string;
  /** Names and values alternating, as they came. */
  readonly rawHeaders: readonly string[];
}

/** Values of Host that name a unix socket of ours. */
export const SOCKET_AUTHORITIES: ReadonlySet<string> = new Set(["aivault", "localhost"]);

/** Headers that decide how a request is read, so that two lines of one could be read two ways. */
const SINGLE = new Set(["host", "content-type", "content-length", "content-encoding", "expect"]);

/**
 * Sent by browsers and by no client of ours. `sec-fetch-mode` alone is not among them: the `fetch` of
 * Node sends it, and a browser never sends it without `sec-fetch-site`.
 */
const BROWSER = new Set(["origin", "sec-fetch-site", "sec-fetch-dest", "sec-fetch-user"]);

/**
 * Decide whether a request may be routed at all.
 *
 * @param authorities - Accepted values of Host, lower-case.
 * @returns null to go on, else what to answer. The message names headers and never their values.
 */
export function guardRequest(
  head: RequestHead,
  authorities: ReadonlySet<string> = SOCKET_AUTHORITIES,
): Problem | null {
  // HTTP/1.0 has no chunked coding and no obligatory Host; HTTP/0.9 has no headers at all.
  if (head.httpVersion !== "1.1" && head.httpVersion !== "2") {
    return invalid("only HTTP/1.1 is spoken here");
  }
  // RFC 9110 §9.3.8: TRACE sends the request back, credentials included.
  if (head.method === "TRACE" || head.method === "CONNECT") {
    return invalid("TRACE and CONNECT are not served");
  }
  // Absolute and asterisk form, RFC 9112 §3.2: this is not a forward proxy.
  if (!head.url.startsWith("/")) return invalid("the request target must begin with `/`");

  const seen = new Set<string>();
  let host: string | undefined;
  for (let i = 0; i < head.rawHeaders.length; i += 2) {
    const name = (head.rawHeaders[i] ?? "").toLowerCase();
    if (BROWSER.has(name)) {
      return new Problem(
        "policy_violation",
        `a request with \`${name}\` comes from a browser page, and none is served`,
      );
    }
    if (!SINGLE.has(name) && !name.startsWith("aivault-")) continue;
    if (seen.has(name)) return invalid(`the header \`${name}\` occurs twice`);
    seen.add(name);
    if (name === "host") host = head.rawHeaders[i + 1] ?? "";
  }
  if (host === undefined) return invalid("the header `host` is missing");
  if (!authorities.has(host.toLowerCase())) {
    return new Problem("policy_violation", "the header `host` names another server than this one");
  }
  return null;
}

function invalid(message: string): Problem {
  return new Problem("invalid_request", message);
}
