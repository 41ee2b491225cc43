/** The operator passphrase and its sessions. */

import {
  REQUEST_HEADERS,
  OPERATOR_ROUTES as ROUTES,
  type WireOperatorPassphrase,
  type WireOperatorSession,
} from "@aivault/client/protocol";
import { VALUE_BYTES_MAX } from "./body.ts";
import { requireConfirmation } from "./confirmations.ts";
import { ok } from "./exchange.ts";
import { partOf, withForm } from "./form.ts";
import { parseQuery } from "./query.ts";
import type { Handler, Route } from "./routes.ts";
import { noQuery } from "./schemas.ts";

const LOGIN = [{ name: "passphrase", bytesMax: VALUE_BYTES_MAX }];

const login: Handler = async (exchange, { engine }) => {
  parseQuery(exchange.query, noQuery);
  engine.requireUnlocked();
  return await withForm(exchange, LOGIN, async (parts) => {
    const session = await engine.operators.login(partOf(parts, "passphrase"), exchange.principal);
    return ok(session satisfies WireOperatorSession);
  });
};

const logout: Handler = async (exchange, { engine }) => {
  parseQuery(exchange.query, noQuery);
  engine.requireUnlocked();
  const session = exchange.request.headers[REQUEST_HEADERS.operatorSession];
  if (typeof session === "string") await engine.operators.logout(session, exchange.principal);
  return ok({});
};

const CHANGE = [
  { name: "current", bytesMax: VALUE_BYTES_MAX, optional: true },
  { name: "new", bytesMax: VALUE_BYTES_MAX, optional: true },
];

/** Set, change or remove. It asks for the passphrase itself, so a session is not needed. */
const changePassphrase: Handler = async (exchange, services) => {
  parseQuery(exchange.query, noQuery);
  const { engine } = services;
  engine.requireUnlocked();
  return await withForm(exchange, CHANGE, async (parts) => {
    const next = parts.get("new") ?? null;
    if (next === null) {
      const says =
        "the operator passphrase is removed: whoever runs as this account is an operator";
      await requireConfirmation(exchange, services, "operator.passphrase.remove", says);
    }
    const current = parts.get("current") ?? null;
    const set = await engine.operators.change(current, next, exchange.principal);
    return ok({ set } satisfies WireOperatorPassphrase);
  });
};

export const operatorAuthRoutes: readonly Route[] = [
  { method: "POST", path: ROUTES.operatorLogin, handler: login, open: true },
  { method: "POST", path: ROUTES.operatorLogout, handler: logout, open: true },
  { method: "POST", path: ROUTES.operatorPassphrase, handler: changePassphrase, open: true },
];
