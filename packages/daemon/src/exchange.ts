/** One request on its way through the daemon, as its route sees it. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Principal } from "@aivault/broker";

/** Which socket a request came in by. What it may reach follows from this and nothing it says. */
export type SocketKind = "caller" | "operator";

export interface Exchange {
  readonly requestId: string;
  readonly socket: SocketKind;
  readonly principal: Principal;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** What stood where the route's pattern has `{name}`, percent-decoded. */
  readonly parameters: ReadonlyMap<string, string>;
  /** The query of the target, without `?`, undecoded. */
  readonly query: string;
  /** Aborted when the peer has gone before it had the whole answer, or the daemon closes. */
  readonly signal: AbortSignal;
  /** Tell a client that waits with `Expect: 100-continue` to send its body. Idempotent. */
  continueBody(): void;
  /**
   * Say that the refusal of this request, if there is one, is already in the audit log. Until then
   * the adapter records it.
   */
  recorded(): void;
}

/** A JSON answer. */
export interface Reply {
  readonly status: number;
  readonly body: unknown;
}

export function ok(body: unknown): Reply {
  return { status: 200, body };
}
