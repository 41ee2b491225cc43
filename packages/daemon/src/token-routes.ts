/** Tokens on the operator socket; deriving one is the caller's. */

import * as z from "zod";
import { readJson } from "./body.ts";
import { type Exchange, ok, parameter, type Reply } from "./exchange.ts";
import { Problem } from "./problem.ts";
import { parseQuery } from "./query.ts";
import type { Handler, Route } from "./routes.ts";
import { noQuery, pageQuery } from "./schemas.ts";
import type { Services } from "./services.ts";
import { isCapabilityPattern } from "./tokens/grant.ts";
import { showToken } from "./tokens/token-record.ts";
import type { TokenChain } from "./tokens/token-store.ts";

const TTL_MS_DEFAULT = 10 * 60 * 1000;

const bytes = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER);
const placeId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/, "is no id");

/** Body of `POST /aivault/tokens` and `POST /aivault/tokens/derive`. */
export const newToken = z.strictObject({
  capabilities: z
    .array(z.string().refine(isCapabilityPattern, "is no capability id or pattern"))
    .min(1)
    .max(200),
  credential: z.string().min(1).max(256).exactOptional(),
  ttlMs: z.number().int().min(1_000).exactOptional(),
  usesMax: z.number().int().min(1).max(1_000_000_000).exactOptional(),
  perMinute: z.number().int().min(1).max(1_000_000).exactOptional(),
  concurrency: z.number().int().min(1).max(100_000).exactOptional(),
  requestBytesMax: bytes.exactOptional(),
  responseBytesMax: bytes.exactOptional(),
  workspaceId: placeId.exactOptional(),
  groupId: placeId.exactOptional(),
  /** Ed25519 (RFC 8032), base64url without padding. */
  publicKey: z
    .string()
    .regex(/^[A-Za-z0-9_-]{43}$/, "must be 32 octets, base64url")
    .exactOptional(),
  label: z
    .string()
    .regex(/^[\x20-\x7e]{1,100}$/)
    .exactOptional(),
});

/**
 * Mint the token that a request describes.
 *
 * @param parent - The chain it is derived from; null for an operator's.
 */
export async function mint(
  exchange: Exchange,
  services: Services,
  parent: TokenChain | null,
): Promise<Reply> {
  services.engine.requireUnlocked();
  const input = await readJson(exchange, newToken);
  const { tokenTtlMsMax } = services.engine.settings;
  const ttlMs = input.ttlMs ?? Math.min(TTL_MS_DEFAULT, tokenTtlMsMax);
  if (ttlMs > tokenTtlMsMax) {
    throw new Problem("invalid_request", `\`ttlMs\` is at most ${tokenTtlMsMax}, by the settings`);
  }
  const { token, record } = await services.engine.tokens.mint(
    {
      capabilities: input.capabilities,
      credential: input.credential ?? null,
      expiresAtMs: services.engine.clock.now() + ttlMs,
      usesMax: input.usesMax ?? null,
      perMinute: input.perMinute ?? null,
      concurrency: input.concurrency ?? null,
      requestBytesMax: input.requestBytesMax ?? null,
      responseBytesMax: input.responseBytesMax ?? null,
      workspaceId: input.workspaceId ?? null,
      groupId: input.groupId ?? null,
      publicKey: input.publicKey ?? null,
      label: input.label ?? null,
    },
    exchange.principal,
    parent,
  );
  return { status: 201, body: { token, ...showToken(record) } };
}

const mintToken: Handler = async (exchange, services) => {
  parseQuery(exchange.query, noQuery);
  return await mint(exchange, services, null);
};

const listTokens: Handler = async ({ query }, { engine }) => {
  engine.requireUnlocked();
  const { items, next } = await engine.tokens.list(parseQuery(query, pageQuery));
  return ok({ items: items.map(showToken), next });
};

const revokeToken: Handler = async (exchange, { engine }) => {
  parseQuery(exchange.query, noQuery);
  engine.requireUnlocked();
  return ok(showToken(await engine.tokens.revoke(parameter(exchange, "id"), exchange.principal)));
};

export const tokenRoutes: readonly Route[] = [
  { method: "GET", path: "/aivault/tokens", handler: listTokens },
  { method: "POST", path: "/aivault/tokens", handler: mintToken },
  { method: "DELETE", path: "/aivault/tokens/{id}", handler: revokeToken },
];
