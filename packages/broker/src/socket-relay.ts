import { createHash } from "node:crypto";
import type { Duplex } from "node:stream";
import { type HeaderPair, responseHeaders } from "@aivault/policy";
import type { RandomBytes } from "@aivault/vault-core";
import { BrokerError, isBrokerError, toBrokerError } from "./errors.ts";
import type { Progress } from "./execute.ts";
import type { InjectedRequest } from "./inject.ts";
import type { PlanSummary } from "./invocation.ts";
import type { PlannedRequest } from "./plan.ts";
import type { Upstream, UpstreamLimits } from "./upstream.ts";
import { CLOSE, FrameReader, serverFrame } from "./websocket-frame.ts";
import { FrameRedactor } from "./websocket-redactor.ts";

/** What the provider agreed to. */
export interface SocketHead {
  /** One of those the caller offered, or null. */
  readonly protocol: string | null;
  /** Stripped and redacted; nothing of the handshake itself. */
  readonly headers: readonly HeaderPair[];
  readonly plan: PlanSummary;
}

/** A WebSocket that was decided about, with its credential. */
export interface SocketExchange {
  readonly planned: PlannedRequest;
  readonly plan: PlanSummary;
  readonly injected: InjectedRequest;
  readonly protocols: readonly string[];
  /** Bytes of one message, each way. */
  readonly requestBytesMax: number;
  readonly responseBytesMax: number;
  readonly limits: UpstreamLimits;
  readonly progress: Progress;
  readonly accept: (head: SocketHead) => Duplex;
  readonly signal: AbortSignal;
}

/** How long one side may stay open after the other has closed. */
const LINGER_MS = 1_000;
/** RFC 6455 section 7.4.1. */
const GOING_AWAY = 1001;
const POLICY_VIOLATION = 1008;
// RFC 6455 section 1.3.
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const PROTOCOL = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;
/** Some services take a key as a protocol's name. Whose key it is, only the broker decides. */
const CREDENTIAL_LIKE = /key|token|secret|auth|bearer|passw|jwt/i;
const PROTOCOLS_MAX = 16;

/** What a server answers to a client's `sec-websocket-key`. */
export function webSocketAccept(key: string): string {
  return createHash("sha1")
    .update(key + GUID, "ascii")
    .digest("base64");
}

/** @throws {BrokerError} `invalid_request`; `policy_violation` with `auth_header_rejected`. */
export function requireProtocols(protocols: readonly string[]): void {
  const isSound =
    protocols.length <= PROTOCOLS_MAX && protocols.every((name) => PROTOCOL.test(name));
  if (!isSound || new Set(protocols).size !== protocols.length) {
    throw new BrokerError("invalid_request", "the sub-protocols are not a list of different names");
  }
  if (!protocols.some((name) => CREDENTIAL_LIKE.test(name))) return;
  throw new BrokerError(
    "policy_violation",
    "a sub-protocol looks like a credential; the broker adds it, leave it out",
    { reason: "auth_header_rejected" },
  );
}

/**
 * Opens a WebSocket to the provider and relays it until either side ends it.
 *
 * Frames of the provider pass through the redactor (G9); those of the caller pass as they are, once they
 * are known to be frames. A side that does not read stops the other.
 *
 * @returns When both sides are closed.
 * @throws {BrokerError} It did not come about, or broke.
 */
export function relaySocket(
  upstream: Upstream,
  random: RandomBytes,
  exchange: SocketExchange,
): Promise<void> {
  const { planned, injected, protocols, limits, signal } = exchange;
  const key = Buffer.from(random(16)).toString("base64");
  return new Promise((resolve, reject) => {
    upstream.send(
      {
        method: "GET",
        origin: {
          scheme: "https",
          host: planned.host,
          port: planned.port,
          portDeclared: planned.portDeclared,
        },
        path: injected.path,
        headers: [
          ...injected.headers.filter(([name]) => !name.startsWith("sec-websocket-")),
          ["sec-websocket-version", "13"],
          ["sec-websocket-key", key],
          ...(protocols.length === 0
            ? []
            : [["sec-websocket-protocol", protocols.join(", ")] as const]),
        ],
        body: null,
        bodyLength: null,
        limits,
        upgrade: "websocket",
        ...(injected.clientCertificate === null
          ? {}
          : { clientCertificate: injected.clientCertificate }),
      },
      {
        head: (status, _text, _headers, control) => {
          exchange.progress.status = status;
          const message = `the provider answered ${status} instead of opening a WebSocket`;
          control.abort(new BrokerError("upstream_failed", message));
        },
        data: () => {},
        end: () => {},
        error: reject,
        upgraded: (headers, socket) => {
          exchange.progress.status = 101;
          try {
            const head = readHead(exchange, headers, key);
            join(exchange, socket, exchange.accept(head)).then(resolve, reject);
          } catch (error) {
            socket.on("error", () => {});
            socket.destroy();
            reject(toBrokerError(error));
          }
        },
      },
      signal,
    );
  });
}

function readHead(
  { planned, plan, injected, protocols }: SocketExchange,
  headers: readonly (readonly [name: string, value: string])[],
  key: string,
): SocketHead {
  const all = (wanted: string) =>
    headers.flatMap(([name, value]) => (name.toLowerCase() === wanted ? [value] : []));
  const [protocol = null, ...others] = all("sec-websocket-protocol");
  const isSound =
    all("sec-websocket-accept").join() === webSocketAccept(key) &&
    all("upgrade").join().toLowerCase() === "websocket" &&
    all("sec-websocket-extensions").length === 0 &&
    others.length === 0 &&
    (protocol === null || protocols.includes(protocol));
  if (!isSound) {
    throw new BrokerError("upstream_failed", "the provider's WebSocket handshake is not sound");
  }
  const { redactor } = injected;
  // G9: as spelled, and again in lower case.
  const pairs = headers.flatMap(([name, value]) =>
    redactor.text(name) === name ? [{ name, value }] : [],
  );
  const passed = responseHeaders(pairs, { managed: planned.placement.headers })
    .filter(({ name }) => !name.startsWith("sec-websocket-") && redactor.text(name) === name)
    .map(({ name, value }) => ({ name, value: redactor.text(value) }));
  return { protocol, headers: passed, plan };
}

function closeFrame(code: number): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return serverFrame(true, CLOSE, [payload]);
}

/** Relays between two byte streams until both are closed. */
function join(exchange: SocketExchange, provider: Duplex, caller: Duplex): Promise<void> {
  const { injected, limits, progress, signal } = exchange;
  const redactor = new FrameRedactor(injected.redactor, exchange.responseBytesMax);
  const guard = new FrameReader(true, exchange.requestBytesMax, {
    head: () => {},
    payload: () => {},
    end: () => {},
  });
  return new Promise((resolve, reject) => {
    let failure: BrokerError | null = null;
    let open = 2;
    const fail = (error: BrokerError) => {
      failure ??= error;
      provider.destroy();
      caller.destroy();
    };
    const cancel = () => {
      const code = isBrokerError(signal.reason) ? POLICY_VIOLATION : GOING_AWAY;
      failure ??= new BrokerError("upstream_failed", "the exchange was cancelled");
      provider.destroy();
      // G13: what the caller has not taken yet, it does not get any more; so the close frame has to be the
      // only thing that is left to send. Whole frames were sent so far, and it may stand between any two.
      if (!caller.writable || caller.writableLength > 0) caller.destroy();
      else caller.end(closeFrame(code), () => caller.destroy());
    };
    const expire = (what: string, ms: number) => () =>
      fail(new BrokerError("upstream_timeout", `the WebSocket was ${what} for ${ms} ms`));
    const start = (what: string, ms: number) =>
      ms > 0 ? setTimeout(expire(what, ms), ms) : undefined;
    const total = start("open", limits.totalMs);
    const idle = start("silent", limits.idleMs);
    const closed = () => {
      open--;
      if (open > 0) return;
      clearTimeout(total);
      clearTimeout(idle);
      signal.removeEventListener("abort", cancel);
      redactor.wipe();
      if (failure === null) resolve();
      else reject(failure);
    };
    const relay = (
      from: Duplex,
      to: Duplex,
      pass: (chunk: Uint8Array) => readonly Uint8Array[],
    ) => {
      from.on("data", (chunk: Buffer) => {
        if (failure !== null) return;
        idle?.refresh();
        try {
          let flows = true;
          for (const piece of pass(chunk)) flows = to.write(piece) && flows;
          if (!flows) from.pause();
        } catch (error) {
          fail(toBrokerError(error));
        }
      });
      to.on("drain", () => from.resume());
      from.on("end", () => to.end());
      // A reset is an end that was not announced; the other side learns of it by the same.
      from.on("error", () => to.destroy());
      from.on("close", () => {
        // A peer that does not answer the end is not waited for.
        if (!to.destroyed) setTimeout(() => to.destroy(), LINGER_MS).unref();
        to.end();
        closed();
      });
    };
    relay(provider, caller, (chunk) => {
      progress.responseBytes += chunk.length;
      return redactor.push(chunk);
    });
    relay(caller, provider, (chunk) => {
      progress.requestBytes += chunk.length;
      guard.push(chunk);
      return [chunk];
    });
    signal.addEventListener("abort", cancel, { once: true });
    if (signal.aborted) cancel();
  });
}
