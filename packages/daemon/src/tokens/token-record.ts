/** A token at rest: a sealed document of kind `token`, with the digest of its proof. */

import type { JsonValue } from "@aivault/vault-core";
import * as z from "zod";
import type { TokenGrant } from "./grant.ts";

/** Everything that is known of a token, but not the token. */
export interface TokenRecord extends TokenGrant {
  readonly tokenId: string;
  readonly digest: string;
  /** The token it was derived from; its grants limit this one too. */
  readonly parentId: string | null;
  readonly label: string | null;
  readonly createdAtMs: number;
  readonly revokedAtMs: number | null;
}

/** The members that a token's text is checked against, and that are therefore never shown. */
type Hidden = "digest";

/** What is shown of a token. */
export function showToken({ digest: _, ...shown }: TokenRecord): Omit<TokenRecord, Hidden> {
  return shown;
}

const count = z.nullable(z.number().int().positive());

const schema = z.strictObject({
  tokenId: z.string(),
  digest: z.string(),
  parentId: z.nullable(z.string()),
  label: z.nullable(z.string()),
  capabilities: z.array(z.string()).min(1),
  credential: z.nullable(z.string()),
  expiresAtMs: z.number().int().nonnegative(),
  usesMax: count,
  perMinute: count,
  concurrency: count,
  requestBytesMax: count,
  responseBytesMax: count,
  workspaceId: z.nullable(z.string()),
  groupId: z.nullable(z.string()),
  publicKey: z.nullable(z.string()),
  createdAtMs: z.number().int().nonnegative(),
  revokedAtMs: z.nullable(z.number().int().nonnegative()),
});

/** Read a stored token; null for one this version does not understand, which then grants nothing. */
export function parseTokenRecord(value: JsonValue): TokenRecord | null {
  const result = schema.safeParse(value);
  return result.success ? result.data : null;
}

/** The stored form. */
export function serializeTokenRecord(record: TokenRecord): JsonValue {
  return { ...record, capabilities: [...record.capabilities] };
}

/** How often a token was used, and when lately: a sealed document of kind `state`. */
export interface TokenUsage {
  readonly uses: number;
  readonly window: JsonValue;
}

const usageSchema = z.strictObject({ uses: z.number().int().nonnegative(), window: z.json() });

/** @returns null for a state this version does not understand; the token is then refused. */
export function parseTokenUsage(value: JsonValue): TokenUsage | null {
  const result = usageSchema.safeParse(value);
  return result.success ? (result.data as TokenUsage) : null;
}

const derivedSchema = z.strictObject({ derived: z.number().int().nonnegative() });

/** How many were derived from a token, a sealed document of kind `state`; null for a newer version's. */
export function parseDerived(value: JsonValue): number | null {
  const result = derivedSchema.safeParse(value);
  return result.success ? result.data.derived : null;
}
