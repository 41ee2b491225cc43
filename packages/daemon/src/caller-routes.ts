/** The caller socket: invoke what is granted, and ask what that is. Nothing else exists here (G14). */

import { CALLER_ROUTES, type WireHealth, type WireWhoami } from "@aivault/client/protocol";
import { admit } from "./admission.ts";
import { ok, parameter } from "./exchange.ts";
import { Problem } from "./problem.ts";
import { proxy } from "./proxy-route.ts";
import { parseQuery } from "./query.ts";
import type { Handler, Route } from "./routes.ts";
import { listQuery, noQuery } from "./schemas.ts";
import { mint } from "./token-routes.ts";
import { checkGrant } from "./tokens/grant.ts";
import { invocationContext } from "./tokens/invocation-context.ts";
import { showToken } from "./tokens/token-record.ts";
import type { TokenChain } from "./tokens/token-store.ts";
import { websocket } from "./websocket/websocket-route.ts";

const health: Handler = ({ query }, { engine, version }) => {
  parseQuery(query, noQuery);
  return ok({ ok: true, locked: engine.locked, version } satisfies WireHealth);
};

const whoami: Handler = async (exchange, services) => {
  parseQuery(exchange.query, noQuery);
  // Also while locked, for whoever brings no token: it says nothing that the vault holds.
  const chain = services.engine.locked ? null : await admit(exchange, services);
  const { kind, transport, uid } = exchange.principal;
  const token = chain === null ? {} : { token: showToken(chain[0]) };
  return ok({ principal: kind, transport, uid, ...token } satisfies WireWhoami);
};

const capabilities: Handler = async (exchange, services) => {
  parseQuery(exchange.query, listQuery);
  const chain = await admit(exchange, services);
  const context = invocationContext(chain);
  const items = await services.engine.broker().listCapabilities(exchange.principal, context);
  return ok({ items, next: null });
};

const capability: Handler = async (exchange, services) => {
  parseQuery(exchange.query, noQuery);
  const chain = await admit(exchange, services);
  const id = parameter(exchange, "id");
  // What a token does not grant is as unknown to its holder as what does not exist.
  if (!isGranted(chain, id)) {
    throw new Problem("capability_not_found", "there is no such capability for this token");
  }
  return ok(await services.engine.broker().describeCapability(id));
};

function isGranted(chain: TokenChain | null, capability: string): boolean {
  const attempt = { capability, credential: null };
  return chain === null || chain.every((token) => checkGrant(token, attempt) === null);
}

/** Derive a token that allows less, for a child: whatever it says, the ones above limit it too. */
const deriveToken: Handler = async (exchange, services) => {
  parseQuery(exchange.query, noQuery);
  const chain = await admit(exchange, services);
  if (chain === null) {
    throw new Problem("token_invalid", "a token is derived from a token: send yours");
  }
  return await mint(exchange, services, chain);
};

/** Routes that both sockets have. */
export const sharedRoutes: readonly Route[] = [
  { method: "POST", path: CALLER_ROUTES.proxy, handler: proxy },
  { method: "GET", path: CALLER_ROUTES.capabilities, handler: capabilities },
  { method: "GET", path: `${CALLER_ROUTES.capabilities}/{id}`, handler: capability },
  { method: "GET", path: CALLER_ROUTES.whoami, handler: whoami, open: true },
  { method: "GET", path: CALLER_ROUTES.health, handler: health, open: true },
];

/** Everything the caller socket serves. */
export const callerRoutes: readonly Route[] = [
  ...sharedRoutes,
  { method: "POST", path: CALLER_ROUTES.tokenDerive, handler: deriveToken },
  { method: "GET", path: CALLER_ROUTES.websocket, handler: websocket },
];
