/**
 * A connection that asks to become a WebSocket, and how far that has come.
 *
 * Node hands every request with `Upgrade` to the listener of `upgrade` once there is one, bodies and
 * all, whatever it asks for: curl's `h2c` too. {@link CallerRequest} lets Node see only those that this
 * daemon means to serve; the rest are ordinary requests whose `Upgrade` is ignored (RFC 9110 §7.8).
 */

import { IncomingMessage, validateHeaderValue } from "node:http";
import type { Socket } from "node:net";
import type { HeaderPair } from "@aivault/policy";
import type { ProblemFacts } from "../problem.ts";
import { CLOSE_CODE, closeFrame, textFrame } from "./frame.ts";

/** A request as a caller's listener parses it: `upgrade` is true for WebSocket handshakes alone. */
export class CallerRequest extends IncomingMessage {
  declare private asksForUpgrade: boolean | undefined;

  get upgrade(): boolean {
    if (this.asksForUpgrade !== true) return false;
    return this.method === "CONNECT" || isWebSocket(this);
  }

  // Set by Node's parser, and by the constructor before anything here exists.
  set upgrade(asked: boolean) {
    this.asksForUpgrade = asked;
  }
}

/** RFC 6455 §4.1: a GET without a body. Behind anything else could stand octets that are no frames. */
function isWebSocket({ method, headers, httpVersion }: IncomingMessage): boolean {
  const { upgrade = "", "content-length": length = "0" } = headers;
  return (
    method === "GET" &&
    httpVersion === "1.1" &&
    upgrade.split(",").some((name) => name.trim().toLowerCase() === "websocket") &&
    length === "0" &&
    headers["transfer-encoding"] === undefined
  );
}

/** One connection on its way to being a WebSocket. */
export class Upgrade {
  readonly socket: Socket;
  #state: "asked" | "accepted" | "relayed" = "asked";

  /** @param head - What came behind the request already. */
  constructor(socket: Socket, head: Buffer) {
    this.socket = socket;
    if (head.length > 0) socket.unshift(head);
  }

  /** The handshake was answered: from here on there are frames, and no HTTP response. */
  get accepted(): boolean {
    return this.#state !== "asked";
  }

  /** The broker has both ends, and closes this one. */
  get relayed(): boolean {
    return this.#state === "relayed";
  }

  /** Answer the handshake with 101. Names and values were checked by whoever made them. */
  accept(headers: readonly HeaderPair[]): void {
    const lines = headers.map(({ name, value }) => {
      validateHeaderValue(name, value);
      return `${name}: ${value}\r\n`;
    });
    this.#state = "accepted";
    this.socket.setNoDelay(true);
    this.socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join("")}\r\n`, "latin1");
  }

  /** Hand the connection to the broker, whose deadlines hold from here on. */
  relay(): Socket {
    this.#state = "relayed";
    this.socket.setTimeout(0);
    this.socket.resume();
    return this.socket;
  }

  /** Tell a refusal in frames: the problem as text, then the end (RFC 6455 §7.4.1). */
  refuse(requestId: string, { status, code, reason, message, hint }: ProblemFacts): void {
    if (this.relayed || !this.socket.writable) {
      this.socket.destroy();
      return;
    }
    const problem = {
      error: code,
      ...(reason === null ? {} : { reason }),
      message,
      ...(hint === null ? {} : { hint }),
      requestId,
    };
    this.socket.write(textFrame(JSON.stringify(problem)));
    const closeCode = status === 429 || status === 423 ? CLOSE_CODE.later : CLOSE_CODE.policy;
    this.socket.write(closeFrame(status >= 500 ? CLOSE_CODE.failed : closeCode, code));
    this.socket.destroySoon();
  }
}
