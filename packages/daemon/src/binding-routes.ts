/** Who uses which credential for what, on the operator socket. */

import type { BindingView } from "@aivault/broker";
import { OPERATOR_ROUTES as ROUTES, type WireBinding } from "@aivault/client/protocol";
import { systemRandom } from "@aivault/vault-core/node";
import { readJson } from "./body.ts";
import { ok, parameter } from "./exchange.ts";
import { Problem } from "./problem.ts";
import { parseQuery } from "./query.ts";
import type { Handler, Route } from "./routes.ts";
import { listQuery, newBinding, noQuery } from "./schemas.ts";

const ID_BYTES = 8;

const listBindings: Handler = async ({ query }, { engine }) => {
  parseQuery(query, listQuery);
  return ok({ items: (await engine.broker().listBindings()).map(show), next: null });
};

const createBinding: Handler = async (exchange, { engine }) => {
  parseQuery(exchange.query, noQuery);
  const broker = engine.broker();
  const { id = `binding-${Buffer.from(systemRandom(ID_BYTES)).toString("hex")}`, ...input } =
    await readJson(exchange, newBinding);
  return { status: 201, body: show(await broker.createBinding({ id, ...input })) };
};

const deleteBinding: Handler = async (exchange, { engine }) => {
  parseQuery(exchange.query, noQuery);
  const id = parameter(exchange, "id");
  if (!(await engine.broker().deleteBinding(id))) {
    throw new Problem("not_found", "there is no binding with this id", {
      hint: "aivault binding list",
    });
  }
  return ok({ id });
};

function show({ secret, ...binding }: BindingView): WireBinding {
  return { ...binding, secretId: secret };
}

export const bindingRoutes: readonly Route[] = [
  { method: "GET", path: ROUTES.bindings, handler: listBindings },
  { method: "POST", path: ROUTES.bindings, handler: createBinding },
  { method: "DELETE", path: `${ROUTES.bindings}/{id}`, handler: deleteBinding },
];
