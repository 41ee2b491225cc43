/** What is demanded of a capability, on the operator socket. */

import type { CapabilityPolicy } from "@aivault/broker";
import { OPERATOR_ROUTES as ROUTES, type WirePolicy } from "@aivault/client/protocol";
import { readJson } from "./body.ts";
import { ok, parameter } from "./exchange.ts";
import { Problem } from "./problem.ts";
import { parseQuery } from "./query.ts";
import type { Handler, Route } from "./routes.ts";
import { noQuery, policy } from "./schemas.ts";

const showPolicy: Handler = async (exchange, { engine }) => {
  parseQuery(exchange.query, noQuery);
  const id = parameter(exchange, "id");
  const broker = engine.broker();
  await broker.describeCapability(id);
  return ok(((await broker.getPolicy(id)) ?? {}) satisfies WirePolicy);
};

const setPolicy: Handler = async (exchange, { engine }) => {
  parseQuery(exchange.query, noQuery);
  const demands: CapabilityPolicy = await readJson(exchange, policy);
  return ok(await engine.broker().setPolicy(parameter(exchange, "id"), demands));
};

const deletePolicy: Handler = async (exchange, { engine }) => {
  parseQuery(exchange.query, noQuery);
  const id = parameter(exchange, "id");
  if (!(await engine.broker().deletePolicy(id))) {
    throw new Problem("not_found", "nothing is demanded of a capability with this id");
  }
  return ok({ id });
};

const PATH = `${ROUTES.capabilities}/{id}/policy`;

export const policyRoutes: readonly Route[] = [
  { method: "GET", path: PATH, handler: showPolicy },
  { method: "PUT", path: PATH, handler: setPolicy },
  { method: "DELETE", path: PATH, handler: deletePolicy },
];
