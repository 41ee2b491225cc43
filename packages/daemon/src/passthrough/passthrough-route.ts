/**
 * `ANY /v/{credential}/…`: a request as the provider's own SDK makes it, with a token of ours where the
 * provider's key would be. It becomes an envelope, and what an envelope may do it may do.
 *
 * A token that is pinned to a credential also opens the root: `POST /v1/customers` is then what
 * `POST /v/stripe/v1/customers` is, for SDKs that take a host but no path.
 */

import type {
  AnnouncedBody,
  Invocation,
  ResponseSink,
  ServedCapability,
  SocketHead,
  Upload,
} from "@aivault/broker";
import type { EnvelopeBody, HeaderPair } from "@aivault/policy";
import { admitToken, restrict } from "../admission.ts";
import { collect } from "../body.ts";
import type { Exchange } from "../exchange.ts";
import { invoke } from "../invoke.ts";
import { Problem, problemOf } from "../problem.ts";
import { readTimeout } from "../proxy-route.ts";
import { type Handler, unknownRoute } from "../routes.ts";
import type { Services } from "../services.ts";
import { checkGrant, pinnedCredential } from "../tokens/grant.ts";
import type { TokenChain } from "../tokens/token-store.ts";
import { handshakeHeaders, planHeaders, requireHandshake } from "../websocket/handshake.ts";
import { openSocket } from "../websocket/open-socket.ts";
import { decodeAwsChunked, readAwsRequest } from "./aws-request.ts";
import { findCapability } from "./find-capability.ts";
import { rewriteLinks } from "./link.ts";
import { extractToken } from "./placeholder.ts";

/** Serve what no route of ours matches, on the caller's side. */
export const passthrough: Handler = async (exchange, services) => {
  if (exchange.path === "/aivault" || exchange.path.startsWith("/aivault/")) throw unknownRoute();
  services.engine.requireUnlocked();
  const named = splitTarget(exchange.path);
  const handshake = exchange.upgrade === null ? null : requireHandshake(exchange);
  const extracted = extractToken({
    path: named?.path ?? exchange.path,
    query: exchange.query,
    headers: headersOf(exchange),
    protocols: handshake?.protocols ?? [],
  });
  if (!extracted.ok) throw new Problem("invalid_request", extracted.message);
  const { token, head, announced, placedAt } = extracted;
  // Without a token nobody can be pinned to a credential, so there is no such path.
  if (named === null && token === null) throw unknownRoute();

  const admitted = await admit(exchange, services, token);
  const pinned =
    admitted === null ? (named?.credential ?? null) : pin(admitted, named?.credential ?? null);
  if (pinned === null) throw unknownRoute();

  const target = head.query === "" ? head.path : `${head.path}?${head.query}`;
  const asked = { credential: pinned, target, placedAt };
  const chosen = await choose(exchange, services, admitted, asked);
  const { chain, credential, capability, signsBodies } = chosen;
  // What is malformed is refused before a body is asked for.
  const timeoutMs = readTimeout(exchange);
  const { headers, ...sent } = signsBodies
    ? await bodyToSign(exchange, head.headers)
    : { headers: head.headers, ...bodyOf(exchange) };
  const envelope = {
    capability: capability.id,
    credential,
    dryRun: false,
    request: {
      method: exchange.request.method ?? "",
      path: target,
      headers,
      body: sent.body,
    },
  };
  const invocation: Invocation = {
    requestId: exchange.requestId,
    principal: exchange.principal,
    envelope: chain === null ? envelope : restrict(envelope, chain),
    uploads: sent.uploads,
    ...(sent.announced === undefined ? {} : { announced: sent.announced }),
    ...(timeoutMs === null ? {} : { timeoutMs }),
  };
  if (handshake !== null) {
    const { upgrade, key } = handshake;
    const { protocols } = head;
    const agree = (opened: SocketHead) => {
      // A client that has offered something refuses a server that agrees to nothing.
      const protocol = opened.protocol ?? announced;
      upgrade.accept([
        ...handshakeHeaders(key, exchange.requestId, protocol),
        ...planHeaders(opened),
        ...opened.headers,
      ]);
    };
    await openSocket({ exchange, upgrade, services, invocation, chain, protocols, agree });
    return null;
  }
  const base = callerBase(exchange, named?.credential ?? null);
  await invoke({ exchange, services, invocation, chain, through: (sink) => withLinks(sink, base) });
  return null;
};

async function admit(
  exchange: Exchange,
  services: Services,
  token: string | null,
): Promise<TokenChain | null> {
  try {
    return await admitToken(exchange, services, token);
  } catch (error) {
    // git sends its credentials only after it was asked for them (RFC 7235 §4.1).
    if (error instanceof Problem && error.code === "token_invalid" && isGit(exchange)) {
      exchange.response.setHeader("www-authenticate", 'Basic realm="aivault"');
    }
    throw error;
  }
}

function isGit({ request }: Exchange): boolean {
  return /^git\//i.test(request.headers["user-agent"] ?? "");
}

function pin(chain: TokenChain, named: string | null): string | null {
  const credential = pinnedCredential(chain, named);
  if (credential !== undefined) return credential;
  throw new Problem("policy_violation", "the token is pinned to another credential", {
    reason: "capability_not_granted",
  });
}

/** What a request is a use of, and by which credential. */
async function choose(
  { request }: Exchange,
  services: Services,
  admitted: TokenChain | null,
  asked: { readonly credential: string; readonly target: string; readonly placedAt: string | null },
): Promise<{
  readonly chain: TokenChain | null;
  readonly credential: string;
  readonly capability: ServedCapability;
  readonly signsBodies: boolean;
}> {
  const broker = services.engine.broker();
  let { credential } = asked;
  let chain = admitted;
  let served = await broker.servedBy(credential);
  // A bot's files lie below another prefix, which is another credential of the same token's.
  const elsewhere =
    asked.placedAt === null || asked.placedAt === served.pathTemplate
      ? undefined
      : served.elsewhereInPath.get(asked.placedAt);
  if (elsewhere !== undefined) {
    // Whoever is pinned to a credential is pinned to its secret: this is another place for the same one.
    chain = repin(admitted, credential, elsewhere);
    credential = elsewhere;
    served = await broker.servedBy(credential);
  }
  const granted = served.capabilities.filter(({ id }) =>
    (chain ?? []).every((token) => checkGrant(token, { capability: id, credential }) === null),
  );
  const method = request.method ?? "";
  const found = findCapability(granted, method, asked.target);
  if (found.ok) {
    return { chain, credential, capability: found.value, signsBodies: served.signsBodies };
  }
  // What exists but is not granted is a matter of the token, and worth saying so.
  if (chain !== null && findCapability(served.capabilities, method, asked.target).ok) {
    throw new Problem("policy_violation", "the token does not grant what this request needs", {
      reason: "capability_not_granted",
    });
  }
  throw problemOf(found);
}

function repin(chain: TokenChain | null, from: string, to: string): TokenChain | null {
  if (chain === null) return null;
  const [first, ...rest] = chain.map((token) =>
    token.credential === from ? { ...token, credential: to } : token,
  );
  return first === undefined ? null : [first, ...rest];
}

/** `/v/{credential}` and what follows; null for any other path. */
function splitTarget(path: string): { credential: string; path: string } | null {
  const [, encoded, rest] = /^\/v\/([^/]+)(\/.*)?$/s.exec(path) ?? [];
  if (encoded === undefined) return null;
  try {
    // botocore posts to the bare endpoint path; it means the root. Gemini's SDK puts its path behind a
    // base URL that ends in a slash; only where the two meet are two slashes one.
    const path = rest === undefined ? "/" : rest.replace(/^\/{2,}/, "/");
    return { credential: decodeURIComponent(encoded), path };
  } catch {
    return null;
  }
}

/** Headers that are about this connection and not about the request. */
const DROPPED = new Set([
  "host",
  "connection",
  "keep-alive",
  "transfer-encoding",
  "content-length",
  "expect",
  "te",
  "trailer",
  "upgrade",
  "http2-settings",
  "sec-fetch-mode",
  // Of our tokens that are bound to a key; what they cover is not what the provider gets.
  "signature",
  "signature-input",
  // Cookie jars of HTTP libraries fill by themselves; nothing in them is meant for us.
  "cookie",
]);

/** The handshake of a WebSocket is made anew with the provider, by whoever connects to it. */
const OURS = /^(?:aivault|sec-websocket)-/;

function headersOf({ request }: Exchange): HeaderPair[] {
  const nominated = new Set(
    (request.headers.connection ?? "").split(",").map((name) => name.trim().toLowerCase()),
  );
  const headers: HeaderPair[] = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i] ?? "";
    const folded = name.toLowerCase();
    if (DROPPED.has(folded) || nominated.has(folded) || OURS.test(folded)) continue;
    headers.push({ name, value: request.rawHeaders[i + 1] ?? "" });
  }
  return headers;
}

/** A body as the broker takes it. */
interface SentBody {
  readonly body: EnvelopeBody;
  readonly uploads: AsyncIterable<Upload> | null;
  readonly announced?: AnnouncedBody;
}

const NO_BODY: SentBody = { body: { kind: "none" }, uploads: null };

/** Octets as they are announced: null for nobody knows, zero for none. */
function announcedLength({ request }: Exchange): number | null {
  if (request.headers["transfer-encoding"] !== undefined) return null;
  return Number(request.headers["content-length"] ?? 0);
}

/** A body that is streamed, with the length it came with: not every provider takes a chunked one. */
function bodyOf(exchange: Exchange): SentBody {
  const length = announcedLength(exchange);
  return length === 0 ? NO_BODY : streamed(exchange, { length, payloadHash: null });
}

function streamed(
  exchange: Exchange,
  announced: AnnouncedBody,
  through: (body: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array> = (body) => body,
): SentBody {
  return { body: { kind: "upload" }, uploads: wholeBody(exchange, announced, through), announced };
}

async function* wholeBody(
  exchange: Exchange,
  { length }: AnnouncedBody,
  through: (body: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
): AsyncGenerator<Upload, void, undefined> {
  exchange.continueBody();
  // Stopping early must not destroy the connection: a refusal is still to be sent on it.
  const body = exchange.body.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
  yield { field: "body", filename: null, contentType: null, length, body: through(body) };
}

/** A signed body is read before anything is sent, so it is not as large as others may be. */
const TO_SIGN_BYTES_MAX = 8 * 1024 * 1024;

/**
 * A body that the broker has to sign. Where the SDK has stated its hash, or that there is none, that is
 * reused and the body streamed; otherwise it is read first, as far as it is not too large.
 */
async function bodyToSign(
  exchange: Exchange,
  given: readonly HeaderPair[],
): Promise<SentBody & { readonly headers: readonly HeaderPair[] }> {
  const { headers, payloadHash, decodedLength } = readAwsRequest(given);
  const length = announcedLength(exchange);
  if (length === 0) return { headers, ...NO_BODY };
  if (decodedLength !== null) {
    const announced = { length: decodedLength, payloadHash };
    return { headers, ...streamed(exchange, announced, decodeAwsChunked) };
  }
  if (payloadHash !== null || (length !== null && length > TO_SIGN_BYTES_MAX)) {
    return { headers, ...streamed(exchange, { length, payloadHash }) };
  }
  exchange.continueBody();
  const bytes = await collect(exchange.body, TO_SIGN_BYTES_MAX);
  return { headers, body: { kind: "base64", bytes }, uploads: null };
}

function callerBase({ request }: Exchange, credential: string | null): string {
  const { encrypted } = request.socket as { encrypted?: boolean };
  const origin = `${encrypted === true ? "https" : "http"}://${request.headers.host ?? "localhost"}`;
  return credential === null ? origin : `${origin}/v/${encodeURIComponent(credential)}`;
}

function withLinks(sink: ResponseSink, callerBase: string): ResponseSink {
  return {
    head(head, control) {
      // The broker's own word for where it went; a tenant's host is in no capability.
      const [upstreamOrigin] = /^https?:\/\/[^/?#]+/.exec(head.plan.url) ?? [];
      const headers =
        upstreamOrigin === undefined
          ? head.headers
          : rewriteLinks(head.headers, { upstreamOrigin, callerBase });
      sink.head({ ...head, headers }, control);
    },
    data: (chunk) => sink.data(chunk),
    ending: () => sink.ending?.(),
    end: () => sink.end(),
  };
}
