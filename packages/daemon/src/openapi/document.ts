/**
 * The HTTP interface as an OpenAPI 3.1 document. The schemas of bodies and queries are the ones the server
 * validates with; what the server answers is described beside them and checked by a test, which also
 * holds the checked-in document, `packages/daemon/openapi.json`, to what is generated here.
 */

import { PROTOCOL_VERSION, REQUEST_HEADERS, RESPONSE_HEADERS } from "@aivault/client/protocol";
import * as z from "zod";
import * as schemas from "../schemas.ts";
import { settingsChange, settingsSchema } from "../settings.ts";
import { newToken } from "../token-routes.ts";
import * as answers from "./answers.ts";
import { callerOperations } from "./caller-operations.ts";
import type { Operation, RequestBody, ResponseBody } from "./operation.ts";
import { lastOperations, setUpOperations } from "./operator-operations.ts";

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
type JsonObject = { readonly [name: string]: Json };

/** Every operation, in an order in which the examples can be replayed. */
export const operations: readonly Operation[] = [
  ...setUpOperations,
  ...callerOperations,
  ...lastOperations,
];

/** What the schemas of bodies are called. */
const NAMES: Readonly<Record<string, z.ZodType>> = {
  Problem: answers.problem,
  Health: answers.health,
  Whoami: answers.whoami,
  Status: answers.status,
  Scope: schemas.scope,
  Envelope: answers.envelope,
  Plan: answers.plan,
  NewSecret: schemas.newSecret,
  SecretChange: schemas.secretChange,
  Secret: answers.secret,
  Secrets: answers.secrets,
  SecretCreated: answers.secretCreated,
  SecretDeleted: answers.secretDeleted,
  SecretVerified: answers.secretVerified,
  Group: schemas.group,
  Dependants: answers.dependants,
  NewCredential: schemas.newCredential,
  Credential: answers.credential,
  Credentials: answers.credentials,
  NewCapability: schemas.newCapability,
  Capability: answers.capability,
  Capabilities: answers.capabilities,
  Policy: schemas.policy,
  NewBinding: schemas.newBinding,
  Binding: answers.binding,
  Bindings: answers.bindings,
  NewProvider: schemas.provider,
  Provider: answers.provider,
  Providers: answers.providers,
  NewToken: newToken,
  Token: answers.token,
  Tokens: answers.tokens,
  TokenMinted: answers.tokenMinted,
  Settings: settingsSchema,
  SettingsChange: settingsChange,
  SecretNames: schemas.secretNames,
  Claims: answers.claims,
  UndoKept: answers.undoKept,
  UndoGiven: answers.undoGiven,
  NewOAuthLogin: schemas.newOAuthLogin,
  OAuthLogin: answers.oauthLogin,
  OAuthCallback: schemas.oauthCallback,
  OAuthResult: answers.oauthResult,
  RotateMaster: schemas.rotateMaster,
  MasterRotated: answers.masterRotated,
  AuditEntry: answers.auditEntry,
  AuditEntries: answers.auditEntries,
  AuditVerified: answers.auditVerified,
  AuditCheckpoints: answers.auditCheckpoints,
  OperatorSession: answers.operatorSession,
  OperatorPassphrase: answers.operatorPassphrase,
  LockState: answers.lockState,
  Named: answers.named,
  Nothing: answers.nothing,
};
const nameOf = new Map(Object.entries(NAMES).map(([name, schema]) => [schema, name]));

/** The document. Depends on nothing but the code. */
export function openApiDocument(): JsonObject {
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of operations) {
    for (const method of operation.methods) {
      paths[operation.path] ??= {};
      const isOneOfMany = operation.methods.length > 1;
      const id = isOneOfMany ? `${operation.id}${titleCase(method)}` : operation.id;
      (paths[operation.path] ?? {})[method.toLowerCase()] = describe(operation, method, id);
    }
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "aivaultd",
      version: String(PROTOCOL_VERSION),
      summary: "Callers use secrets; they never hold them.",
      description:
        "HTTP/1.1 on unix sockets: one for callers, one for the vault's operator; and, when asked for, " +
        "on loopback TCP for callers, with TLS or without, where HTTP/2 is served too. " +
        "`x-aivault-sockets` says where an operation exists; elsewhere it does not. docs/protocol.md " +
        "has what a schema cannot say. A request with `Origin`, or with another `Host` than the " +
        "server's, is refused everywhere.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [
      { url: "http://aivault", description: "On a unix socket; `Host` is `aivault`." },
      { url: "http://127.0.0.1:19790", description: "Callers, with `--listen`; needs a token." },
      { url: "https://127.0.0.1:19792", description: "The same, with `--listen-tls`." },
    ],
    tags: [...new Set(operations.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: componentSchemas(),
      responses: { Problem: problemResponse() },
      securitySchemes: {
        token: { type: "http", scheme: "bearer", bearerFormat: "avp_…" },
        session: { type: "apiKey", in: "header", name: REQUEST_HEADERS.operatorSession },
      },
    },
  };
}

function titleCase(text: string): string {
  return `${text.slice(0, 1)}${text.slice(1).toLowerCase()}`;
}

function componentSchemas(): JsonObject {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(NAMES)) registry.add(schema, { id });
  const { schemas: found } = z.toJSONSchema(registry, { io: "input", uri: referenceTo });
  // What several schemas have in common, and nobody has named: any JSON.
  const { __shared: shared, ...named } = found as Record<string, Record<string, unknown>>;
  const all = { ...named, ...(shared?.["$defs"] as Record<string, Record<string, unknown>>) };
  const plain = Object.fromEntries(
    Object.entries(all).map(([name, { $schema: _, $id: __, ...schema }]) => [name, schema]),
  );
  const text = JSON.stringify(plain).replaceAll(
    `${referenceTo("__shared")}#/$defs/`,
    referenceTo(""),
  );
  return JSON.parse(text) as JsonObject;
}

function referenceTo(name: string): string {
  return `#/components/schemas/${name}`;
}

/** @throws {RangeError} It has no name. */
function schemaOf(schema: z.ZodType): JsonObject {
  const name = nameOf.get(schema);
  if (name === undefined) throw new RangeError("a schema of a body has no name in NAMES");
  return { $ref: referenceTo(name) };
}

function describe(operation: Operation, method: string, id: string): JsonObject {
  const { tag, summary, description, sockets, confirmed = false, request, example } = operation;
  const takesBody = request !== undefined && method !== "GET";
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    "x-aivault-sockets": [...sockets],
    ...(confirmed ? { "x-aivault-confirmation": true } : {}),
    security: securityOf(operation),
    parameters: parametersOf(operation),
    ...(takesBody ? { requestBody: describeRequest(request, example.request as Json) } : {}),
    responses: {
      [operation.status ?? 200]: describeResponse(operation.response, example.response as Json),
      default: { $ref: "#/components/responses/Problem" },
    },
  };
}

/** On unix sockets who may connect is decided by the socket; these come on top. */
function securityOf({ open, needsToken, sockets }: Operation): Json {
  if (open === true) return [];
  return [
    ...(sockets.includes("caller") ? [{ token: [] }] : []),
    ...(sockets.includes("operator") ? [{ session: [] }] : []),
    ...(needsToken === true ? [] : [{}]),
  ];
}

function parametersOf({ path, query, timed, confirmed, example }: Operation): Json {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
  const { properties = {}, required = [] } = z.toJSONSchema(query ?? schemas.noQuery, {
    io: "input",
  });
  const header = (name: string, schema: Json) => ({ name, in: "header", required: false, schema });
  return [
    ...names.map((name) => ({
      name,
      in: "path",
      required: true,
      schema: { type: "string", minLength: 1 },
      example: example.parameters?.[name] ?? null,
    })),
    ...Object.entries(properties).map(([name, schema]) => ({
      name,
      in: "query",
      required: required.includes(name),
      schema: schema as JsonObject,
      ...(example.query?.[name] === undefined ? {} : { example: example.query[name] }),
    })),
    ...(timed === true
      ? [header(REQUEST_HEADERS.timeout, { type: "string", pattern: "^[1-9][0-9]{0,8}$" })]
      : []),
    ...(confirmed === true ? [header(REQUEST_HEADERS.confirm, { type: "string" })] : []),
  ];
}

function describeRequest(request: RequestBody, example: Json): JsonObject {
  switch (request.kind) {
    case "json":
      return {
        required: true,
        content: { "application/json": { schema: schemaOf(request.schema), example } },
      };
    case "octets":
      return {
        required: request.optional !== true,
        content: {
          "application/octet-stream": { schema: {}, ...(example === undefined ? {} : { example }) },
        },
      };
    case "form": {
      const properties = request.parts.map(({ name, schema }) => [
        name,
        schema === undefined ? OCTETS : schemaOf(schema),
      ]);
      const encoding = request.parts.map(({ name, schema }) => [
        name,
        { contentType: schema === undefined ? "application/octet-stream" : "application/json" },
      ]);
      return {
        required: true,
        description: "The parts come in this order.",
        content: {
          "multipart/form-data": {
            schema: {
              type: "object",
              properties: Object.fromEntries(properties),
              required: request.parts.filter(({ optional }) => !optional).map(({ name }) => name),
              additionalProperties: false,
            },
            encoding: Object.fromEntries(encoding),
            example,
          },
        },
      };
    }
    case "envelope":
      return {
        required: true,
        content: {
          "application/json": { schema: schemaOf(request.schema), example },
          "multipart/form-data": {
            schema: {
              type: "object",
              properties: { envelope: schemaOf(request.schema) },
              required: ["envelope"],
              additionalProperties: OCTETS,
            },
            encoding: { envelope: { contentType: "application/json" } },
          },
        },
      };
    case "any":
      return { required: false, content: { "*/*": { schema: {} } } };
  }
}

const OCTETS = { type: "string", contentMediaType: "application/octet-stream" };

function describeResponse(response: ResponseBody, example: Json | undefined): JsonObject {
  const withExample = example === undefined ? {} : { example };
  const headers = {
    [RESPONSE_HEADERS.requestId]: {
      description: "Also in the audit log.",
      required: true,
      schema: { type: "string" },
    },
  };
  switch (response.kind) {
    case "json":
      return {
        description: "Done.",
        headers,
        content: { "application/json": { schema: schemaOf(response.schema), ...withExample } },
      };
    case "octets":
      return {
        description: "The file. An answer that ends broken is none.",
        headers,
        content: { "application/octet-stream": { schema: {} } },
      };
    case "upgrade":
      return { description: "A WebSocket (RFC 6455)." };
    case "text":
      return {
        description: "Text.",
        content: { "text/plain": { schema: { type: "string" }, ...withExample } },
      };
    case "lines":
      return {
        description: "JSON, one text a line.",
        headers,
        content: { "application/x-ndjson": { schema: schemaOf(response.schema), ...withExample } },
      };
    case "provider": {
      const { error: _, requestId: __, ...added } = RESPONSE_HEADERS;
      const masked = Object.values(added).map((name) => [name, { schema: { type: "string" } }]);
      return {
        description:
          "The provider's answer, whatever its status. `aivault-error` is absent; where it is there, " +
          "the answer is ours.",
        headers: { ...headers, ...Object.fromEntries(masked) },
        content: {
          "*/*": { schema: {} },
          ...(response.dryRun === undefined
            ? {}
            : { "application/json": { schema: { anyOf: [schemaOf(response.dryRun), {}] } } }),
        },
      };
    }
  }
}

function problemResponse(): JsonObject {
  return {
    description: "Refused, by us and not by the provider.",
    headers: {
      [RESPONSE_HEADERS.error]: {
        description: "The same as `error`.",
        required: true,
        schema: { type: "string" },
      },
      [RESPONSE_HEADERS.requestId]: { required: true, schema: { type: "string" } },
      "retry-after": { description: "Seconds.", schema: { type: "string" } },
    },
    content: {
      "application/json": {
        schema: schemaOf(answers.problem),
        example: {
          error: "policy_violation",
          reason: "path_not_allowed",
          message: "`/v1/files` is not among the paths of `openai/chat-completions`",
          hint: "aivault capability describe openai/chat-completions",
          requestId: "c2lsbHkgdGVzdCBp",
        },
      },
    },
  };
}
