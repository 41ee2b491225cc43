/**
 * HTTP/2 for SDKs that insist on it, as requests like any other.
 *
 * Bedrock's client speaks HTTP/2 with prior knowledge to `http://` (RFC 9113 §3.3), and clients that are
 * offered `h2` in a TLS handshake take it. Their requests are made to look as HTTP/1.1 looks, so that
 * one guard, one set of routes and one audit serve both.
 */

import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import {
  constants,
  createServer,
  Http2ServerRequest,
  Http2ServerResponse,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";

/** Limits of a connection's sessions. Times in milliseconds. */
export interface Http2Limits {
  /** Octets of a request's header list, as RFC 9113 §6.5.2 counts them. */
  readonly headerBytesMax: number;
  /** Requests under way on one connection. */
  readonly streamsMax: number;
  /** A connection without requests. */
  readonly keepAlive: number;
  /** A request on which nothing moves. */
  readonly idle: number;
}

/** A request that came by HTTP/2, with the headers it would have in HTTP/1.1. */
export class Http2Request extends Http2ServerRequest {
  constructor(...args: ConstructorParameters<typeof Http2ServerRequest>) {
    super(...args);
    const { headers, rawHeaders } = this;
    const authority = headers[":authority"];
    const lines = authority === undefined ? [] : ["host", authority];
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] ?? "";
      if (!name.startsWith(":")) lines.push(name, rawHeaders[i + 1] ?? "");
    }
    // A `host` beside `:authority` stays beside it: the guard refuses two.
    headers.host ??= authority;
    if (!this.stream.endAfterHeaders && headers["content-length"] === undefined) {
      // What says in HTTP/1.1 that a body follows whose length nobody knows.
      (headers as IncomingHttpHeaders)["transfer-encoding"] = "chunked";
    }
    Object.defineProperties(this, {
      rawHeaders: { value: lines },
      // What the guard takes; a request line that says `HTTP/2.0` is not this.
      httpVersion: { value: "2" },
    });
  }

  /** Take no more of the body. The answer has been sent, and stands (RFC 9113 §8.1). */
  cut(): void {
    this.stream.close(constants.NGHTTP2_NO_ERROR);
  }
}

/** A response that goes by HTTP/2, for whoever writes HTTP/1.1. */
export class Http2Response extends Http2ServerResponse<Http2Request> {
  constructor(stream: ServerHttp2Stream) {
    super(stream);
    Object.defineProperty(this, "writableFinished", {
      // Node's says so as well of a stream that was reset.
      get: () => this.writableEnded && stream.rstCode === constants.NGHTTP2_NO_ERROR,
    });
  }

  /** There is no status text in HTTP/2; a header that occurs twice goes twice. */
  override writeHead(
    status: number,
    textOrHeaders?: string | OutgoingHttpHeaders | readonly string[],
    headers: OutgoingHttpHeaders | readonly string[] = {},
  ): this {
    const given = typeof textOrHeaders === "object" ? textOrHeaders : headers;
    if (!isList(given)) return super.writeHead(status, given);
    for (let i = 0; i + 1 < given.length; i += 2) {
      this.appendHeader(given[i] ?? "", given[i + 1] ?? "");
    }
    return super.writeHead(status);
  }

  /** End it so that nobody takes what was sent for the whole. */
  override destroy(): this {
    this.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    return this;
  }
}

function isList(headers: OutgoingHttpHeaders | readonly string[]): headers is readonly string[] {
  return Array.isArray(headers);
}

export interface Http2Listener {
  /** Serve a connection on which nothing of HTTP/2 was read, or what was is still in it. */
  serve(socket: Socket): void;
  /** Take no new requests. */
  close(): void;
  /** Cut every connection. */
  destroy(): void;
}

/** Serve HTTP/2 on connections that somebody else accepts. */
export function createHttp2Listener(
  limits: Http2Limits,
  accept: (request: Http2Request, response: Http2Response, waits: boolean) => void,
): Http2Listener {
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer({
    Http2ServerRequest: Http2Request,
    Http2ServerResponse: Http2Response,
    settings: {
      enablePush: false,
      maxConcurrentStreams: limits.streamsMax,
      maxHeaderListSize: limits.headerBytesMax,
    },
  });
  server.on("request", (request, response) => accept(request, response, false));
  server.on("checkContinue", (request, response) => accept(request, response, true));
  server.on("checkExpectation", (request, response) => accept(request, response, false));
  server.on("session", (session) => {
    sessions.add(session);
    let streams = 0;
    const expire = () => {
      if (streams === 0) session.destroy();
    };
    session.setTimeout(limits.keepAlive, expire);
    session.on("stream", (stream: ServerHttp2Stream) => {
      streams += 1;
      stream.setTimeout(limits.idle, () => stream.close(constants.NGHTTP2_CANCEL));
      stream.once("close", () => {
        streams -= 1;
        if (!session.destroyed) session.setTimeout(limits.keepAlive);
      });
    });
    // A peer that breaks the protocol has lost its connection by then.
    session.on("error", () => undefined);
    session.once("close", () => sessions.delete(session));
  });
  return {
    serve: (socket) => void server.emit("connection", socket),
    close() {
      for (const session of sessions) session.close();
    },
    destroy() {
      for (const session of sessions) session.destroy();
    },
  };
}

/** The first line of the connection preface, RFC 9113 §3.4; what follows is for the session to check. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n", "latin1");

/**
 * Look at what a client says first, and leave it to be read.
 *
 * @param withinMs - A client that has not shown by then what it speaks is cut off.
 * @param decide - Called once: with true when it begins as HTTP/2 does.
 */
export function detectHttp2(
  socket: Socket,
  withinMs: number,
  decide: (isHttp2: boolean) => void,
): void {
  const cut = () => socket.destroy();
  const timer = setTimeout(cut, withinMs);
  const stop = () => {
    clearTimeout(timer);
    socket.off("readable", look).off("end", cut).off("error", cut).off("close", stop);
  };
  let octets: Buffer = Buffer.alloc(0);
  const look = () => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    octets = Buffer.concat([octets, chunk]);
    const begin = octets.subarray(0, PREFACE.length);
    const isLike = begin.equals(PREFACE.subarray(0, begin.length));
    if (isLike && begin.length < PREFACE.length) return;
    stop();
    socket.unshift(octets);
    decide(isLike);
  };
  socket.on("readable", look).on("end", cut).on("error", cut).on("close", stop);
}
