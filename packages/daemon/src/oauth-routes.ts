/** Logging in to a provider by OAuth. No route takes or returns a token (G3). */

import {
  OPERATOR_ROUTES as ROUTES,
  type WireOAuthLogin,
  type WireOAuthResult,
} from "@aivault/client/protocol";
import { JSON_BYTES_MAX, parseJson, readJson, VALUE_BYTES_MAX } from "./body.ts";
import { ok, parameter } from "./exchange.ts";
import { partOf, withForm } from "./form.ts";
import { Problem } from "./problem.ts";
import { unknownProvider } from "./provider-catalog.ts";
import { parseQuery } from "./query.ts";
import type { Handler, Route } from "./routes.ts";
import * as schemas from "./schemas.ts";

const NEW_LOGIN = [
  { name: "login", bytesMax: JSON_BYTES_MAX },
  { name: "clientSecret", bytesMax: VALUE_BYTES_MAX, optional: true },
] as const;

const begin: Handler = async (exchange, { engine }) => {
  parseQuery(exchange.query, schemas.noQuery);
  engine.requireUnlocked();
  const body = await withForm(exchange, NEW_LOGIN, async (parts) => {
    const login = parseJson(partOf(parts, "login"), schemas.newOAuthLogin);
    const provider = engine.providers.provider(login.provider);
    if (provider === null) throw unknownProvider();
    const clientSecret = parts.get("clientSecret") ?? null;
    if (clientSecret !== null && login.clientId === undefined) {
      throw new Problem("invalid_request", "a client secret goes with a client id");
    }
    return await engine.logins.begin(provider, login, clientSecret, exchange.signal);
  });
  return { status: 201, body: body satisfies WireOAuthLogin };
};

const complete: Handler = async (exchange, { engine }) => {
  parseQuery(exchange.query, schemas.noQuery);
  engine.requireUnlocked();
  const callback = await readJson(exchange, schemas.oauthCallback);
  const result = await engine.logins.complete(parameter(exchange, "id"), callback, exchange.signal);
  return ok(result satisfies WireOAuthResult);
};

const poll: Handler = async (exchange, { engine }) => {
  parseQuery(exchange.query, schemas.noQuery);
  engine.requireUnlocked();
  const result = await engine.logins.poll(parameter(exchange, "id"), exchange.signal);
  return ok(result satisfies WireOAuthResult);
};

const cancel: Handler = (exchange, { engine }) => {
  parseQuery(exchange.query, schemas.noQuery);
  engine.requireUnlocked();
  const id = parameter(exchange, "id");
  if (!engine.logins.cancel(id)) throw new Problem("not_found", "there is no such login");
  return ok({ id });
};

const ONE = `${ROUTES.oauthLogins}/{id}`;

export const oauthRoutes: readonly Route[] = [
  { method: "POST", path: ROUTES.oauthLogins, handler: begin },
  { method: "POST", path: `${ONE}/callback`, handler: complete },
  { method: "POST", path: `${ONE}/poll`, handler: poll },
  { method: "DELETE", path: ONE, handler: cancel },
];
