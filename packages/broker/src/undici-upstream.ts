import type { Duplex } from "node:stream";
import { Agent, type Dispatcher } from "undici";
import { type ConnectOptions, createConnect, type InternalService, vouchedFor } from "./connect.ts";
import { BrokerError, isBrokerError } from "./errors.ts";
import type {
  ClientCertificate,
  Upstream,
  UpstreamControl,
  UpstreamHandler,
  UpstreamRequest,
} from "./upstream.ts";

/** How the upstream connects. */
export interface UndiciUpstreamOptions extends ConnectOptions {
  /** Accepted for completeness: HTTP/1.1 is all that is spoken. */
  readonly http1Only?: boolean;
}

/** An {@link Upstream} whose internal services can change. */
export interface UndiciUpstream extends Upstream {
  /**
   * Replaces what internal services may be reached. Requests that are running end by themselves; no later
   * one goes over a connection that was made under the former list.
   */
  allowInternal(services: readonly InternalService[]): void;
}

/** Connections per host; further requests wait for one. */
const CONNECTIONS_MAX = 256;
/** Client certificates whose TLS contexts and connections are kept. */
const CERTIFICATE_POOLS_MAX = 32;
const RESPONSE_HEAD_BYTES_MAX = 65_536;

/**
 * Makes the {@link Upstream} that speaks to the real network: HTTP/1.1 over pooled TLS connections.
 *
 * The development options are for a vault that was created as a development vault, and nobody else.
 */
export function createUndiciUpstream(given: UndiciUpstreamOptions = {}): UndiciUpstream {
  let options = given;
  let plain = createPool(options);
  const byCertificate = new Map<string, Agent>();
  /** Of former options, until what runs over them has ended. */
  const retired = new Set<Agent>();
  const poolFor = (certificate: ClientCertificate | undefined): Agent => {
    if (certificate === undefined) return plain;
    const known = byCertificate.get(certificate.id);
    if (known !== undefined) return known;
    const pool = createPool(options, certificate);
    byCertificate.set(certificate.id, pool);
    const [oldest] = byCertificate;
    if (byCertificate.size > CERTIFICATE_POOLS_MAX && oldest !== undefined) {
      byCertificate.delete(oldest[0]);
      void oldest[1].close();
    }
    return pool;
  };
  return {
    send: (request, handler, signal) => {
      const refusal = refuse(request, options);
      if (refusal !== null) {
        handler.error(refusal);
        return;
      }
      let pool: Agent;
      try {
        pool = poolFor(request.clientCertificate);
      } catch {
        const message = "the client certificate and its key are not usable together";
        handler.error(new BrokerError("auth_failed", message, { hint: "aivault secrets rotate" }));
        return;
      }
      try {
        dispatch(pool, request, handler, signal);
      } catch {
        // What undici says may quote a header value, so it goes nowhere.
        handler.error(new BrokerError("internal", "the request could not be put together"));
      }
    },
    allowInternal: (allowedInternal) => {
      for (const pool of [plain, ...byCertificate.values()]) {
        retired.add(pool);
        void pool.close().finally(() => retired.delete(pool));
      }
      byCertificate.clear();
      options = { ...options, allowedInternal };
      plain = createPool(options);
    },
    close: async () => {
      const pools = [plain, ...byCertificate.values(), ...retired];
      await Promise.all(pools.map((pool) => pool.destroy()));
    },
  };
}

function createPool(options: ConnectOptions, certificate?: ClientCertificate): Agent {
  const connect = createConnect(options, certificate);
  return new Agent({
    connections: CONNECTIONS_MAX,
    pipelining: 1,
    maxHeaderSize: RESPONSE_HEAD_BYTES_MAX,
    allowH2: false,
    connect: ({ hostname, port, protocol }, callback) => {
      const scheme = protocol === "http:" ? "http" : "https";
      const endpoint = {
        scheme,
        host: hostname.replace(/^\[|\]$/g, ""),
        port: port === "" ? DEFAULT_PORT[scheme] : Number(port),
      } as const;
      connect(endpoint, (error, socket) => {
        if (socket === null) callback(error ?? new Error("not connected"), null);
        else callback(null, socket);
      });
    },
  });
}

const DEFAULT_PORT = { https: 443, http: 80 } as const;

// G5: scheme and port come from policy; this is the last look at them.
function refuse({ origin }: UpstreamRequest, options: ConnectOptions): BrokerError | null {
  const { scheme, host, port } = origin;
  const overridden = options.resolve?.has(`${host}:${port}`) || options.resolve?.has(host);
  const portAllowed =
    port === 443 ||
    origin.portDeclared === true ||
    options.allowNonDefaultPorts === true ||
    overridden === true ||
    vouchedFor(host, port, options) !== null;
  if (scheme === "http" && options.allowHttpLocal !== true) {
    return new BrokerError("policy_violation", `\`${host}\` would be called without TLS`, {
      reason: "host_not_allowed",
    });
  }
  if (!portAllowed) {
    const message = `port ${port} of \`${host}\` is not allowed; an operator can allow an exact host and port`;
    return new BrokerError("policy_violation", message, { reason: "host_not_allowed" });
  }
  return null;
}

function dispatch(
  pool: Agent,
  request: UpstreamRequest,
  handler: UpstreamHandler,
  signal: AbortSignal,
): void {
  const { origin, limits } = request;
  const exchange = new UndiciExchange(request, handler, signal, () => send());
  if (!exchange.begin()) return;
  const headers: string[] = [];
  for (const [name, value] of request.headers) headers.push(name, value);
  if (request.bodyLength !== null && request.body !== null) {
    headers.push("content-length", String(request.bodyLength));
  }
  const host = origin.host.includes(":") ? `[${origin.host}]` : origin.host;
  const send = () =>
    pool.dispatch(
      {
        origin: `${origin.scheme}://${host}:${origin.port}`,
        path: request.path,
        method: request.method as Dispatcher.HttpMethod,
        headers,
        // undici takes any async iterable; its type only names streams.
        body: request.body as Uint8Array | null,
        ...(request.upgrade === undefined ? null : { upgrade: request.upgrade }),
        headersTimeout: limits.headersMs,
        bodyTimeout: limits.idleMs,
      },
      exchange,
    );
  send();
  exchange.dispatched();
}

/** RFC 9110 section 9.2.1: what asks for nothing to be done, and so can be asked again. */
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** undici has one code for a connection that ended and for an answer that it does not want. */
function isConnectionLost({ code, message }: Error & { code?: unknown }): boolean {
  if (code === "UND_ERR_SOCKET") return message === "other side closed";
  return code === "ECONNRESET" || code === "EPIPE";
}

/** One exchange: undici's events in, ours out, and what ends it early. */
class UndiciExchange implements Dispatcher.DispatchHandler, UpstreamControl {
  readonly #request: UpstreamRequest;
  readonly #handler: UpstreamHandler;
  readonly #signal: AbortSignal;
  readonly #cancel = () => {
    this.abort(new BrokerError("upstream_failed", "the exchange was cancelled"));
  };
  #controller: Dispatcher.DispatchController | null = null;
  #settled = false;
  #hasAnswer = false;
  #sendAgain: (() => void) | null;
  #failure: BrokerError | null = null;
  #isNotModified = false;
  #connectTimer: NodeJS.Timeout | undefined;
  #totalTimer: NodeJS.Timeout | undefined;

  constructor(
    request: UpstreamRequest,
    handler: UpstreamHandler,
    signal: AbortSignal,
    sendAgain: () => void,
  ) {
    this.#request = request;
    this.#handler = handler;
    this.#signal = signal;
    const { method, body, upgrade } = request;
    const canRepeat = SAFE_METHODS.has(method) && body === null && upgrade === undefined;
    this.#sendAgain = canRepeat ? sendAgain : null;
  }

  /** @returns False when it is over before it began. */
  begin(): boolean {
    if (this.#signal.aborted) {
      this.#cancel();
      return false;
    }
    this.#totalTimer = this.#startTimer(this.#request.limits.totalMs, "not finished");
    this.#signal.addEventListener("abort", this.#cancel, ONCE);
    return true;
  }

  /** undici has it. Most often a connection is there, and it has been sent already. */
  dispatched(): void {
    if (this.#controller !== null || this.#settled) return;
    this.#connectTimer = this.#startTimer(this.#request.limits.connectMs, "no free connection");
  }

  pause(): void {
    this.#controller?.pause();
  }

  resume(): void {
    this.#controller?.resume();
  }

  abort(error: BrokerError): void {
    if (this.#settled) return;
    this.#failure = error;
    this.#settle();
    // Before a connection is there, undici gives no handle: the request then dies when it would start.
    this.#controller?.abort(error);
    this.#handler.error(error);
  }

  onRequestStart(started: Dispatcher.DispatchController): void {
    this.#controller = started;
    clearTimeout(this.#connectTimer);
    if (this.#failure !== null) started.abort(this.#failure);
  }

  onRequestUpgrade(
    { rawHeaders: raw }: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    socket: Duplex,
  ): void {
    if (this.#settled || status !== 101 || this.#handler.upgraded === undefined) {
      socket.destroy();
      return;
    }
    this.#settle();
    this.#handler.upgraded(rawHeaders(raw), socket);
  }

  onResponseStart(
    { rawHeaders: raw }: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusText?: string,
  ): void {
    // RFC 9110 section 15.2: interim responses are about this hop. 101 cannot occur unasked.
    this.#hasAnswer = true;
    if (this.#settled || status < 200) return;
    this.#isNotModified = status === 304;
    this.#handler.head(status, statusText ?? "", rawHeaders(raw), this);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (!this.#settled) this.#handler.data(chunk);
  }

  onResponseEnd(): void {
    if (this.#settled) return;
    this.#settle();
    // Trailers are not passed on: RFC 9110 section 6.5.1 lets any recipient drop them.
    this.#handler.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#settled) return;
    // RFC 9110 section 8.6: a 304 says how long the body would be that it does not have. undici misses it.
    const { code } = error as { readonly code?: unknown };
    if (this.#isNotModified && code === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH") {
      this.onResponseEnd();
      return;
    }
    // A connection that was kept may be closed by the provider just as it is used again (RFC 9112 section 9.3.1).
    const sendAgain = this.#sendAgain;
    if (sendAgain !== null && !this.#hasAnswer && isConnectionLost(error)) {
      this.#sendAgain = null;
      this.#controller = null;
      sendAgain();
      return;
    }
    this.#settle();
    this.#handler.error(toUpstreamError(error, this.#request));
  }

  #settle(): void {
    this.#settled = true;
    clearTimeout(this.#connectTimer);
    clearTimeout(this.#totalTimer);
    this.#signal.removeEventListener("abort", this.#cancel);
  }

  #startTimer(ms: number, what: string): NodeJS.Timeout | undefined {
    if (ms <= 0) return undefined;
    const { host } = this.#request.origin;
    return setTimeout(() => {
      this.abort(new BrokerError("upstream_timeout", `\`${host}\`: ${what} within ${ms} ms`));
    }, ms);
  }
}

const ONCE = { once: true } as const;

function rawHeaders(
  raw: Dispatcher.DispatchController["rawHeaders"],
): readonly (readonly [string, string])[] {
  if (!Array.isArray(raw)) return [];
  const pairs: (readonly [string, string])[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    pairs.push([latin1(raw[i] as Buffer | string), latin1(raw[i + 1] as Buffer | string)]);
  }
  return pairs;
}

function latin1(value: Buffer | string): string {
  return typeof value === "string" ? value : value.toString("latin1");
}

/** Without the original's message: parser errors quote the bytes of the response. */
function toUpstreamError(error: Error & { code?: unknown }, request: UpstreamRequest): BrokerError {
  if (isBrokerError(error)) return error;
  const code = typeof error.code === "string" ? error.code : error.name;
  const host = `\`${request.origin.host}\``;
  switch (code) {
    case "UND_ERR_HEADERS_TIMEOUT":
      return new BrokerError(
        "upstream_timeout",
        `${host} did not begin to answer within ${request.limits.headersMs} ms`,
      );
    case "UND_ERR_BODY_TIMEOUT":
      return new BrokerError(
        "upstream_timeout",
        `${host} was silent for ${request.limits.idleMs} ms in the middle of its answer`,
      );
    case "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH":
      return new BrokerError("invalid_request", "the request body is not as long as was said");
    case "UND_ERR_SOCKET":
    case "ECONNRESET":
    case "EPIPE":
      return new BrokerError("upstream_failed", `${host} closed the connection before it was done`);
    default:
      return new BrokerError("upstream_failed", `the answer of ${host} is not usable (${code})`);
  }
}
