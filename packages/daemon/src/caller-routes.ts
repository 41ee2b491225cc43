/** The caller socket: invoke what is granted, and ask what that is. Nothing else exists here (G14). */

import { CALLER_ROUTES, type WireHealth, type WireWhoami } from "@aivault/client/protocol";
import { type Exchange, ok } from "./exchange.ts";
import { Problem } from "./problem.ts";
import { proxy } from "./proxy-route.ts";
import { parseQuery } from "./query.ts";
import type { Handler, Route } from "./routes.ts";
import { listQuery, noQuery } from "./schemas.ts";

const health: Handler = ({ query }, { vault, version }) => {
  parseQuery(query, noQuery);
  return ok({ ok: true, locked: vault.status().locked, version } satisfies WireHealth);
};

const whoami: Handler = ({ query, principal }) => {
  parseQuery(query, noQuery);
  const { kind, transport, uid } = principal;
  return ok({ principal: kind, transport, uid } satisfies WireWhoami);
};

const capabilities: Handler = async ({ query, principal }, services) => {
  parseQuery(query, listQuery);
  return ok({ items: await services.broker().listCapabilities(principal), next: null });
};

const capability: Handler = async (exchange, services) => {
  parseQuery(exchange.query, noQuery);
  return ok(await services.broker().describeCapability(parameter(exchange, "id")));
};

/** What stood in the target at `{name}`. */
export function parameter({ parameters }: Exchange, name: string): string {
  const value = parameters.get(name);
  if (value === undefined) throw new Problem("not_found", `the route has no \`${name}\``);
  return value;
}

/** Routes that both sockets have. */
export const sharedRoutes: readonly Route[] = [
  { method: "POST", path: CALLER_ROUTES.proxy, handler: proxy },
  { method: "GET", path: CALLER_ROUTES.capabilities, handler: capabilities },
  { method: "GET", path: `${CALLER_ROUTES.capabilities}/{id}`, handler: capability },
  { method: "GET", path: CALLER_ROUTES.whoami, handler: whoami },
  { method: "GET", path: CALLER_ROUTES.health, handler: health },
];

/** Everything the caller socket serves. */
export const callerRoutes: readonly Route[] = sharedRoutes;
