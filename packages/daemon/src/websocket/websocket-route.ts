/**
 * `GET /aivault/ws`: a WebSocket whose first message says where it leads. Everything behind that passes
 * to and from the provider as it is.
 */

import type { SocketHead } from "@aivault/broker";
import type { WireErrorCode } from "@aivault/client/protocol";
import { type Envelope, parseEnvelopeText } from "@aivault/policy";
import * as z from "zod";
import { admit, restrict } from "../admission.ts";
import { parseJson } from "../body.ts";
import { Problem, problemOf } from "../problem.ts";
import { readTimeout } from "../proxy-route.ts";
import { parseQuery } from "../query.ts";
import type { Handler } from "../routes.ts";
import { noQuery } from "../schemas.ts";
import { readFirstMessage, textFrame } from "./frame.ts";
import { handshakeHeaders, requireHandshake } from "./handshake.ts";
import { openSocket } from "./open-socket.ts";
import type { Upgrade } from "./upgrade.ts";

/** Octets of the first message, and how long it may take to come. */
export const CONNECT_BYTES_MAX = 16 * 1024;
const CONNECT_MS = 10_000;
/** The name of this protocol, for clients that insist on agreeing on one. */
const PROTOCOL = "aivault";

/** The first message of `/aivault/ws`. */
export const connectFrame = z.strictObject({
  capability: z.string(),
  credential: z.string().exactOptional(),
  /** Path and optional query, as the provider documents it. */
  path: z.string(),
  headers: z
    .array(z.strictObject({ name: z.string(), value: z.string() }))
    .max(200)
    .exactOptional(),
  /** Sub-protocols to offer to the provider. */
  protocols: z.array(z.string()).max(16).exactOptional(),
});

export const websocket: Handler = async (exchange, services) => {
  parseQuery(exchange.query, noQuery);
  const chain = await admit(exchange, services);
  const timeoutMs = readTimeout(exchange);
  const { upgrade, key, protocols } = requireHandshake(exchange);
  const protocol = protocols.includes(PROTOCOL) ? PROTOCOL : null;
  upgrade.accept(handshakeHeaders(key, exchange.requestId, protocol));
  exchange.endless();

  // A token that ends while its holder has not yet said what it wants, wants nothing any more.
  const stream = chain === null ? null : services.engine.streams.begin(chain);
  const signal =
    stream === null ? exchange.signal : AbortSignal.any([exchange.signal, stream.signal]);
  const octets = await readConnectFrame(upgrade, signal).finally(() => stream?.end());
  const frame = parseJson(octets, connectFrame);
  const envelope = envelopeOf(frame);
  const agree = ({ protocol, headers, plan }: SocketHead) => {
    const { requestId } = exchange;
    upgrade.socket.write(
      textFrame(JSON.stringify({ connected: true, requestId, protocol, headers, ...plan })),
    );
  };
  await openSocket({
    exchange,
    upgrade,
    services,
    invocation: {
      requestId: exchange.requestId,
      principal: exchange.principal,
      envelope: chain === null ? envelope : restrict(envelope, chain),
      uploads: null,
      ...(timeoutMs === null ? {} : { timeoutMs }),
    },
    chain,
    protocols: frame.protocols ?? [],
    agree,
  });
  return null;
};

function envelopeOf({ protocols: _, path, headers, ...rest }: z.infer<typeof connectFrame>) {
  const request = { method: "GET", path, ...(headers === undefined ? {} : { headers }) };
  const octets = Buffer.from(JSON.stringify({ ...rest, request }));
  const envelope = parseEnvelopeText(octets, { uploads: false });
  if (!envelope.ok) throw problemOf(envelope);
  return envelope.value satisfies Envelope;
}

/** @throws {Problem} `invalid_request`: something else came, or nothing in time; `token_invalid`. */
function readConnectFrame({ socket }: Upgrade, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let octets: Buffer = Buffer.alloc(0);
    const stop = () => {
      clearTimeout(timer);
      socket.pause();
      socket.off("data", onData).off("end", onGone).off("close", onGone);
      signal.removeEventListener("abort", onEnded);
    };
    const fail = (message: string, code: WireErrorCode = "invalid_request") => {
      stop();
      reject(new Problem(code, message));
    };
    const onEnded = () => fail("the token has ended, or the daemon closes", "token_invalid");
    const onGone = () => fail("the connection ended before its first message");
    const timer = setTimeout(() => fail("the first message did not come in time"), CONNECT_MS);
    const onData = (chunk: Buffer) => {
      octets = Buffer.concat([octets, chunk]);
      const first = readFirstMessage(octets, CONNECT_BYTES_MAX);
      if (first.kind === "incomplete") return;
      if (first.kind === "refused") {
        fail(first.message);
        return;
      }
      stop();
      if (first.rest.length > 0) socket.unshift(first.rest);
      resolve(first.text);
    };
    socket.on("data", onData).on("end", onGone).on("close", onGone);
    signal.addEventListener("abort", onEnded, { once: true });
    if (signal.aborted) {
      onEnded();
      return;
    }
    socket.resume();
  });
}
