/** The operator socket: all of its routes, and the ones that have no better place. */

import {
  PROTOCOL_VERSION,
  OPERATOR_ROUTES as ROUTES,
  type WireSettings,
  type WireStatus,
} from "@aivault/client/protocol";
import { auditRoutes } from "./audit-routes.ts";
import { bindingRoutes } from "./binding-routes.ts";
import { readJson, readOctets, VALUE_BYTES_MAX } from "./body.ts";
import { sharedRoutes } from "./caller-routes.ts";
import { describeVault } from "./describe-vault.ts";
import { ok, parameter, type Reply } from "./exchange.ts";
import { masterRoutes } from "./master-routes.ts";
import { oauthRoutes } from "./oauth-routes.ts";
import { operatorAuthRoutes } from "./operator-auth-routes.ts";
import { policyRoutes } from "./policy-routes.ts";
import { Problem } from "./problem.ts";
import { providerRoutes } from "./provider-routes.ts";
import { parseQuery } from "./query.ts";
import type { Handler, Route } from "./routes.ts";
import * as schemas from "./schemas.ts";
import { secretRoutes } from "./secret-routes.ts";
import type { Services } from "./services.ts";
import { settingsChange } from "./settings.ts";
import { tokenRoutes } from "./token-routes.ts";
import { undoRoutes } from "./undo-routes.ts";

const created = (body: unknown): Reply => ({ status: 201, body });

const status: Handler = async ({ query }, services) => {
  parseQuery(query, schemas.noQuery);
  return ok(await describeStatus(services));
};

/** What `GET /aivault/status` says. */
async function describeStatus(services: Services): Promise<WireStatus> {
  const { vault, version, pid, paths, engine } = services;
  const { root, socket, operatorSocket } = paths;
  return {
    version,
    protocol: PROTOCOL_VERSION,
    pid,
    vault: describeVault(vault),
    operatorPassphrase: vault.status().locked ? null : await engine.operators.isSet(),
    allowedInternal: vault.status().locked
      ? null
      : engine.settings.allowedInternal.map(({ service }) => service),
    setAside: await engine.setAside(),
    paths: { root, socket, operatorSocket },
  };
}

// --- credentials and capabilities

const listCredentials: Handler = async ({ query }, services) => {
  parseQuery(query, schemas.listQuery);
  return ok({ items: await services.engine.broker().listCredentials(), next: null });
};

const createCredential: Handler = async (exchange, services) => {
  parseQuery(exchange.query, schemas.noQuery);
  const broker = services.engine.broker();
  return created(await broker.createCredential(await readJson(exchange, schemas.newCredential)));
};

const deleteCredential: Handler = async (exchange, services) => {
  parseQuery(exchange.query, schemas.noQuery);
  const id = parameter(exchange, "id");
  if (!(await services.engine.broker().deleteCredential(id))) {
    throw new Problem("credential_not_found", "there is no credential with this id", {
      hint: "aivault credential list",
    });
  }
  return ok({ id });
};

const createCapability: Handler = async (exchange, services) => {
  parseQuery(exchange.query, schemas.noQuery);
  const broker = services.engine.broker();
  return created(await broker.createCapability(await readJson(exchange, schemas.newCapability)));
};

const deleteCapability: Handler = async (exchange, services) => {
  parseQuery(exchange.query, schemas.noQuery);
  const id = parameter(exchange, "id");
  if (!(await services.engine.broker().deleteCapability(id))) {
    throw new Problem("capability_not_found", "no operator made a capability with this id", {
      hint: "aivault capability list",
    });
  }
  return ok({ id });
};

// --- settings and the daemon itself

const showSettings: Handler = ({ query }, { engine }) => {
  parseQuery(query, schemas.noQuery);
  engine.requireUnlocked();
  return ok(engine.settings satisfies WireSettings);
};

const updateSettings: Handler = async (exchange, { engine }) => {
  parseQuery(exchange.query, schemas.noQuery);
  engine.requireUnlocked();
  return ok(await engine.changeSettings(await readJson(exchange, settingsChange)));
};

const unlock: Handler = async (exchange, services) => {
  parseQuery(exchange.query, schemas.noQuery);
  const empty = exchange.request.headers["content-length"] === "0";
  const passphrase = empty ? null : await readOctets(exchange, VALUE_BYTES_MAX);
  try {
    await services.engine.unlock(passphrase);
  } finally {
    passphrase?.fill(0);
  }
  return ok({ locked: false });
};

const lock: Handler = async ({ query }, services) => {
  parseQuery(query, schemas.noQuery);
  await services.engine.lock("operator");
  return ok({ locked: true });
};

const shutdown: Handler = ({ query }, services) => {
  parseQuery(query, schemas.noQuery);
  services.shutdown();
  return { status: 202, body: {} };
};

const showMetrics: Handler = async (exchange, { metrics, vault, engine }) => {
  parseQuery(exchange.query, schemas.noQuery);
  const { response } = exchange;
  const { invocationsRunning } = engine;
  const text = metrics.render({ locked: vault.status().locked, invocationsRunning });
  response.writeHead(200, {
    "content-type": "text/plain; version=0.0.4; charset=utf-8",
    "cache-control": "no-store",
  });
  response.end(text);
  return null;
};

/** Everything the operator socket serves. */
export const operatorRoutes: readonly Route[] = [
  ...sharedRoutes,
  { method: "GET", path: ROUTES.status, handler: status, open: true },
  ...secretRoutes,
  { method: "GET", path: ROUTES.credentials, handler: listCredentials },
  { method: "POST", path: ROUTES.credentials, handler: createCredential },
  { method: "DELETE", path: `${ROUTES.credentials}/{id}`, handler: deleteCredential },
  { method: "POST", path: ROUTES.capabilities, handler: createCapability },
  { method: "DELETE", path: `${ROUTES.capabilities}/{id}`, handler: deleteCapability },
  ...policyRoutes,
  ...bindingRoutes,
  ...providerRoutes,
  ...oauthRoutes,
  ...undoRoutes,
  ...tokenRoutes,
  ...auditRoutes,
  { method: "GET", path: ROUTES.settings, handler: showSettings },
  { method: "PATCH", path: ROUTES.settings, handler: updateSettings },
  { method: "PUT", path: ROUTES.settings, handler: updateSettings },
  ...masterRoutes,
  ...operatorAuthRoutes,
  { method: "GET", path: ROUTES.metrics, handler: showMetrics, open: true },
  // Whoever could not do these could still end the process, or knows the passphrase.
  { method: "POST", path: ROUTES.lock, handler: lock, open: true },
  { method: "POST", path: ROUTES.unlock, handler: unlock, open: true },
  { method: "POST", path: ROUTES.shutdown, handler: shutdown, open: true },
];
