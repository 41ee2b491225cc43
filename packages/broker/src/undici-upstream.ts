import { Agent, type Dispatcher } from "undici";
import { type ConnectOptions, createConnect, isVouchedFor } from "./connect.ts";
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
export function createUndiciUpstream(options: UndiciUpstreamOptions = {}): Upstream {
  const plain = createPool(options);
  const byCertificate = new Map<string, Agent>();
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
    close: async () => {
      await Promise.all([plain, ...byCertificate.values()].map((pool) => pool.destroy()));
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
    isVouchedFor(host, port, options);
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
  let controller: Dispatcher.DispatchController | null = null;
  let settled = false;
  let failure: BrokerError | null = null;
  const settle = () => {
    settled = true;
    clearTimeout(connectTimer);
    clearTimeout(totalTimer);
    signal.removeEventListener("abort", cancel);
  };
  const fail = (error: BrokerError) => {
    if (settled) return;
    failure = error;
    settle();
    // Before a connection is there, undici gives no handle: the request then dies when it would start.
    controller?.abort(error);
    handler.error(error);
  };
  const cancel = () => fail(new BrokerError("upstream_failed", "the exchange was cancelled"));
  const expire = (what: string, ms: number) => () =>
    fail(new BrokerError("upstream_timeout", `\`${origin.host}\`: ${what} within ${ms} ms`));
  const connectTimer = startTimer(limits.connectMs, expire("no connection", limits.connectMs));
  const totalTimer = startTimer(limits.totalMs, expire("not finished", limits.totalMs));
  if (signal.aborted) {
    cancel();
    return;
  }
  signal.addEventListener("abort", cancel, { once: true });
  const control: UpstreamControl = {
    pause: () => controller?.pause(),
    resume: () => controller?.resume(),
    abort: fail,
  };
  const headers: string[] = [];
  for (const [name, value] of request.headers) headers.push(name, value);
  if (request.bodyLength !== null && request.body !== null) {
    headers.push("content-length", String(request.bodyLength));
  }
  const host = origin.host.includes(":") ? `[${origin.host}]` : origin.host;
  pool.dispatch(
    {
      origin: `${origin.scheme}://${host}:${origin.port}`,
      path: request.path,
      method: request.method as Dispatcher.HttpMethod,
      headers,
      // undici takes any async iterable; its type only names streams.
      body: request.body as Uint8Array | null,
      ...(request.upgrade === undefined ? {} : { upgrade: request.upgrade }),
      headersTimeout: limits.headersMs,
      bodyTimeout: limits.idleMs,
    },
    {
      onRequestStart: (started) => {
        controller = started;
        clearTimeout(connectTimer);
        if (failure !== null) started.abort(failure);
      },
      onRequestUpgrade: (_controller, status, _headers, socket) => {
        if (settled || status !== 101 || handler.upgraded === undefined) {
          socket.destroy();
          return;
        }
        settle();
        handler.upgraded(rawHeaders(started(controller).rawHeaders), socket);
      },
      onResponseStart: (_controller, status, _headers, statusText) => {
        // RFC 9110 section 15.2: interim responses are about this hop. 101 cannot occur unasked.
        if (settled || status < 200) return;
        handler.head(status, statusText ?? "", rawHeaders(started(controller).rawHeaders), control);
      },
      onResponseData: (_controller, chunk) => {
        if (!settled) handler.data(chunk);
      },
      onResponseEnd: () => {
        if (settled) return;
        settle();
        // Trailers are not passed on: RFC 9110 section 6.5.1 lets any recipient drop them.
        handler.end();
      },
      onResponseError: (_controller, error) => {
        if (settled) return;
        settle();
        handler.error(toUpstreamError(error, request));
      },
    },
  );
}

function started(controller: Dispatcher.DispatchController | null): Dispatcher.DispatchController {
  if (controller === null) throw new TypeError("a response before its request");
  return controller;
}

function startTimer(ms: number, expire: () => void): NodeJS.Timeout | undefined {
  return ms > 0 ? setTimeout(expire, ms) : undefined;
}

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
