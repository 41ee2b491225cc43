/** What is running under which token, so that a token's end is the end of that too (G13). */

import { BrokerError } from "@aivault/broker";
import { Problem } from "../problem.ts";
import type { TokenRecord } from "./token-record.ts";
import type { TokenChain } from "./token-store.ts";

/** `setTimeout` takes no more; a token that lives longer is looked at again then. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class TokenStreams {
  readonly #now: () => number;
  readonly #running = new Map<string, Set<AbortController>>();
  /** A few octets for each that an operator has revoked since the daemon started. */
  readonly #revoked = new Set<string>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * Begin something under a verified chain.
   *
   * @returns `signal` is aborted when a token of the chain is revoked or expires; `end` MUST be called
   * when it is over.
   * @throws {Problem} `token_invalid`: that has happened since the chain was verified.
   */
  begin(chain: TokenChain): { readonly signal: AbortSignal; end(): void } {
    // G13: between the two a body was read, for as long as its sender liked to take.
    const hasEnded = ({ tokenId, expiresAtMs }: TokenRecord) =>
      this.#revoked.has(tokenId) || expiresAtMs <= this.#now();
    if (chain.some(hasEnded)) throw new Problem("token_invalid", "the token has ended");
    const abort = new AbortController();
    for (const { tokenId } of chain) {
      const running = this.#running.get(tokenId) ?? new Set();
      this.#running.set(tokenId, running.add(abort));
    }
    const expiresAtMs = Math.min(...chain.map((token) => token.expiresAtMs));
    let timer: NodeJS.Timeout | undefined;
    const wait = () => {
      const leftMs = expiresAtMs - this.#now();
      if (leftMs <= 0) abort.abort(ended());
      else timer = setTimeout(wait, Math.min(leftMs, TIMER_MS_MAX)).unref();
    };
    wait();
    return {
      signal: abort.signal,
      end: () => {
        clearTimeout(timer);
        for (const { tokenId } of chain) {
          const running = this.#running.get(tokenId);
          running?.delete(abort);
          if (running?.size === 0) this.#running.delete(tokenId);
        }
      },
    };
  }

  /** End everything that runs under a token or under one derived from it. */
  revoke(tokenId: string): void {
    this.#revoked.add(tokenId);
    for (const abort of this.#running.get(tokenId) ?? []) abort.abort(ended());
  }
}

/** Why it was aborted: a WebSocket is closed with 1008 for it, and not as if the daemon were closing. */
function ended(): BrokerError {
  return new BrokerError("policy_violation", "the token has ended");
}
