/** The client's half of an opening handshake, RFC 6455 §4.2.1. */

import { type SocketHead, webSocketAccept } from "@aivault/broker";
import { RESPONSE_HEADERS } from "@aivault/client/protocol";
import type { HeaderPair } from "@aivault/policy";
import type { Exchange } from "../exchange.ts";
import { Problem } from "../problem.ts";
import type { Upgrade } from "./upgrade.ts";

export interface Handshake {
  readonly upgrade: Upgrade;
  readonly key: string;
  /** Sub-protocols the client offers, in its order. */
  readonly protocols: readonly string[];
}

/** Base64 of 16 octets. */
const KEY = /^[A-Za-z0-9+/]{22}==$/;

/** @throws {Problem} `invalid_request`: no handshake, or not one of RFC 6455. */
export function requireHandshake({ upgrade, request, response }: Exchange): Handshake {
  if (upgrade === null) {
    throw new Problem("invalid_request", "this is a WebSocket: ask for `Upgrade: websocket`");
  }
  const { "sec-websocket-version": version, "sec-websocket-key": key } = request.headers;
  if (version !== "13") {
    response.setHeader("sec-websocket-version", "13");
    throw new Problem(
      "invalid_request",
      "only version 13 of the WebSocket protocol is spoken here",
    );
  }
  if (key === undefined || !KEY.test(key)) {
    throw new Problem("invalid_request", "`sec-websocket-key` must be 16 octets in base64");
  }
  const offered = request.headers["sec-websocket-protocol"];
  const protocols = offered === undefined ? [] : offered.split(",").map((name) => name.trim());
  return { upgrade, key, protocols };
}

/** The headers of the answer that makes a connection a WebSocket. */
export function handshakeHeaders(
  key: string,
  requestId: string,
  protocol: string | null,
): HeaderPair[] {
  return [
    { name: "upgrade", value: "websocket" },
    { name: "connection", value: "Upgrade" },
    { name: "sec-websocket-accept", value: webSocketAccept(key) },
    ...(protocol === null ? [] : [{ name: "sec-websocket-protocol", value: protocol }]),
    { name: RESPONSE_HEADERS.requestId, value: requestId },
  ];
}

/** What is said of where a WebSocket leads, as of any response. */
export function planHeaders({ plan }: SocketHead): HeaderPair[] {
  return [
    { name: RESPONSE_HEADERS.capability, value: plan.capability },
    { name: RESPONSE_HEADERS.credential, value: plan.credential },
    { name: RESPONSE_HEADERS.method, value: plan.method },
    { name: RESPONSE_HEADERS.url, value: plan.url },
  ];
}
