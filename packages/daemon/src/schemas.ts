/**
 * The shape of everything an operator sends. Objects are strict: an unknown member is a mistake or an
 * attempt. What a value means (is this a host? does it exist?) is decided by broker and vault.
 */

import * as z from "zod";

const id = z.string().min(1).max(256);
const secretName = z.string().min(1).max(256);
const hostName = z.string().min(1).max(255);

export const scope = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("global") }),
  z.strictObject({ kind: z.literal("workspace"), workspaceId: id }),
  z.strictObject({ kind: z.literal("group"), workspaceId: id, groupId: id }),
]);

/** Part `secret` of `POST /aivault/secrets`. */
export const newSecret = z.strictObject({
  name: secretName,
  aliases: z.array(secretName).max(100).exactOptional(),
  scope: scope.exactOptional(),
});

/** Body of `PATCH /aivault/secrets/{idOrName}`. */
export const secretChange = z
  .strictObject({
    name: secretName.exactOptional(),
    aliases: z.array(secretName).max(100).exactOptional(),
  })
  .refine((change) => Object.keys(change).length > 0, "names nothing to change");

const authScheme = z.looseObject({ strategy: id });

/** Body of `POST /aivault/credentials`. */
export const newCredential = z.strictObject({
  id,
  provider: id,
  secrets: z.record(z.string().min(1).max(256), id),
  auth: authScheme.exactOptional(),
  hosts: z.array(hostName).min(1).max(100).exactOptional(),
  scope: scope.exactOptional(),
});

const paramName = z.string().min(1).max(256);

const pathRule = z.strictObject({
  methods: z.array(z.string().min(1).max(32)).min(1).max(16),
  match: z.enum(["prefix", "exact", "pattern"]),
  path: z.string().min(1).max(4096),
  query: z
    .strictObject({
      required: z.record(paramName, z.string().max(1024)).exactOptional(),
      forbidden: z.array(paramName).max(100).exactOptional(),
      allowed: z.array(paramName).max(100).exactOptional(),
    })
    .exactOptional(),
  encodedSlash: z.boolean().exactOptional(),
});

/** Body of `POST /aivault/capabilities`. */
export const newCapability = z.strictObject({
  id,
  provider: id,
  host: hostName,
  description: z.string().max(1000).exactOptional(),
  risk: z.enum(["read", "write", "destructive", "spend"]).exactOptional(),
  rules: z.array(pathRule).min(1).max(100),
});

/** Body of `POST /aivault/secrets/{idOrName}/attach` and `…/detach`. */
export const group = z.strictObject({ workspaceId: id, groupId: id });

const amount = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER);

/** Body of `PUT /aivault/capabilities/{id}/policy`. */
export const policy = z.strictObject({
  requestsPerMinute: amount.exactOptional(),
  concurrency: amount.exactOptional(),
  requestBytesMax: amount.exactOptional(),
  responseBytesMax: amount.exactOptional(),
  totalMs: amount.exactOptional(),
  idleMs: amount.exactOptional(),
  responseBlock: z.array(z.string().min(1).max(128)).max(100).exactOptional(),
  followRedirects: z.boolean().exactOptional(),
  redirectHosts: z.array(hostName).max(100).exactOptional(),
});

/** Body of `POST /aivault/bindings`. */
export const newBinding = z
  .strictObject({
    id: id.exactOptional(),
    capability: id,
    scope: scope.exactOptional(),
    consumer: z.nullable(z.string().min(1).max(128)).exactOptional(),
    credential: id.exactOptional(),
    secret: id.exactOptional(),
  })
  .refine(
    ({ credential, secret }) => (credential === undefined) !== (secret === undefined),
    "names either a credential or a secret",
  );

/** Body of `POST /aivault/providers/claims`. */
export const secretNames = z.strictObject({ names: z.array(secretName).max(10_000) });

/** Part `login` of `POST /aivault/oauth/logins`. */
export const newOAuthLogin = z.strictObject({
  provider: id,
  flow: z.enum(["code", "device"]),
  clientId: z
    .string()
    .regex(/^[\x21-\x7e]{1,512}$/, "is no client id")
    .exactOptional(),
  redirectUri: z.string().min(1).max(512).exactOptional(),
  scopes: z
    .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/, "is no scope"))
    .max(100)
    .exactOptional(),
});

const callbackText = z.string().min(1).max(4096);

/** Body of `POST /aivault/oauth/logins/{id}/callback`. */
export const oauthCallback = z.union([
  z.strictObject({ state: callbackText, code: callbackText }),
  z.strictObject({ state: callbackText, error: callbackText }),
]);

/** Part `options` of `POST /aivault/rotate-master`. */
export const rotateMaster = z.strictObject({
  to: z
    .discriminatedUnion("kind", [
      z.strictObject({
        kind: z.literal("file"),
        path: z.string().min(1).max(4096).exactOptional(),
      }),
      z.strictObject({
        kind: z.literal("env"),
        variable: z
          .string()
          .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "is no variable's name")
          .exactOptional(),
      }),
      z.strictObject({ kind: z.literal("passphrase") }),
      z.strictObject({ kind: z.enum(["macos-keychain", "secret-service", "credential-manager"]) }),
    ])
    .exactOptional(),
});

/** Body of `POST /aivault/providers`: what it must be, the registry's own parser says. */
export const provider = z.record(z.string(), z.json());

const count = (max: number) =>
  z
    .string()
    .regex(/^[1-9][0-9]{0,15}$/, "must be a positive number")
    .transform(Number)
    .refine((number) => number <= max, `must be at most ${max}`);

/** Query of `GET /aivault/secrets`. */
export const secretsQuery = z.strictObject({
  after: z.string().min(1).max(512).exactOptional(),
  limit: count(1000).exactOptional(),
  scope: z.enum(["global", "workspace", "group"]).exactOptional(),
  workspaceId: id.exactOptional(),
  groupId: id.exactOptional(),
  includeDeleted: z.enum(["true", "false"]).exactOptional(),
});

/** Query of a list in pages. */
export const pageQuery = z.strictObject({
  after: z.string().min(1).max(512).exactOptional(),
  limit: count(1000).exactOptional(),
});

/** Query of `GET /aivault/audit`. */
export const auditQuery = z.strictObject({
  limit: count(1000).exactOptional(),
  beforeSeq: count(Number.MAX_SAFE_INTEGER).exactOptional(),
});

/** Query of `GET /aivault/audit/tail`. */
export const tailQuery = z.strictObject({
  afterSeq: z
    .string()
    .regex(/^(?:0|[1-9][0-9]{0,15})$/, "must be a number")
    .transform(Number)
    .exactOptional(),
});

/** Query of the lists that have one page; `after` is accepted so that paging clients need no exception. */
export const listQuery = z.strictObject({ after: z.string().max(512).exactOptional() });

/** A route that takes no query. */
export const noQuery = z.strictObject({});
