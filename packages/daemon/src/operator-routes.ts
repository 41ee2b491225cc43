/**
 * The operator socket: create, list, change and delete. No route returns a value (G3), and a value
 * arrives as octets in a buffer that is wiped, never inside JSON and never as a string (G23).
 */

import {
  PROTOCOL_VERSION,
  OPERATOR_ROUTES as ROUTES,
  type WireStatus,
} from "@aivault/client/protocol";
import type { Scope } from "@aivault/vault-core";
import type * as z from "zod";
import {
  collect,
  JSON_BYTES_MAX,
  parseJson,
  readJson,
  readOctets,
  VALUE_BYTES_MAX,
} from "./body.ts";
import { sharedRoutes } from "./caller-routes.ts";
import { describeVault } from "./describe-vault.ts";
import { type Exchange, ok, parameter, type Reply } from "./exchange.ts";
import { isMultipart, type MultipartReader, readMultipart } from "./multipart.ts";
import { Problem } from "./problem.ts";
import { parseQuery } from "./query.ts";
import type { Handler, Route } from "./routes.ts";
import * as schemas from "./schemas.ts";
import type { Services } from "./services.ts";
import { settingsChange } from "./settings.ts";
import { tokenRoutes } from "./token-routes.ts";

const created = (body: unknown): Reply => ({ status: 201, body });

const status: Handler = ({ query }, services) => {
  parseQuery(query, schemas.noQuery);
  return ok(describeStatus(services));
};

/** What `GET /aivault/status` says. */
export function describeStatus({ vault, version, pid, paths }: Services): WireStatus {
  const { root, socket, operatorSocket } = paths;
  return {
    version,
    protocol: PROTOCOL_VERSION,
    pid,
    vault: describeVault(vault),
    operatorPassphrase: null,
    paths: { root, socket, operatorSocket },
  };
}

// --- secrets

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

const createSecret: Handler = async (exchange, services) => {
  const broker = services.engine.broker();
  const { secret, value } = await readNewSecret(exchange);
  try {
    return created(await broker.createSecret({ ...secret, value }));
  } finally {
    value.fill(0);
  }
};

async function readNewSecret(exchange: Exchange) {
  if (!isMultipart(exchange.request)) {
    throw new Problem("invalid_request", "the content type must be multipart/form-data");
  }
  exchange.continueBody();
  const reader = readMultipart(exchange.request);
  let value: Uint8Array | null = null;
  try {
    const octets = await readPart(reader, "secret", JSON_BYTES_MAX);
    const secret = parseJson(octets, schemas.newSecret);
    value = await readPart(reader, "value", VALUE_BYTES_MAX);
    requireValue(value);
    if ((await reader.next()) !== null) {
      throw new Problem("invalid_request", "there are parts after `value`");
    }
    return { secret, value };
  } catch (error) {
    value?.fill(0);
    throw error;
  } finally {
    reader.close();
  }
}

async function readPart(
  reader: MultipartReader,
  name: string,
  bytesMax: number,
): Promise<Uint8Array> {
  const part = await reader.next();
  if (part?.name !== name) {
    throw new Problem("invalid_request", "the parts must be `secret`, then `value`");
  }
  return collect(part.body, bytesMax);
}

function requireValue(value: Uint8Array): void {
  if (value.length === 0) throw new Problem("invalid_request", "the value is empty");
}

const describeSecret: Handler = async (exchange, services) => {
  parseQuery(exchange.query, schemas.noQuery);
  return ok(await services.engine.broker().findSecret(parameter(exchange, "id")));
};

const updateSecret: Handler = async (exchange, services) => {
  const broker = services.engine.broker();
  const change = await readJson(exchange, schemas.secretChange);
  const { secretId } = await broker.findSecret(parameter(exchange, "id"));
  return ok((await broker.updateSecret(secretId, change)).secret);
};

const rotateSecret: Handler = async (exchange, services) => {
  const broker = services.engine.broker();
  const value = await readOctets(exchange, VALUE_BYTES_MAX);
  try {
    requireValue(value);
    const { secretId } = await broker.findSecret(parameter(exchange, "id"));
    return ok(await broker.rotateSecret(secretId, value));
  } finally {
    value.fill(0);
  }
};

const deleteSecret: Handler = async (exchange, services) => {
  const broker = services.engine.broker();
  const { secretId } = await broker.findSecret(parameter(exchange, "id"));
  return ok(await broker.deleteSecret(secretId));
};

// --- credentials and capabilities

const listCredentials: Handler = async ({ query }, services) => {
  parseQuery(query, schemas.listQuery);
  return ok({ items: await services.engine.broker().listCredentials(), next: null });
};

const createCredential: Handler = async (exchange, services) => {
  const broker = services.engine.broker();
  return created(await broker.createCredential(await readJson(exchange, schemas.newCredential)));
};

const deleteCredential: Handler = async (exchange, services) => {
  const id = parameter(exchange, "id");
  if (!(await services.engine.broker().deleteCredential(id))) {
    throw new Problem("credential_not_found", "there is no credential with this id", {
      hint: "aivault credential list",
    });
  }
  return ok({ id });
};

const createCapability: Handler = async (exchange, services) => {
  const broker = services.engine.broker();
  return created(await broker.createCapability(await readJson(exchange, schemas.newCapability)));
};

const deleteCapability: Handler = async (exchange, services) => {
  const id = parameter(exchange, "id");
  if (!(await services.engine.broker().deleteCapability(id))) {
    throw new Problem("capability_not_found", "no operator made a capability with this id", {
      hint: "aivault capability list",
    });
  }
  return ok({ id });
};

// --- audit

const readAudit: Handler = async ({ query }, { vault }) => {
  const { limit, beforeSeq } = parseQuery(query, schemas.auditQuery);
  const items = await vault.audit.read({
    ...(limit === undefined ? {} : { limit }),
    ...(beforeSeq === undefined ? {} : { beforeSeq }),
  });
  return ok({ items: items.map(({ seq, tsMs, event }) => ({ seq, tsMs, event })) });
};

const verifyAudit: Handler = async ({ query }, { vault }) => {
  parseQuery(query, schemas.noQuery);
  return ok(await vault.audit.verify());
};

// --- settings and the daemon itself

const showSettings: Handler = ({ query }, { engine }) => {
  parseQuery(query, schemas.noQuery);
  engine.requireUnlocked();
  return ok(engine.settings);
};

const updateSettings: Handler = async (exchange, { engine }) => {
  engine.requireUnlocked();
  return ok(await engine.changeSettings(await readJson(exchange, settingsChange)));
};

const unlock: Handler = async (exchange, services) => {
  const empty = exchange.request.headers["content-length"] === "0";
  const passphrase = empty ? null : await readOctets(exchange, VALUE_BYTES_MAX);
  try {
    await services.engine.unlock(passphrase);
  } finally {
    passphrase?.fill(0);
  }
  return ok({ locked: false });
};

const lock: Handler = async (_exchange, services) => {
  await services.engine.lock("operator");
  return ok({ locked: true });
};

const shutdown: Handler = (_exchange, services) => {
  services.shutdown();
  return { status: 202, body: {} };
};

/** Everything the operator socket serves. */
export const operatorRoutes: readonly Route[] = [
  ...sharedRoutes,
  { method: "GET", path: ROUTES.status, handler: status },
  { method: "GET", path: ROUTES.secrets, handler: listSecrets },
  { method: "POST", path: ROUTES.secrets, handler: createSecret },
  { method: "GET", path: `${ROUTES.secrets}/{id}`, handler: describeSecret },
  { method: "PATCH", path: `${ROUTES.secrets}/{id}`, handler: updateSecret },
  { method: "PUT", path: `${ROUTES.secrets}/{id}/value`, handler: rotateSecret },
  { method: "DELETE", path: `${ROUTES.secrets}/{id}`, handler: deleteSecret },
  { method: "GET", path: ROUTES.credentials, handler: listCredentials },
  { method: "POST", path: ROUTES.credentials, handler: createCredential },
  { method: "DELETE", path: `${ROUTES.credentials}/{id}`, handler: deleteCredential },
  { method: "POST", path: ROUTES.capabilities, handler: createCapability },
  { method: "DELETE", path: `${ROUTES.capabilities}/{id}`, handler: deleteCapability },
  { method: "GET", path: ROUTES.audit, handler: readAudit },
  { method: "GET", path: ROUTES.auditVerify, handler: verifyAudit },
  ...tokenRoutes,
  { method: "GET", path: "/aivault/settings", handler: showSettings },
  { method: "PATCH", path: "/aivault/settings", handler: updateSettings },
  { method: "POST", path: ROUTES.lock, handler: lock },
  { method: "POST", path: ROUTES.unlock, handler: unlock },
  { method: "POST", path: ROUTES.shutdown, handler: shutdown },
];
