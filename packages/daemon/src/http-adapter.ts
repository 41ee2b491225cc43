/**
 * node:http to routes and back: limits in size and time, the guard in front, one place where what was
 * thrown becomes a problem, and one place where refusals are recorded.
 */

import { randomFillSync } from "node:crypto";
import { createServer, IncomingMessage, type Server, ServerResponse } from "node:http";
import { createServer as createTlsServer, Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import type { Duplex, Readable } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { Principal } from "@aivault/broker";
import { CALLER_ROUTES, REQUEST_HEADERS, RESPONSE_HEADERS } from "@aivault/client/protocol";
import type { DenialLimit, DeniedPeer } from "./denial-limit.ts";
import type { Exchange, Reply, SocketKind } from "./exchange.ts";
import { createHttp2Listener, detectHttp2, Http2Request } from "./listen-http2.ts";
import type { Platform } from "./platform/index.ts";
import { Problem, type ProblemFacts, sendProblem } from "./problem.ts";
import { guardRequest } from "./request-guard.ts";
import { type Handler, matchRoute, type Route, unknownRoute } from "./routes.ts";
import type { Services } from "./services.ts";
import { describeError } from "./status.ts";
import type { LocalCertificate } from "./tls/certificate.ts";
import { CallerRequest, Upgrade } from "./websocket/upgrade.ts";

/** Limits of a listener. Sizes in bytes, times in milliseconds. */
export const LIMITS = {
  /** All header lines of a request together. */
  headerBytesMax: 16 * 1024,
  headers: 10_000,
  /** A connection on which nothing moves. Longer than the broker lets an upstream think. */
  idle: 11 * 60_000,
  /** Between two requests of a connection. */
  keepAlive: 30_000,
  connectionsMax: 16_384,
  /** Requests under way on one connection of HTTP/2. */
  streamsMax: 100,
  /** Descriptors kept for the vault, the audit log and the runtime. */
  descriptorsReserved: 40,
  /** A handshake of a WebSocket that is neither answered nor refused, with the provider's part in it. */
  handshake: 5 * 60_000,
  /** After a refusal, what is still being sent is read and dropped up to here, then cut. */
  lingerBytes: 1024 * 1024,
  linger: 2_000,
  /** After cutting, what is still running may write its outcome to the audit log. */
  settle: 2_000,
} as const;

export interface HttpListenerOptions {
  readonly socket: SocketKind;
  readonly routes: readonly Route[];
  /** What serves a request that no route matches; without it there is no such route. */
  readonly fallback?: Handler;
  /** Default: unix. On TCP a caller needs a token, and may speak HTTP/2. */
  readonly transport?: "unix" | "tcp";
  /** PEM. With it every connection begins with a TLS handshake. */
  readonly tls?: LocalCertificate;
  /** Values of Host that name this listener, lower-case. Default: those of a unix socket. */
  readonly authorities?: ReadonlySet<string>;
  readonly services: Services;
  readonly platform: Platform;
  /** How many listeners for callers share the descriptors of the process. Default: 1. */
  readonly listeners?: number;
  /** A connection that asked for more than health has closed. */
  readonly onServed?: () => void;
}

/** One HTTP server; it does not listen yet. */
export interface HttpListener {
  readonly server: Server;
  /** Present another certificate to whoever connects from now on; of a listener that was made with one. */
  replaceCertificate(certificate: LocalCertificate): void;
  /** Abort the invocations that are running, and resolve when they have ended and are recorded. */
  abortInvocations(): Promise<void>;
  /** Invocations whose outcome is not on record yet. */
  readonly invocationsRunning: number;
  /** Stop accepting; let running requests finish, and cut them after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** A request that has not been answered completely. */
interface Running {
  readonly abort: AbortController;
  /** The broker has it. */
  isInvocation: boolean;
  /** It ends when it is told to. */
  isEndless: boolean;
  ended: Promise<void>;
}

/** What a TLS listener presents. */
function secureContextOf({ certificate, authority, key }: LocalCertificate) {
  return { cert: certificate + authority, key, minVersion: "TLSv1.2" } as const;
}

/** Make the server of one socket. */
export function createHttpListener(options: HttpListenerOptions): HttpListener {
  const running = new Set<Running>();
  const served = new WeakSet<Socket>();
  const principals = new WeakMap<Socket, Principal>();
  /** One for each connection, unless a caller has gone; whoever listened to it has stopped. */
  const unusedAborts = new WeakMap<Socket, AbortController>();
  /** Connections that have not shown which HTTP they speak. */
  const undecided = new Set<Socket>();
  /** Connections under a TLS layer, of which Node's server knows only those that it has secured. */
  const encrypted = new Set<Socket>();
  /** Connections that Node's server has let go of. */
  const upgraded = new Set<Socket>();
  let closing = false;

  const http1 = {
    // Callers may open WebSockets; on the operator socket every `Upgrade` is ignored.
    IncomingMessage: options.socket === "caller" ? CallerRequest : IncomingMessage,
    maxHeaderSize: LIMITS.headerBytesMax,
    headersTimeout: LIMITS.headers,
    connectionsCheckingInterval: 1_000,
    // Uploads may take long; a stalled one is ended by the idle limit and the broker's deadlines.
    requestTimeout: 0,
    keepAliveTimeout: LIMITS.keepAlive,
    // Said out loud, because command line options of Node could turn them round.
    insecureHTTPParser: false,
    requireHostHeader: false, // by the guard, with a problem body
    joinDuplicateHeaders: false,
  };
  const { tls } = options;
  const server =
    tls === undefined
      ? createServer(http1)
      : createTlsServer({
          ...http1,
          ...secureContextOf(tls),
          handshakeTimeout: LIMITS.headers,
          ALPNProtocols: ["h2", "http/1.1"],
        });
  server.maxConnections = connectionsMax(options.platform.descriptorsMax(), options.listeners);
  server.timeout = LIMITS.idle;

  const accept = (
    request: IncomingMessage,
    response: ServerResponse,
    waits: boolean,
    upgrade: Upgrade | null = null,
  ) => {
    const { socket } = request;
    const abort = unusedAborts.get(socket) ?? new AbortController();
    unusedAborts.delete(socket);
    const entry: Running = { abort, isInvocation: false, isEndless: false, ended: NOT_BEGUN };
    running.add(entry);
    entry.ended = serve(request, response, waits, upgrade, entry).finally(() =>
      running.delete(entry),
    );
  };
  const http2 =
    options.transport === "tcp"
      ? createHttp2Listener(LIMITS, (request, response, waits) => {
          // The two make themselves look as those of node:http do, to whoever reads and writes them.
          const [like, likewise] = [request as unknown, response as unknown];
          accept(like as IncomingMessage, likewise as ServerResponse, waits);
        })
      : null;
  if (tls !== undefined) {
    server.on("connection", (socket: Socket) => {
      encrypted.add(socket);
      socket.once("close", () => encrypted.delete(socket));
    });
    // Before Node makes a bad request of it: an answer would wait for a handshake that never comes.
    server.prependListener("tlsClientError", (_error: Error, socket: TLSSocket) => {
      socket.destroy();
    });
  }
  if (http2 !== null) {
    const event = tls === undefined ? "connection" : "secureConnection";
    const [serveHttp1] = server.listeners(event);
    server.removeAllListeners(event);
    const serveAs = (socket: Socket, isHttp2: boolean) => {
      if (isHttp2) http2.serve(socket);
      else serveHttp1?.call(server, socket);
    };
    server.on(event, (socket: Socket) => {
      if (tls !== undefined) {
        serveAs(socket, (socket as TLSSocket).alpnProtocol === "h2");
        return;
      }
      undecided.add(socket);
      socket.once("close", () => undecided.delete(socket));
      detectHttp2(socket, LIMITS.headers, (isHttp2) => {
        undecided.delete(socket);
        serveAs(socket, isHttp2);
      });
    });
  }
  server.on("request", (request, response) => accept(request, response, false));
  server.on("checkContinue", (request, response) => accept(request, response, true));
  server.on("checkExpectation", (request, response) => accept(request, response, false));
  if (options.socket === "caller") {
    server.on("upgrade", (request, socket: Socket, head: Buffer) => {
      // Node has let go of the connection. The answer to an earlier request would run into frames.
      if ((socket as { _httpMessage?: unknown })._httpMessage) {
        socket.destroy();
        return;
      }
      socket.on("error", () => undefined);
      socket.setTimeout(LIMITS.handshake, () => socket.destroy());
      upgraded.add(socket);
      socket.once("close", () => upgraded.delete(socket));
      // What is not accepted is answered as any request is, and then the connection ends.
      const response = new ServerResponse(request);
      response.shouldKeepAlive = false;
      response.assignSocket(socket);
      response.once("finish", () => socket.destroySoon());
      accept(request, response, false, new Upgrade(socket, head));
    });
  }
  server.on("clientError", (error, socket) => void refuseConnection(error, socket));
  server.on("connection", (socket: Socket) => {
    socket.on("close", () => {
      if (served.has(socket)) options.onServed?.();
    });
  });

  async function serve(
    request: IncomingMessage,
    response: ServerResponse,
    waits: boolean,
    upgrade: Upgrade | null,
    entry: Running,
  ): Promise<void> {
    const { abort } = entry;
    const { socket } = request;
    const closed = new Promise<void>((resolve) => {
      response.once("close", () => {
        // A relay knows better how one of its ends has closed.
        if (!response.writableFinished && upgrade?.relayed !== true) abort.abort();
        resolve();
      });
    });
    // A broken connection shows in the streams that are being read; nothing else listens to these.
    request.on("error", ignore);
    response.on("error", ignore);
    if (closing) response.shouldKeepAlive = false;

    const [path = "", query = ""] = splitTarget(request.url ?? "");
    const requestId = newRequestId();
    const exchange = new HttpExchange(
      { requestId, socket: options.socket, request, response, upgrade, signal: abort.signal },
      principalOf(socket),
      waits,
      entry,
    );
    try {
      const { handler, parameters, open } = admit(request, exchange.principal, path);
      if (path !== CALLER_ROUTES.health) {
        served.add(socket);
        // On TCP nobody can be told from anybody before a token was verified.
        if (exchange.principal.transport === "unix") {
          requireQuiet(options.services.denials, exchange.principal);
        }
      }
      exchange.route(parameters, path, query);
      if (options.socket === "operator" && !open) await requireSession(request);
      const reply = await handler(exchange, options.services);
      if (reply !== null) sendReply(response, requestId, reply);
    } catch (error) {
      await refuse(response, upgrade, requestId, exchange.principal, error, entry.isInvocation);
    }
    const status = upgrade?.accepted === true ? 101 : response.statusCode;
    options.services.metrics.answered(options.socket, status);
    if (upgrade === null) endReading(request, response);
    await closed;
    // A token's signals are tied to the request's own: those go with it.
    if (entry.isInvocation && !abort.signal.aborted && exchange.principal.tokenId === undefined) {
      unusedAborts.set(socket, abort);
    }
  }

  /** Everything that is decided before a handler runs. */
  function admit(request: IncomingMessage, principal: Principal, path: string) {
    const method = request.method ?? "";
    const { httpVersion, url = "", rawHeaders } = request;
    const refusal = guardRequest({ httpVersion, method, url, rawHeaders }, options.authorities);
    if (refusal !== null) throw refusal;
    const expect = request.headers.expect;
    if (expect !== undefined && expect.toLowerCase() !== "100-continue") {
      throw new Problem("invalid_request", "`expect` takes only 100-continue");
    }
    requireOwner(principal);
    const match = matchRoute(options.routes, method, path);
    if (match !== null) {
      const { handler, open = false } = match.route;
      return { handler, open, parameters: match.parameters };
    }
    if (options.fallback !== undefined) {
      return { handler: options.fallback, open: false, parameters: NONE };
    }
    // G14, G21: on the caller socket an operator's route is as unknown as any other.
    throw unknownRoute();
  }

  /**
   * G14: the permissions of the operator socket admit its owner and root. Where the kernel tells who
   * is there, that is checked on each request as well: a socket can be handed to another process.
   */
  function requireOwner({ kind, uid }: Principal): void {
    if (kind !== "operator" || uid === null || uid === 0 || uid === process.getuid?.()) return;
    throw new Problem("operator_auth_required", "the operator socket serves its owner only");
  }

  /** G14: once there is an operator passphrase, being the owner is not enough to be the operator. */
  async function requireSession(request: IncomingMessage): Promise<void> {
    const { engine } = options.services;
    const session = request.headers[REQUEST_HEADERS.operatorSession];
    engine.requireUnlocked();
    await engine.operators.require(typeof session === "string" ? session : undefined);
  }

  async function refuse(
    response: ServerResponse,
    upgrade: Upgrade | null,
    requestId: string,
    principal: Principal,
    error: unknown,
    isRecorded: boolean,
  ): Promise<void> {
    let problem = describeError(error);
    if (problem.code === "internal") {
      options.services.log.error({ requestId, err: error }, "a request failed");
    }
    if (isDecision(problem)) {
      // The broker has recorded what it refused; it counts all the same. What a provider failed at does not.
      if (!isRecorded) problem = await record(requestId, principal, problem);
      else if (problem.status < 500) options.services.denials.count(deniedPeer(principal));
    }
    options.services.metrics.refused(options.socket, problem.code);
    if (upgrade?.accepted === true) upgrade.refuse(requestId, problem);
    else if (response.headersSent) response.destroy();
    else sendProblem(response, requestId, problem);
  }

  /** A caller's refusals are all decisions about it; an operator's only when policy made them. */
  function isDecision({ code }: ProblemFacts): boolean {
    return options.socket === "caller" || code === "policy_violation";
  }

  /** G18: a denial is recorded before it is told. Nobody can record in a locked vault. */
  async function record(
    requestId: string,
    principal: Principal,
    problem: ProblemFacts,
  ): Promise<ProblemFacts> {
    const { code, reason, message } = problem;
    const { services } = options;
    if (services.vault.locked) return problem;
    const { denials } = services;
    const peer = deniedPeer(principal);
    if (denials.waitOf(peer) !== null) {
      denials.suppress(peer);
      return describeError(tooManyDenials(denials.waitOf(peer)));
    }
    denials.count(peer);
    try {
      await services.engine.broker().denied(requestId, principal, { code, reason, message });
      return problem;
    } catch (error) {
      services.log.error({ requestId, err: error }, "a denial could not be recorded");
      return describeError(error);
    }
  }

  /** Answer what was not HTTP. */
  async function refuseConnection(error: NodeJS.ErrnoException, socket: Duplex): Promise<void> {
    const tooLarge = error.code === "HPE_HEADER_OVERFLOW";
    const late = error.code === "ERR_HTTP_REQUEST_TIMEOUT";
    // An answer in the middle of another would be taken for its continuation.
    const current = (socket as { _httpMessage?: ServerResponse | null })._httpMessage;
    if (!socket.writable || error.code === "ECONNRESET" || current?.headersSent === true) {
      socket.destroy();
      return;
    }
    const requestId = newRequestId();
    const message = tooLarge
      ? "the header lines are too large"
      : late
        ? "the request took too long"
        : "the request is not valid HTTP/1.1";
    const refusal = describeError(
      new Problem(tooLarge ? "request_too_large" : "invalid_request", message),
    );
    const principal = principalOf(socket as Socket);
    const problem = late ? refusal : await record(requestId, principal, refusal);
    if (socket.writable) socket.end(rawProblem(requestId, problem), () => socket.destroy());
    else socket.destroy();
  }

  function principalOf(socket: Socket): Principal {
    const known = principals.get(socket);
    if (known !== undefined) return known;
    const peer = options.transport === "tcp" ? null : options.platform.peerOf(socket);
    const principal: Principal = {
      kind: options.socket,
      transport: options.transport ?? "unix",
      uid: peer?.uid ?? null,
      pid: peer?.pid ?? null,
    };
    principals.set(socket, principal);
    return principal;
  }

  async function abort(entries: readonly Running[]): Promise<void> {
    for (const { abort } of entries) abort.abort();
    await settleWithin(entries, LIMITS.settle);
  }

  return {
    server,
    replaceCertificate(certificate) {
      if (server instanceof TlsServer) server.setSecureContext(secureContextOf(certificate));
    },
    get invocationsRunning() {
      return [...running].filter(({ isInvocation }) => isInvocation).length;
    },
    abortInvocations: () => abort([...running].filter(({ isInvocation }) => isInvocation)),
    async close(graceMs) {
      closing = true;
      const closed = new Promise<void>((resolve) => {
        // The error is that it was never listening.
        server.close(() => resolve());
      });
      server.closeIdleConnections();
      http2?.close();
      for (const socket of undecided) socket.destroy();
      await abort([...running].filter(({ isEndless }) => isEndless));
      await settleWithin([...running], graceMs);
      await abort([...running]);
      server.closeAllConnections();
      http2?.destroy();
      for (const socket of [...upgraded, ...encrypted]) socket.destroy();
      await closed;
    },
  };
}

/**
 * How many connections a listener takes: each may need another to a provider, and the vault and its audit log
 * must be able to open files whatever callers do, on however many listeners at a time.
 */
export function connectionsMax(descriptorsMax: number | null, listeners = 1): number {
  if (descriptorsMax === null) return LIMITS.connectionsMax;
  const left = Math.floor((descriptorsMax - LIMITS.descriptorsReserved) / Math.max(2, listeners));
  return Math.max(1, Math.min(LIMITS.connectionsMax, left));
}

/**
 * Whose denials are counted together: a token's, or a process's, or those of everybody on TCP. What
 * callers do, known or unknown, never uses up an operator's share.
 */
export function deniedPeer({ kind, tokenId, transport, uid, pid }: Principal): DeniedPeer {
  const account = `${kind}:${transport}:${uid ?? "unknown"}`;
  const name = tokenId === undefined ? `${account}:${pid ?? "unknown"}` : `token:${tokenId}`;
  return { name, account };
}

/** @throws {Problem} `rate_limited`: this peer has been refused too often lately. */
export function requireQuiet(denials: DenialLimit, principal: Principal): void {
  const waitMs = denials.waitOf(deniedPeer(principal));
  if (waitMs !== null) throw tooManyDenials(waitMs);
}

function tooManyDenials(waitMs: number | null): Problem {
  return new Problem("rate_limited", "too many of your requests were refused lately", {
    retryAfterMs: waitMs ?? 1_000,
  });
}

const NONE: ReadonlyMap<string, string> = new Map();

/** A class, and not an object with accessors of its own, which would be slow to make and to read. */
class HttpExchange implements Exchange {
  readonly requestId: string;
  readonly socket: SocketKind;
  readonly request: IncomingMessage;
  body: Readable;
  readonly response: ServerResponse;
  readonly upgrade: Upgrade | null;
  readonly signal: AbortSignal;
  parameters: ReadonlyMap<string, string> = NONE;
  path = "";
  query = "";
  #principal: Principal;
  #mayContinue: boolean;
  readonly #running: Running;

  constructor(
    of: Pick<Exchange, "requestId" | "socket" | "request" | "response" | "upgrade" | "signal">,
    principal: Principal,
    waits: boolean,
    running: Running,
  ) {
    this.requestId = of.requestId;
    this.socket = of.socket;
    this.request = of.request;
    this.body = of.request;
    this.response = of.response;
    this.upgrade = of.upgrade;
    this.signal = of.signal;
    this.#principal = principal;
    this.#mayContinue = waits;
    this.#running = running;
  }

  /** Note where the request leads. */
  route(parameters: ReadonlyMap<string, string>, path: string, query: string): void {
    this.parameters = parameters;
    this.path = path;
    this.query = query;
  }

  get principal(): Principal {
    return this.#principal;
  }

  identify(tokenId: string): void {
    this.#principal = { ...this.#principal, tokenId };
  }

  continueBody(): void {
    if (this.#mayContinue) this.response.writeContinue();
    this.#mayContinue = false;
  }

  invoked(): void {
    this.#running.isInvocation = true;
  }

  endless(): void {
    this.#running.isEndless = true;
  }
}
const NOT_BEGUN = Promise.resolve();
const ignore = (): void => undefined;

async function settleWithin(entries: readonly Running[], ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([Promise.all(entries.map(({ ended }) => ended)), late]);
  clearTimeout(timer);
}

/**
 * After an answer to a request that is still being sent: read on for a little, so that the client gets
 * to read the answer, then cut the connection. Closing at once would reset it under the answer.
 */
function endReading(request: IncomingMessage, response: ServerResponse): void {
  if (request.complete || request.destroyed) return;
  let bytes = 0;
  const cut = () => {
    // The connection has other requests on it.
    if (request instanceof Http2Request) request.cut();
    else request.socket.destroy();
  };
  const timer = setTimeout(cut, LIMITS.linger);
  timer.unref();
  request.on("data", (chunk: Uint8Array) => {
    bytes += chunk.length;
    if (bytes > LIMITS.lingerBytes) cut();
  });
  request.once("close", () => clearTimeout(timer));
  request.once("end", () => clearTimeout(timer));
  response.once("close", () => {
    if (!request.complete) request.resume();
  });
  request.resume();
}

function sendReply(response: ServerResponse, requestId: string, { status, body }: Reply): void {
  const octets = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": octets.length,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    [RESPONSE_HEADERS.requestId]: requestId,
  });
  response.end(octets);
}

function rawProblem(requestId: string, { status, code, message }: ProblemFacts): string {
  const body = JSON.stringify({ error: code, message, requestId });
  return [
    `HTTP/1.1 ${status} Refused`,
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
    `${RESPONSE_HEADERS.error}: ${code}`,
    `${RESPONSE_HEADERS.requestId}: ${requestId}`,
    "",
    body,
  ].join("\r\n");
}

function splitTarget(url: string): [path: string, query: string] {
  const mark = url.indexOf("?");
  return mark < 0 ? [url, ""] : [url.slice(0, mark), url.slice(mark + 1)];
}

const REQUEST_ID_BYTES = 12;
/** Drawn for many requests at once: asking costs more than the octets. */
const randomPool = Buffer.alloc(REQUEST_ID_BYTES * 256);
let randomLeft = 0;

// 96 bits: two requests of one vault's audit log do not share an id by chance.
function newRequestId(): string {
  if (randomLeft === 0) {
    randomFillSync(randomPool);
    randomLeft = randomPool.length;
  }
  randomLeft -= REQUEST_ID_BYTES;
  return randomPool.toString("base64url", randomLeft, randomLeft + REQUEST_ID_BYTES);
}
