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
import type { TokenRecord } from "./tokens/token-record.ts";
import type { TokenChain } from "./tokens/token-store.ts";

const TTL_MS_DEFAULT = 10 * 60 * 1000;

const newToken = z.strictObject({
  capabilities: z
    .array(z.string().refine(isCapabilityPattern, "is no capability id or pattern"))
    .min(1)
    .max(200),
  credential: z.string().min(1).max(256).exactOptional(),
  ttlMs: z.number().int().min(1_000).exactOptional(),
  usesMax: z.number().int().min(1).max(1_000_000_000).exactOptional(),
  perMinute: z.number().int().min(1).max(1_000_000).exactOptional(),
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
      expiresAtMs: Date.now() + ttlMs,
      usesMax: input.usesMax ?? null,
      perMinute: input.perMinute ?? null,
      label: input.label ?? null,
    },
    exchange.principal,
    parent,
  );
  return { status: 201, body: { token, ...showToken(record) } };
}

/** What is shown of a token: not the token, and not its digest. */
export function showToken({ digest: _, ...shown }: TokenRecord): Omit<TokenRecord, "digest"> {
  return shown;
}

const mintToken: Handler = (exchange, services) => mint(exchange, services, null);

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
