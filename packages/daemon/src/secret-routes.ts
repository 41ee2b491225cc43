/**
 * Secrets, on the operator socket. No route returns a value (G3), and a value arrives as octets in a
 * buffer that is wiped, never inside JSON and never as a string (G23).
 */

import {
  OPERATOR_ROUTES as ROUTES,
  type WireDependants,
  type WireSecretVerified,
} from "@aivault/client/protocol";
import type { Scope, SecretMetadata } from "@aivault/vault-core";
import type * as z from "zod";
import { JSON_BYTES_MAX, parseJson, readJson, readOctets, VALUE_BYTES_MAX } from "./body.ts";
import { requireConfirmation } from "./confirmations.ts";
import { ok, parameter } from "./exchange.ts";
import { partOf, withForm } from "./form.ts";
import { Problem } from "./problem.ts";
import { parseQuery } from "./query.ts";
import type { Handler, Route } from "./routes.ts";
import * as schemas from "./schemas.ts";
import type { Services } from "./services.ts";
import { verifySecret } from "./verify-secret.ts";

const listSecrets: Handler = async ({ query }, { vault }) => {
  const { after, limit, includeDeleted, ...where } = parseQuery(query, schemas.secretsQuery);
  const scope = scopeOf(where);
  return ok(
    await vault.listSecrets({
      ...(after === undefined ? {} : { after }),
      ...(limit === undefined ? {} : { limit }),
      ...(scope === null ? {} : { scope }),
      includeDeleted: includeDeleted === "true",
    }),
  );
};

function scopeOf({ scope, ...ids }: Omit<z.output<typeof schemas.secretsQuery>, "after">) {
  if (scope === undefined) {
    if (Object.values(ids).some((value) => value !== undefined)) {
      throw new Problem("invalid_request", "`workspaceId` and `groupId` go with `scope`");
    }
    return null;
  }
  const { workspaceId, groupId } = ids as { workspaceId?: string; groupId?: string };
  const members = {
    kind: scope,
    ...(workspaceId === undefined ? {} : { workspaceId }),
    ...(groupId === undefined ? {} : { groupId }),
  };
  const parsed = schemas.scope.safeParse(members);
  if (!parsed.success) {
    throw new Problem("invalid_request", `\`scope=${scope}\` goes with other ids than these`);
  }
  return parsed.data satisfies Scope;
}

const NEW_SECRET = [
  { name: "secret", bytesMax: JSON_BYTES_MAX },
  { name: "value", bytesMax: VALUE_BYTES_MAX },
] as const;

const createSecret: Handler = async (exchange, services) => {
  parseQuery(exchange.query, schemas.noQuery);
  const broker = services.engine.broker();
  const body = await withForm(exchange, NEW_SECRET, async (parts) => {
    const secret = parseJson(partOf(parts, "secret"), schemas.newSecret);
    const value = partOf(parts, "value");
    requireValue(value);
    return await broker.createSecret({ ...secret, value });
  });
  return { status: 201, body };
};

function requireValue(value: Uint8Array): void {
  if (value.length === 0) throw new Problem("invalid_request", "the value is empty");
}

/** The secret that a request names, by id or by its global name. */
function named(exchange: Parameters<Handler>[0], services: Services): Promise<SecretMetadata> {
  return services.engine.broker().findSecret(parameter(exchange, "id"));
}

const describeSecret: Handler = async (exchange, services) => {
  parseQuery(exchange.query, schemas.noQuery);
  return ok(await named(exchange, services));
};

const updateSecret: Handler = async (exchange, services) => {
  parseQuery(exchange.query, schemas.noQuery);
  const broker = services.engine.broker();
  const change = await readJson(exchange, schemas.secretChange);
  const { secretId } = await named(exchange, services);
  return ok((await broker.updateSecret(secretId, change)).secret);
};

const rotateSecret: Handler = async (exchange, services) => {
  parseQuery(exchange.query, schemas.noQuery);
  const broker = services.engine.broker();
  const value = await readOctets(exchange, VALUE_BYTES_MAX);
  try {
    requireValue(value);
    const { secretId } = await named(exchange, services);
    return ok(await broker.rotateSecret(secretId, value));
  } finally {
    value.fill(0);
  }
};

const deleteSecret: Handler = async (exchange, services) => {
  parseQuery(exchange.query, schemas.noQuery);
  const secret = await named(exchange, services);
  const says =
    `the value of ${nameOf(secret)} is destroyed and cannot be brought back; ` +
    (await whatStops(secret, services));
  await requireConfirmation(exchange, services, "secret.delete", says);
  return ok(await services.engine.broker().deleteSecret(secret.secretId));
};

const purgeSecret: Handler = async (exchange, services) => {
  parseQuery(exchange.query, schemas.noQuery);
  const { vault } = services;
  const secret = await named(exchange, services);
  const says =
    `${nameOf(secret)} is destroyed, and that it existed is forgotten by everything but the audit ` +
    `log; ${await whatStops(secret, services)}`;
  await requireConfirmation(exchange, services, "secret.purge", says);
  const { secretId, deletedAtMs } = secret;
  const deleted =
    deletedAtMs === null
      ? await services.engine.broker().deleteSecret(secretId)
      : { secret, dependants: [] };
  await vault.transaction(async (tx) => {
    await vault.audit.append({ kind: "secret.purged", secretId });
    await tx.purgeSecret(secretId);
  });
  return ok(deleted);
};

function nameOf({ name, secretId }: SecretMetadata): string {
  return `\`${name}\` (${secretId})`;
}

async function whatStops(secret: SecretMetadata, services: Services): Promise<string> {
  const { credentials, bindings } = await dependantsOf(secret, services);
  const all = [
    ...credentials.map((id) => `credential ${id}`),
    ...bindings.map((id) => `binding ${id}`),
  ];
  return all.length === 0 ? "nothing depends on it" : `this stops working: ${all.join(", ")}`;
}

async function dependantsOf(
  { secretId }: SecretMetadata,
  { engine }: Services,
): Promise<WireDependants> {
  const broker = engine.broker();
  const credentials = (await broker.listCredentials()).filter(({ secrets }) =>
    Object.values(secrets).includes(secretId),
  );
  const providers = new Set(credentials.map(({ provider }) => provider));
  const operator = { kind: "operator", transport: "unix", uid: null, pid: null } as const;
  const capabilities = (await broker.listCapabilities(operator)).filter(
    ({ ready, provider }) => ready && providers.has(provider),
  );
  const ids = new Set(credentials.map(({ id }) => id));
  const bindings = (await broker.listBindings()).filter(
    ({ secret, credential }) => secret === secretId || (credential !== null && ids.has(credential)),
  );
  return {
    credentials: credentials.map(({ id }) => id),
    capabilities: capabilities.map(({ id }) => id),
    bindings: bindings.map(({ id }) => id),
  };
}

const showDependants: Handler = async (exchange, services) => {
  parseQuery(exchange.query, schemas.noQuery);
  return ok(await dependantsOf(await named(exchange, services), services));
};

const attachSecret: Handler = async (exchange, services) => {
  parseQuery(exchange.query, schemas.noQuery);
  const group = await readJson(exchange, schemas.group);
  const { secretId } = await named(exchange, services);
  return ok(await services.engine.broker().attachSecret(secretId, group));
};

const detachSecret: Handler = async (exchange, services) => {
  parseQuery(exchange.query, schemas.noQuery);
  const group = await readJson(exchange, schemas.group);
  const { secretId } = await named(exchange, services);
  return ok(await services.engine.broker().detachSecret(secretId, group));
};

const verify: Handler = async (exchange, services) => {
  parseQuery(exchange.query, schemas.noQuery);
  const secret = await named(exchange, services);
  return ok((await verifySecret(exchange, services, secret)) satisfies WireSecretVerified);
};

const ONE = `${ROUTES.secrets}/{id}`;

export const secretRoutes: readonly Route[] = [
  { method: "GET", path: ROUTES.secrets, handler: listSecrets },
  { method: "POST", path: ROUTES.secrets, handler: createSecret },
  { method: "GET", path: ONE, handler: describeSecret },
  { method: "PATCH", path: ONE, handler: updateSecret },
  { method: "PUT", path: `${ONE}/value`, handler: rotateSecret },
  { method: "DELETE", path: ONE, handler: deleteSecret },
  { method: "POST", path: `${ONE}/purge`, handler: purgeSecret },
  { method: "GET", path: `${ONE}/dependants`, handler: showDependants },
  { method: "POST", path: `${ONE}/attach`, handler: attachSecret },
  { method: "POST", path: `${ONE}/detach`, handler: detachSecret },
  { method: "POST", path: `${ONE}/verify`, handler: verify },
];
