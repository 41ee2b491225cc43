/** What a verified token says to the broker. */

import type { InvocationContext, TokenGrant } from "@aivault/broker";
import type { TokenRecord } from "./token-record.ts";
import type { TokenChain } from "./token-store.ts";

/**
 * Where the holder of a token stands, what bindings call it, and what it and every token above it allow.
 *
 * @returns undefined for a caller without a token.
 */
export function invocationContext(chain: TokenChain | null): InvocationContext | undefined {
  if (chain === null) return undefined;
  const [{ workspaceId, groupId, label }] = chain;
  return {
    ...(workspaceId === null ? {} : { workspaceId }),
    ...(groupId === null ? {} : { groupId }),
    ...(label === null ? {} : { consumer: label }),
    grants: chain.map(grantOf),
  };
}

function grantOf(record: TokenRecord): TokenGrant {
  const { tokenId, capabilities, credential, usesMax, perMinute } = record;
  const { concurrency, requestBytesMax, responseBytesMax } = record;
  // A token with a number of uses has its rate counted together with them; see TokenStore.spend.
  const requestsPerMinute = usesMax === null ? perMinute : null;
  const limits = { requestsPerMinute, concurrency, requestBytesMax, responseBytesMax };
  const bounds = Object.entries(limits).filter(([, bound]) => bound !== null);
  return { tokenId, capabilities, credential, limits: Object.fromEntries(bounds) };
}
