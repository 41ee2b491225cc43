/** One request on its way through the daemon, as its route sees it. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import type { Principal } from "@aivault/broker";
import type { Upgrade } from "./websocket/upgrade.ts";

/** Which socket a request came in by. What it may reach follows from this and nothing it says. */
export type SocketKind = "caller" | "operator";

export interface Exchange {
  readonly requestId: string;
  readonly socket: SocketKind;
  readonly principal: Principal;
  /** Say by which token the principal proved itself; it is on record from then on. */
  identify(tokenId: string): void;
  readonly request: IncomingMessage;
  /** The request's body: the request itself, until somebody has read it and put what it was here. */
  body: Readable;
  readonly response: ServerResponse;
  /** The connection, where the request asks to make a WebSocket of it. */
  readonly upgrade: Upgrade | null;
  /** What stood where the route's pattern has `{name}`, percent-decoded. */
  readonly parameters: ReadonlyMap<string, string>;
  /** The target without its query, octets as they came. */
  readonly path: string;
  /** The query of the target, without `?`, undecoded. */
  readonly query: string;
  /** Aborted when the peer has gone before it had the whole answer, or the daemon closes. */
  readonly signal: AbortSignal;
  /** Tell a client that waits with `Expect: 100-continue` to send its body. Idempotent. */
  continueBody(): void;
  /**
   * Say that the broker has it now: it records what happens, and locking the vault ends it. Until then
   * the adapter records a refusal.
   */
  invoked(): void;
  /** Say that the answer has no end of its own, so that nobody waits for it when the daemon closes. */
  endless(): void;
}

/** A JSON answer. */
export interface Reply {
  readonly status: number;
  readonly body: unknown;
}

export function ok(body: unknown): Reply {
  return { status: 200, body };
}

/** What stood in the target where the route has `{name}`. */
export function parameter({ parameters }: Exchange, name: string): string {
  const value = parameters.get(name);
  if (value === undefined) throw new RangeError(`the route has no {${name}}`);
  return value;
}
