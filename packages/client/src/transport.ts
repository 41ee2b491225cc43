/**
 * One HTTP exchange over a unix socket: streaming both ways, cancelled from either side.
 *
 * A request is written once. The only second attempt is a `GET` on a kept-alive connection that the
 * daemon had already closed; anything that could run a call is never repeated (W-D1).
 */
import {
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from "node:http";
import { SocketAgent } from "./connect.ts";
import { AivaultError, isAivaultError } from "./errors.ts";

/** Octets of a request body. An iterable is pulled only as fast as the daemon reads. */
export type TransportBody = string | Uint8Array | AsyncIterable<Uint8Array>;

export interface TransportRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: TransportBody | null;
  /** Aborts the exchange at any point, also while the response is read. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to the response's headers; unlimited without it. */
  readonly timeoutMs?: number | undefined;
}

/** The socket's other end, as the rest of this package sees it. */
export interface Transport {
  /** The socket in use, else the first that would be tried. */
  readonly socket: string;
  /**
   * @returns The response with its body unread.
   * @throws {AivaultError} `CLIENT_DAEMON_UNREACHABLE`, `CLIENT_RESPONSE_BROKEN`,
   * `CLIENT_PROTOCOL_MISMATCH`, `CLIENT_ABORTED`, `CLIENT_TIMEOUT`. An error that the body's own
   * iterable throws is passed on as it is.
   */
  send(request: TransportRequest): Promise<IncomingMessage>;
  /** Close idle connections, and end those in use. */
  close(): void;
}

/** A transport to the first of `sockets` that accepts a connection. */
export function unixTransport(sockets: readonly [string, ...string[]]): Transport {
  const agent = new SocketAgent(sockets);
  return {
    get socket() {
      return agent.path;
    },
    send: (request) => sendOnce(agent, request, request.method === "GET"),
    close: () => agent.destroy(),
  };
}

async function sendOnce(
  agent: SocketAgent,
  options: TransportRequest,
  mayRepeat: boolean,
): Promise<IncomingMessage> {
  const { signal, timeoutMs } = options;
  if (signal?.aborted) throw aborted(signal);
  const target: RequestOptions & { readonly servername: string } = {
    agent,
    method: options.method,
    path: options.path,
    headers: { host: "aivault", ...options.headers, ...framing(options) },
    // There is no TLS to name a server for; deriving a name would compile two large patterns, 4 ms.
    servername: "",
  };
  const request = httpRequest(target);

  const abort = () => request.destroy(aborted(signal as AbortSignal));
  signal?.addEventListener("abort", abort, { once: true });
  request.once("close", () => signal?.removeEventListener("abort", abort));
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => request.destroy(late(timeoutMs)), timeoutMs);

  try {
    const response = answer(request);
    // The body's own failure decides the outcome when it comes first: the request is destroyed with it.
    pump(options.body ?? null, request).catch((error: unknown) => request.destroy(toError(error)));
    return await response;
  } catch (error) {
    if (mayRepeat && request.reusedSocket && isBroken(error))
      return sendOnce(agent, options, false);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function answer(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once("response", (response) => {
      // A daemon that has answered in full wants no more of the body.
      response.once("end", () => {
        if (!request.writableEnded) request.destroy();
      });
      resolve(response);
    });
    // Stays attached: after the response has begun the same failure reaches whoever reads the body.
    request.on("error", (error) => reject(requestError(error)));
    request.once("close", () => reject(broken()));
  });
}

function framing({ method, body }: TransportRequest): Record<string, string> {
  if (body === undefined || body === null) return method === "GET" ? {} : { "content-length": "0" };
  if (typeof body === "string" || body instanceof Uint8Array) {
    return { "content-length": String(Buffer.byteLength(body)) };
  }
  return { "transfer-encoding": "chunked" };
}

async function pump(body: TransportBody | null, request: ClientRequest): Promise<void> {
  if (body === null || typeof body === "string" || body instanceof Uint8Array) {
    request.end(body ?? undefined);
    return;
  }
  const closed = new Promise<"closed">((resolve) => {
    request.once("close", () => resolve("closed"));
  });
  const iterator = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), closed]);
      if (next === "closed") return;
      if (next.done === true) break;
      if (!request.write(next.value) && (await drained(request, closed)) === "closed") return;
    }
    request.end();
  } finally {
    // Lets a file close and a producer stop, whichever side ended the exchange.
    iterator.return?.(undefined).catch(() => {});
  }
}

function drained(request: ClientRequest, closed: Promise<"closed">): Promise<"closed" | undefined> {
  const drain = new Promise<undefined>((resolve) => {
    request.once("drain", () => resolve(undefined));
  });
  return Promise.race([drain, closed]);
}

/**
 * The chunks of a response body, as they arrive.
 *
 * @throws {AivaultError} `CLIENT_RESPONSE_BROKEN` when the body ends early, `CLIENT_ABORTED` when the
 * caller's signal ended it.
 */
export async function* bodyChunks(
  response: IncomingMessage,
  signal?: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of response) yield chunk as Uint8Array;
  } catch (error) {
    if (signal?.aborted) throw aborted(signal);
    throw isAivaultError(error) ? error : cutShort(response, error);
  }
  if (!response.complete) throw signal?.aborted ? aborted(signal) : cutShort(response);
}

function cutShort(response: IncomingMessage, cause?: unknown): AivaultError {
  return new AivaultError("CLIENT_RESPONSE_BROKEN", "the answer ended before it was complete", {
    requestId: headerOf(response, "aivault-request-id"),
    hint: "`aivault audit` says what became of the call",
    cause,
  });
}

function requestError(error: Error): Error {
  if (isAivaultError(error) || !("code" in error)) return error;
  const code = String(error.code);
  if (code.startsWith("HPE_")) {
    return new AivaultError(
      "CLIENT_PROTOCOL_MISMATCH",
      "the socket's other end does not speak HTTP",
      {
        hint: "check that AIVAULTD_SOCKET names a socket of aivaultd",
        cause: error,
      },
    );
  }
  return ["ECONNRESET", "EPIPE", "ERR_STREAM_PREMATURE_CLOSE"].includes(code)
    ? broken(error)
    : error;
}

function broken(cause?: unknown): AivaultError {
  return new AivaultError(
    "CLIENT_RESPONSE_BROKEN",
    "aivaultd closed the connection before it answered",
    {
      hint: "the call may have run; `aivault audit` says so",
      cause,
    },
  );
}

function isBroken(error: unknown): boolean {
  return isAivaultError(error) && error.code === "CLIENT_RESPONSE_BROKEN";
}

function aborted(signal: AbortSignal): AivaultError {
  return new AivaultError("CLIENT_ABORTED", "aborted by the caller", { cause: signal.reason });
}

function late(timeoutMs: number): AivaultError {
  return new AivaultError("CLIENT_TIMEOUT", `aivaultd gave no answer within ${timeoutMs} ms`, {
    hint: "the call may have run; `aivault audit` says so",
  });
}

function toError(value: unknown): Error {
  return value instanceof Error ? value : new Error("the request body failed", { cause: value });
}

/** A response header's first value, or null. */
export function headerOf(response: IncomingMessage, name: string): string | null {
  const value = response.headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? null;
}
