/** Whether a caller may ask at all, and for what: its token, if it has or needs one. */

import type { Envelope } from "@aivault/policy";
import type { Exchange } from "./exchange.ts";
import { requireQuiet } from "./http-adapter.ts";
import { Problem } from "./problem.ts";
import type { Services } from "./services.ts";
import { requireSignature } from "./signatures/require-signature.ts";
import { checkGrant, pinnedCredential } from "./tokens/grant.ts";
import type { TokenChain } from "./tokens/token-store.ts";

/**
 * Verify the token of a request to a route of ours: `Authorization: Bearer avp_…` and nothing else.
 *
 * A token that is there and not valid is refused even where none is needed: whoever sends one means
 * to be limited by it.
 *
 * @returns null for a caller on a unix socket without a token, and for an operator.
 * @throws {Problem} `token_invalid`, `vault_locked`.
 */
export async function admit(exchange: Exchange, services: Services): Promise<TokenChain | null> {
  if (exchange.socket === "operator") return null;
  const { authorization } = exchange.request.headers;
  if (authorization === undefined) return await admitToken(exchange, services, null);
  const [, token] = /^Bearer (\S+)$/i.exec(authorization) ?? [];
  return await admitToken(exchange, services, token ?? "");
}

/**
 * Verify a token that was found in a request.
 *
 * @param token - null when there was none.
 */
export async function admitToken(
  exchange: Exchange,
  services: Services,
  token: string | null,
): Promise<TokenChain | null> {
  services.engine.requireUnlocked();
  if (token === null) {
    const needed = services.engine.settings.requireToken || exchange.principal.transport === "tcp";
    if (!needed) return null;
    throw new Problem("token_invalid", "a token is needed here: `Authorization: Bearer avp_…`", {
      hint: "ask the operator for one: aivault token mint",
    });
  }
  const chain = await services.engine.tokens.verify(token);
  const [{ tokenId, publicKey }] = chain;
  exchange.identify(tokenId);
  requireQuiet(services.denials, exchange.principal);
  if (publicKey !== null) {
    const { nonces } = services.engine;
    await requireSignature(exchange, { tokenId, publicKey }, nonces, Date.now());
  }
  return chain;
}

/**
 * Check an envelope against every token of a chain (G13), and pin its credential.
 *
 * @throws {Problem} `policy_violation` with `capability_not_granted`.
 */
export function restrict(envelope: Envelope, chain: TokenChain): Envelope {
  const { capability, credential } = envelope;
  for (const token of chain) {
    const refusal = checkGrant(token, { capability, credential });
    if (refusal !== null) throw notGranted(refusal);
  }
  const pinned = pinnedCredential(chain, credential);
  if (pinned === undefined) throw notGranted("the tokens above this one leave no credential");
  return { ...envelope, credential: pinned };
}

function notGranted(message: string): Problem {
  return new Problem("policy_violation", message, { reason: "capability_not_granted" });
}
