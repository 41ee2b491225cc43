/**
 * The shape of what the daemon answers, as schemas: each is held to the type of the wire contract by the
 * compiler, and to what a daemon really answers by a test. Objects are open: members may be added.
 */

import type {
  ProblemBody,
  WireAuditCheckpoints,
  WireAuditEntry,
  WireBinding,
  WireCapability,
  WireClaim,
  WireCredential,
  WireDependants,
  WireEnvelope,
  WireErrorCode,
  WireHealth,
  WireMasterRotated,
  WireOAuthLogin,
  WireOAuthResult,
  WireOperatorPassphrase,
  WireOperatorSession,
  WirePlan,
  WireProvider,
  WireProviders,
  WireReason,
  WireSecret,
  WireSecretCreated,
  WireSecretDeleted,
  WireSecretVerified,
  WireStatus,
  WireToken,
  WireTokenMinted,
  WireUndoGiven,
  WireUndoKept,
  WireWhoami,
} from "@aivault/client/protocol";
import * as z from "zod";
import { group, scope } from "../schemas.ts";
import { STATUS } from "../status.ts";

/** Unix time in milliseconds. */
const timeMs = z.number().int();
const text = z.string();
const texts = z.array(text);
const nullableText = z.nullable(text);
const nullableNumber = z.nullable(z.number().int());

const REASONS = Object.keys({
  method_not_allowed: true,
  path_not_allowed: true,
  path_traversal: true,
  host_not_allowed: true,
  address_blocked: true,
  auth_header_rejected: true,
  auth_query_rejected: true,
  duplicate_header: true,
  body_mode_conflict: true,
  capability_not_granted: true,
  replayed: true,
  signature_invalid: true,
  redirect_blocked: true,
  secret_pinned: true,
  file_path_not_accepted: true,
  passphrase_wrong: true,
  session_required: true,
  confirmation_required: true,
  signature_required: true,
} satisfies Record<WireReason, true>) as WireReason[];

/** A refusal, whatever refused. */
export const problem = z.object({
  error: z.enum(Object.keys(STATUS) as WireErrorCode[]),
  reason: z.enum(REASONS).exactOptional(),
  message: text,
  hint: text.exactOptional(),
  requestId: text,
  confirmation: z.object({ token: text, says: text }).exactOptional(),
}) satisfies z.ZodType<ProblemBody>;

export const health = z.object({
  ok: z.literal(true),
  locked: z.boolean(),
  version: text,
}) satisfies z.ZodType<WireHealth>;

export const token = z.object({
  tokenId: text,
  parentId: nullableText,
  label: nullableText,
  capabilities: texts,
  credential: nullableText,
  workspaceId: nullableText,
  groupId: nullableText,
  expiresAtMs: timeMs,
  usesMax: nullableNumber,
  perMinute: nullableNumber,
  concurrency: nullableNumber,
  requestBytesMax: nullableNumber,
  responseBytesMax: nullableNumber,
  publicKey: nullableText,
  createdAtMs: timeMs,
  revokedAtMs: z.nullable(timeMs),
}) satisfies z.ZodType<WireToken>;

export const tokenMinted = token.extend({ token: text }) satisfies z.ZodType<WireTokenMinted>;

export const whoami = z.object({
  principal: z.enum(["caller", "operator"]),
  transport: z.enum(["unix", "tcp"]),
  uid: nullableNumber,
  token: token.exactOptional(),
}) satisfies z.ZodType<WireWhoami>;

export const capability = z.object({
  id: text,
  provider: text,
  description: text,
  host: text,
  risk: z.enum(["read", "write", "destructive", "spend"]),
  rules: z.array(
    z.object({
      methods: texts,
      match: z.enum(["prefix", "exact", "pattern"]),
      path: text,
      query: z.looseObject({}).exactOptional(),
      encodedSlash: z.boolean().exactOptional(),
    }),
  ),
  origin: z.enum(["registry", "operator"]),
  ready: z.boolean(),
  missing: texts,
}) satisfies z.ZodType<WireCapability>;

const header = z.strictObject({ name: text, value: text });

/**
 * Body of `POST /aivault/proxy`. What decides is the parser of `@aivault/policy`, which also says which
 * bodies exclude each other; a test holds the two together.
 */
export const envelope = z.strictObject({
  capability: z.string().min(1).max(256),
  credential: z.string().min(1).max(256).exactOptional(),
  dryRun: z.boolean().exactOptional(),
  request: z.strictObject({
    method: z.string().min(1),
    path: z.string().min(1),
    headers: z.array(header).exactOptional(),
    body: text.exactOptional(),
    bodyBase64: z.base64().exactOptional(),
    bodyUpload: z.literal(true).exactOptional(),
    multipart: z.record(z.string().min(1), text).exactOptional(),
    multipartFiles: z
      .array(z.strictObject({ field: z.string().min(1), filename: z.string().exactOptional() }))
      .exactOptional(),
  }),
}) satisfies z.ZodType<WireEnvelope>;

export const plan = z.object({
  decision: z.literal("allow"),
  capability: text,
  credential: text,
  method: text,
  url: text,
  headers: z.array(z.object({ name: text, value: text })),
  injects: texts,
}) satisfies z.ZodType<WirePlan>;

export const secret = z.object({
  secretId: text,
  name: text,
  aliases: texts,
  scope,
  pinnedProvider: nullableText,
  valueVersion: z.number().int(),
  attachedGroups: z.array(group),
  createdAtMs: timeMs,
  updatedAtMs: timeMs,
  deletedAtMs: z.nullable(timeMs),
}) satisfies z.ZodType<WireSecret>;

export const secretCreated = z.object({
  secret,
  provisioning: z.object({
    provider: nullableText,
    credential: nullableText,
    capabilities: texts,
    missing: texts,
  }),
}) satisfies z.ZodType<WireSecretCreated>;

export const secretDeleted = z.object({
  secret,
  dependants: texts,
}) satisfies z.ZodType<WireSecretDeleted>;

export const dependants = z.object({
  credentials: texts,
  capabilities: texts,
  bindings: texts,
}) satisfies z.ZodType<WireDependants>;

export const secretVerified = z.object({
  ok: z.boolean(),
  status: z.number().int(),
  provider: text,
  method: text,
  url: text,
}) satisfies z.ZodType<WireSecretVerified>;

export const credential = z.object({
  id: text,
  provider: text,
  auth: z.looseObject({ strategy: text }),
  hosts: texts,
  secrets: z.record(text, text),
  scope,
  origin: z.enum(["registry", "operator"]),
  createdAtMs: timeMs,
}) satisfies z.ZodType<WireCredential>;

export const binding = z.object({
  id: text,
  capability: text,
  scope,
  consumer: nullableText,
  credential: nullableText,
  secretId: nullableText,
  createdAtMs: timeMs,
}) satisfies z.ZodType<WireBinding>;

const providerSummary = z.object({
  id: text,
  name: text,
  category: text,
  hosts: texts,
  origin: z.enum(["registry", "operator"]),
});

/** The rest is the provider's definition: `schema.json` of `@aivault/registry`. */
export const provider = z.looseObject(providerSummary.shape) satisfies z.ZodType<WireProvider>;

export const providers = z.object({
  items: z.array(providerSummary),
  next: z.null(),
  registryDigest: z.string().regex(/^[0-9a-f]{64}$/),
}) satisfies z.ZodType<WireProviders>;

export const auditEntry = z.object({
  seq: z.number().int(),
  tsMs: timeMs,
  clockBack: z.literal(true).exactOptional(),
  event: z.looseObject({ kind: text }),
}) satisfies z.ZodType<WireAuditEntry>;

export const auditVerified = z.union([
  z.object({
    ok: z.literal(true),
    entries: z.number().int(),
    gaps: z.array(z.object({ fromSeq: z.number().int(), toSeq: z.number().int() })),
  }),
  z.object({
    ok: z.literal(false),
    firstBrokenSeq: z.number().int(),
    problem: text,
    entries: z.number().int(),
  }),
]);

export const auditCheckpoints = z.object({
  items: z.array(z.looseObject({ seq: z.number().int(), tsMs: timeMs })),
  publicKey: z.base64(),
}) satisfies z.ZodType<WireAuditCheckpoints>;

const keyProvider = z.looseObject({ kind: text });

export const masterRotated = z.object({
  keyProvider,
  previousKeyProvider: z.nullable(keyProvider),
  rewrapped: z.number().int(),
  skipped: z.number().int(),
  next: nullableText,
}) satisfies z.ZodType<WireMasterRotated>;

export const operatorSession = z.object({
  session: text,
  expiresAtMs: timeMs,
}) satisfies z.ZodType<WireOperatorSession>;

export const operatorPassphrase = z.object({
  set: z.boolean(),
}) satisfies z.ZodType<WireOperatorPassphrase>;

export const status = z.object({
  version: text,
  protocol: z.number().int(),
  pid: z.number().int(),
  vault: z.object({
    vaultId: text,
    dev: z.boolean(),
    locked: z.boolean(),
    formatVersion: z.number().int(),
    keyProvider,
    previousKeyProvider: z.nullable(keyProvider),
    revision: z.number().int(),
    quarantined: texts,
  }),
  operatorPassphrase: z.nullable(z.boolean()),
  allowedInternal: z.nullable(texts),
  setAside: z.nullable(z.array(z.object({ kind: text, id: text, problem: text }))),
  paths: z.object({ root: text, socket: text, operatorSocket: text }),
}) satisfies z.ZodType<WireStatus>;

const loginMembers = {
  id: text,
  provider: text,
  secretName: text,
  oauthScopes: texts,
  expiresAtMs: timeMs,
};

export const oauthLogin = z.union([
  z.object({ ...loginMembers, flow: z.literal("code"), authorizationUrl: text, state: text }),
  z.object({
    ...loginMembers,
    flow: z.literal("device"),
    userCode: text,
    verificationUri: text,
    verificationUriComplete: nullableText,
    intervalMs: z.number().int(),
  }),
]) satisfies z.ZodType<WireOAuthLogin>;

export const oauthResult = z.union([
  z.object({ done: z.literal(false), waitMs: z.number().int() }),
  z.object({ done: z.literal(true), secret, isNew: z.boolean(), oauthScopes: texts }),
]) satisfies z.ZodType<WireOAuthResult>;

const claim = z.object({
  name: text,
  provider: text,
  description: text,
  example: text,
  pattern: text,
  opaque: z.boolean(),
}) satisfies z.ZodType<WireClaim>;

export const undoKept = z.object({
  id: text,
  expiresAtMs: timeMs,
}) satisfies z.ZodType<WireUndoKept>;

export const undoGiven = z.object({ sealed: text }) satisfies z.ZodType<WireUndoGiven>;

/** What names what was done away with. */
export const named = z.object({ id: text });
export const lockState = z.object({ locked: z.boolean() });
export const nothing = z.object({});

/** A list in pages; `next` goes into `after`. */
const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next: nullableText });

export const capabilities = pageOf(capability);
export const secrets = pageOf(secret);
export const credentials = pageOf(credential);
export const bindings = pageOf(binding);
export const tokens = pageOf(token);
export const claims = pageOf(claim);
export const auditEntries = z.object({ items: z.array(auditEntry) });
