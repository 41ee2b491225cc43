/**
 * Which handler a method and a path lead to: one table per socket, matched exactly. D1: a route that
 * is not in a socket's table does not exist there.
 */

import type { Exchange, Reply } from "./exchange.ts";
import { Problem } from "./problem.ts";
import type { Services } from "./services.ts";

/**
 * Serve a request: return a reply, or null when the response was sent in another way. Anything thrown
 * becomes a problem.
 */
export type Handler = (exchange: Exchange, services: Services) => Promise<Reply | null> | Reply;

export interface Route {
  readonly method: string;
  /** Segments after `/aivault`; `{name}` takes one segment, percent-decoded. */
  readonly path: string;
  readonly handler: Handler;
  /**
   * On the operator socket: works without an operator session, because it says nothing that is secret
   * and lets nobody do anything, or is how one gets a session. Default false.
   */
  readonly open?: boolean;
}

export interface RouteMatch {
  readonly route: Route;
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * Find the route of a request.
 *
 * Octet for octet: no decoding, no case folding, no merging of slashes, no trailing slash. What
 * almost matches is unknown.
 *
 * @param path - The target without its query.
 */
export function matchRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): RouteMatch | null {
  const literal = literalRoutes.get(routes) ?? findLiteralRoutes(routes);
  return literal.get(`${method} ${path}`) ?? searchRoute(routes, method, path);
}

const literalRoutes = new WeakMap<readonly Route[], ReadonlyMap<string, RouteMatch>>();

/** What the paths lead to in which nothing varies, by method and path. */
function findLiteralRoutes(routes: readonly Route[]): ReadonlyMap<string, RouteMatch> {
  const found = new Map<string, RouteMatch>();
  for (const { method, path } of routes) {
    const match = path.includes("{") ? null : searchRoute(routes, method, path);
    if (match !== null) found.set(`${method} ${path}`, match);
  }
  literalRoutes.set(routes, found);
  return found;
}

function searchRoute(routes: readonly Route[], method: string, path: string): RouteMatch | null {
  const segments = path.split("/");
  for (const route of routes) {
    if (route.method !== method) continue;
    const parameters = matchSegments(route.path.split("/"), segments);
    if (parameters !== null) return { route, parameters };
  }
  return null;
}

function matchSegments(
  pattern: readonly string[],
  segments: readonly string[],
): Map<string, string> | null {
  if (pattern.length !== segments.length) return null;
  const parameters = new Map<string, string>();
  for (const [i, expected] of pattern.entries()) {
    const segment = segments[i] ?? "";
    if (!expected.startsWith("{")) {
      if (segment !== expected) return null;
      continue;
    }
    const value = decodeSegment(segment);
    if (value === null) return null;
    parameters.set(expected.slice(1, -1), value);
  }
  return parameters;
}

function decodeSegment(segment: string): string | null {
  if (segment === "") return null;
  try {
    return decodeURIComponent(segment);
  } catch {
    return null;
  }
}

/** The answer to a request that leads nowhere, whatever the reason. */
export function unknownRoute(): Problem {
  return new Problem("not_found", "this socket has no such route");
}
