/** Providers on the operator socket: the registry's are shown, an operator's own come and go. */

import {
  OPERATOR_ROUTES as ROUTES,
  type WireClaim,
  type WirePage,
  type WireProvider,
  type WireProviders,
} from "@aivault/client/protocol";
import type { Provider } from "@aivault/registry";
import { readJson } from "./body.ts";
import { requireConfirmation } from "./confirmations.ts";
import { ok, parameter } from "./exchange.ts";
import { Problem } from "./problem.ts";
import { type ProviderCatalog, unknownProvider } from "./provider-catalog.ts";
import { parseQuery } from "./query.ts";
import type { Handler, Route } from "./routes.ts";
import * as schemas from "./schemas.ts";

const listProviders: Handler = ({ query }, { engine }) => {
  parseQuery(query, schemas.listQuery);
  engine.requireUnlocked();
  const { providers, digest } = engine.providers;
  const items = providers.map((provider) => {
    const { id, name, category, hosts, origin } = show(provider, engine.providers);
    return { id, name, category, hosts, origin };
  });
  return ok({ items, next: null, registryDigest: digest } satisfies WireProviders);
};

const describeProvider: Handler = (exchange, { engine }) => {
  parseQuery(exchange.query, schemas.noQuery);
  engine.requireUnlocked();
  const provider = engine.providers.provider(parameter(exchange, "id"));
  if (provider === null) throw unknownProvider();
  return ok(show(provider, engine.providers));
};

/** Which provider claims a name, and what such a secret looks like. */
const listClaims: Handler = async (exchange, { engine }) => {
  parseQuery(exchange.query, schemas.noQuery);
  engine.requireUnlocked();
  const { names } = await readJson(exchange, schemas.secretNames);
  const items = names.flatMap((name): readonly WireClaim[] => {
    const claim = engine.providers.claimOf(name);
    if (claim === null) return [];
    const { description, example, pattern, opaque = false } = claim.secret;
    const provider = claim.provider.id;
    return [{ name, provider, description, example, pattern, opaque }];
  });
  return ok({ items, next: null } satisfies WirePage<WireClaim>);
};

const addProvider: Handler = async (exchange, { engine }) => {
  parseQuery(exchange.query, schemas.noQuery);
  engine.requireUnlocked();
  const definition = await readJson(exchange, schemas.provider);
  const provider = await engine.providers.add(definition, exchange.principal.uid);
  return { status: 201, body: show(provider, engine.providers) };
};

const removeProvider: Handler = async (exchange, services) => {
  parseQuery(exchange.query, schemas.noQuery);
  const { engine } = services;
  const id = parameter(exchange, "id");
  const provider = engine.providers.provider(id);
  if (provider === null) throw unknownProvider();
  if (engine.providers.isBuiltin(id)) throw new Problem("conflict", `\`${id}\` is built in`);
  const users = (await engine.broker().listCredentials()).filter((each) => each.provider === id);
  if (users.length > 0) {
    const ids = users.map((each) => each.id).join(", ");
    throw new Problem("conflict", `these credentials use \`${id}\`: ${ids}; delete them first`, {
      hint: "aivault credential delete",
    });
  }
  const says =
    `the provider \`${id}\` and its ${provider.capabilities.length} capabilities are removed; ` +
    "secrets that are pinned to it can be used for nothing else";
  await requireConfirmation(exchange, services, "provider.delete", says);
  await engine.providers.remove(id, exchange.principal.uid);
  return ok({ id });
};

function show(provider: Provider, catalog: ProviderCatalog): WireProvider {
  return { ...provider, origin: catalog.isBuiltin(provider.id) ? "registry" : "operator" };
}

const ONE = `${ROUTES.providers}/{id}`;

export const providerRoutes: readonly Route[] = [
  { method: "GET", path: ROUTES.providers, handler: listProviders },
  { method: "POST", path: ROUTES.providers, handler: addProvider },
  { method: "POST", path: `${ROUTES.providers}/claims`, handler: listClaims },
  { method: "GET", path: ONE, handler: describeProvider },
  { method: "DELETE", path: ONE, handler: removeProvider },
];
