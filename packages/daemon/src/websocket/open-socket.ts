/** Handing a WebSocket to the broker, as `invoke.ts` hands it a request. */

import type { Duplex } from "node:stream";
import type { Invocation, SocketHead } from "@aivault/broker";
import type { Exchange } from "../exchange.ts";
import { Problem } from "../problem.ts";
import type { Services } from "../services.ts";
import { invocationContext } from "../tokens/invocation-context.ts";
import type { TokenChain } from "../tokens/token-store.ts";
import type { Upgrade } from "./upgrade.ts";

export interface OpenSocketOptions {
  readonly exchange: Exchange;
  readonly upgrade: Upgrade;
  readonly services: Services;
  /** Without its context, which the chain is. */
  readonly invocation: Omit<Invocation, "context">;
  /** Already checked against `invocation`. */
  readonly chain: TokenChain | null;
  /** Sub-protocols to offer to the provider. */
  readonly protocols: readonly string[];
  /** Tell the caller that the provider has agreed. */
  readonly agree: (head: SocketHead) => void;
}

/**
 * Open a WebSocket, and resolve when both ends are closed.
 *
 * @throws What the broker throws, as long as nothing was relayed.
 */
export async function openSocket(options: OpenSocketOptions): Promise<void> {
  const { exchange, upgrade, services, invocation, chain, protocols } = options;
  if (chain !== null) await services.engine.tokens.spend(chain);
  const context = invocationContext(chain);
  const stream = chain === null ? null : services.engine.streams.begin(chain);
  const signal =
    stream === null ? exchange.signal : AbortSignal.any([exchange.signal, stream.signal]);
  // From here on the broker records what is decided, and a closing daemon waits for no natural end.
  exchange.invoked();
  exchange.endless();
  const accept = (head: SocketHead): Duplex => {
    options.agree(head);
    return upgrade.relay();
  };
  const startedMs = performance.now();
  let outcome: "completed" | "failed" = "failed";
  try {
    await services.engine
      .broker()
      .openSocket(
        context === undefined ? invocation : { ...invocation, context },
        protocols,
        accept,
        signal,
      );
    outcome = "completed";
  } catch (error) {
    // Both ends are closed by then, and there is nobody to tell.
    if (upgrade.relayed) {
      services.log.warn(
        { requestId: exchange.requestId, err: error },
        "a WebSocket was broken off",
      );
    } else if (stream?.signal.aborted === true) {
      throw new Problem("token_invalid", "the token has ended", { cause: error });
    } else {
      throw error;
    }
  } finally {
    stream?.end();
    services.metrics.invoked(outcome, (performance.now() - startedMs) / 1000);
  }
}
