/** Handing an invocation to the broker, and its answer to the caller. */

import { finished } from "node:stream/promises";
import type { Invocation, ResponseSink } from "@aivault/broker";
import type { Exchange } from "./exchange.ts";
import { Problem } from "./problem.ts";
import { type HttpResponseSink, responseSink } from "./response-sink.ts";
import type { Services } from "./services.ts";
import { invocationContext } from "./tokens/invocation-context.ts";
import type { TokenChain } from "./tokens/token-store.ts";

export interface InvokeOptions {
  readonly exchange: Exchange;
  readonly services: Services;
  /** Without its context, which the chain is. */
  readonly invocation: Omit<Invocation, "context">;
  /** Already checked against `invocation`. */
  readonly chain: TokenChain | null;
  /** Changes the response on its way; default none. */
  readonly through?: (sink: ResponseSink) => ResponseSink;
}

/**
 * Invoke, and resolve when the whole response was handed to the connection, or was broken off.
 *
 * @throws What the broker throws, as long as the head has not been sent.
 */
export async function invoke(options: InvokeOptions): Promise<void> {
  const { exchange, services, invocation, chain, through } = options;
  if (chain !== null) await services.engine.tokens.spend(chain);
  const context = invocationContext(chain);
  const stream = chain === null ? null : services.engine.streams.begin(chain);
  const signal =
    stream === null ? exchange.signal : AbortSignal.any([exchange.signal, stream.signal]);
  const sink = responseSink(exchange.response, exchange.requestId);
  // From here on the broker records what is decided.
  exchange.invoked();
  const startedMs = performance.now();
  let outcome: "completed" | "failed" = "failed";
  try {
    await services.engine
      .broker()
      .invoke(
        context === undefined ? invocation : { ...invocation, context },
        through?.(sink) ?? sink,
        signal,
      );
    outcome = "completed";
  } catch (error) {
    breakOff(options, sink, error, stream?.signal.aborted ?? false);
    return;
  } finally {
    stream?.end();
    services.metrics.invoked(outcome, (performance.now() - startedMs) / 1000);
  }
  // A request that is still being sent is cut after its answer, and not before that has left.
  if (!exchange.request.complete) await finished(exchange.response).catch(() => undefined);
}

function breakOff(
  { exchange, services }: InvokeOptions,
  sink: HttpResponseSink,
  error: unknown,
  tokenEnded: boolean,
): void {
  if (sink.started) {
    // The head is out. The one honest thing left is an ending that no client takes for the end.
    const { requestId, response } = exchange;
    services.log.warn({ requestId, err: error }, "a response was broken off");
    response.destroy();
    return;
  }
  if (tokenEnded) throw new Problem("token_invalid", "the token has ended", { cause: error });
  throw error;
}
