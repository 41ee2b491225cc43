/**
 * The caller's client: what agent code uses to call providers with credentials it never holds.
 */
import type { IncomingMessage } from "node:http";
import { homedir } from "node:os";
import { callerSockets, type DiscoveryOptions, type Environment } from "./discovery.ts";
import { AivaultError, refusalError } from "./errors.ts";
import { type AivaultFetch, fetchFor } from "./fetch.ts";
import { multipart } from "./multipart.ts";
import {
  CALLER_ROUTES,
  type ProblemBody,
  RESPONSE_HEADERS,
  type WireCapability,
  type WireEnvelope,
  type WireHealth,
  type WirePage,
  type WirePlan,
  type WireWhoami,
} from "./protocol.ts";
import { type InvokeRequest, type PreparedRequest, prepare } from "./request.ts";
import { type InvokeResponse, invokeResponse } from "./response.ts";
import { bodyChunks, type Transport, type TransportRequest, unixTransport } from "./transport.ts";

export interface ClientOptions {
  /** Path of the daemon's caller socket. Default: found by `AIVAULTD_SOCKET`, `AIVAULT_DIR`, or convention. */
  readonly socket?: string;
  /** Read for discovery only. Default: `process.env`. */
  readonly env?: Environment;
  /** Sent to the daemon with every request; not to the provider. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds allowed to each upstream call, unless the call says otherwise. */
  readonly timeoutMs?: number;
}

export interface InvokeOptions {
  /** Credential id, when the capability has more than one. */
  readonly credential?: string;
  /** Aborting ends the call at the provider too, also while its answer is read. */
  readonly signal?: AbortSignal;
  /** Milliseconds for the whole upstream call; at least 1. */
  readonly timeoutMs?: number;
  /** Called as a body is streamed, with the octets of it that have been handed on so far. */
  readonly onUpload?: (bytes: number) => void;
}

/**
 * A connection to the daemon. All methods throw {@link AivaultError}: the daemon's refusals under
 * their wire code, failures of the connection under a `CLIENT_` code.
 */
export interface AivaultClient {
  /** The socket in use, else the first that would be tried. */
  readonly socket: string;
  /** Call a provider. Its status, whatever it is, is an answer and not an error. */
  invoke(
    capability: string,
    request: InvokeRequest,
    options?: InvokeOptions,
  ): Promise<InvokeResponse>;
  /**
   * Call a provider and parse its answer; an empty one is `null`.
   *
   * @throws {AivaultError} `CLIENT_UPSTREAM_STATUS`, with `status` and the parsed `body`, outside 200
   * to 299; `CLIENT_NOT_JSON`.
   */
  json<T = unknown>(
    capability: string,
    request: InvokeRequest,
    options?: InvokeOptions,
  ): Promise<T>;
  /** Decide and plan the same call without making it: no credential is opened, nothing is sent. */
  plan(capability: string, request: InvokeRequest, options?: InvokeOptions): Promise<WirePlan>;
  /** Send an envelope as it is, already in wire form. */
  invokeEnvelope(envelope: WireEnvelope, options?: InvokeOptions): Promise<InvokeResponse>;
  /** A `fetch` for SDKs that take one; see {@link AivaultFetch}. */
  fetch(capability: string, options?: { readonly credential?: string }): AivaultFetch;
  /** What this caller may invoke, all pages. */
  capabilities(): Promise<readonly WireCapability[]>;
  describe(capability: string): Promise<WireCapability>;
  whoami(): Promise<WireWhoami>;
  health(): Promise<WireHealth>;
  /** Close idle connections, and end those in use. */
  close(): void;
}

/** A client of the daemon. Connects on first use. */
export function createClient(options: ClientOptions = {}): AivaultClient {
  const sockets = callerSockets(discoveryOptions(options));
  return callerClient(unixTransport(sockets), options);
}

/** What to look for a socket with: the options' environment and home, else the process's own. */
export function discoveryOptions(options: ClientOptions): DiscoveryOptions {
  const env = options.env ?? process.env;
  const { HOME } = env;
  return { socket: options.socket, env, home: HOME || homedir(), platform: process.platform };
}

/** The caller's half of any client, over an open transport. */
export function callerClient(
  transport: Transport,
  defaults: Pick<ClientOptions, "headers" | "timeoutMs">,
): AivaultClient {
  const rpc = jsonRpc(transport, defaults.headers);

  async function post(prepared: PreparedRequest, options: InvokeOptions): Promise<IncomingMessage> {
    const timeoutMs = options.timeoutMs ?? defaults.timeoutMs;
    const { body, contentType } = await proxyBody(prepared);
    const response = await transport
      .send({
        method: "POST",
        path: CALLER_ROUTES.proxy,
        headers: {
          ...defaults.headers,
          "content-type": contentType,
          ...(timeoutMs === undefined ? {} : { "aivault-timeout-ms": String(timeoutMs) }),
        },
        body,
        signal: options.signal,
        // The daemon keeps this time and says more about it; ours only ends the wait for a daemon that hangs.
        timeoutMs: timeoutMs === undefined ? undefined : timeoutMs + DAEMON_GRACE_MS,
      })
      .catch(async (error: unknown) => {
        await prepared.discard();
        throw error;
      });
    await throwRefusal(response);
    return response;
  }

  async function invoke(
    prepared: PreparedRequest,
    options: InvokeOptions = {},
  ): Promise<InvokeResponse> {
    const response = await post(counted(prepared, options.onUpload), options);
    if (response.headers[RESPONSE_HEADERS.requestId] === undefined) {
      response.destroy();
      throw mismatch();
    }
    return invokeResponse(response, options.signal);
  }

  const client: AivaultClient = {
    get socket() {
      return transport.socket;
    },
    invoke: async (capability, request, options = {}) =>
      invoke(await prepare(capability, request, { credential: options.credential }), options),
    invokeEnvelope: (envelope, options) =>
      invoke({ envelope, parts: [], discard: async () => {} }, options),
    json: async (capability, request, options) =>
      requireOk(await client.invoke(capability, request, options)),
    plan: async (capability, request, options = {}) => {
      const { credential } = options;
      const prepared = await prepare(capability, request, { credential, dryRun: true });
      return readJson<WirePlan>(await post(prepared, options));
    },
    fetch: (capability, options) => fetchFor(client, capability, options),
    capabilities: () => allPages((query) => rpc.get(`${CALLER_ROUTES.capabilities}${query}`)),
    describe: (capability) =>
      rpc.get(`${CALLER_ROUTES.capabilities}/${encodeURIComponent(capability)}`),
    whoami: () => rpc.get(CALLER_ROUTES.whoami),
    health: () => rpc.get(CALLER_ROUTES.health),
    close: () => transport.close(),
  };
  return client;
}

const DAEMON_GRACE_MS = 5_000;
const RPC_TIMEOUT_MS = 60_000;

async function proxyBody({
  envelope,
  parts,
}: PreparedRequest): Promise<{ body: string | AsyncIterable<Uint8Array>; contentType: string }> {
  const json = JSON.stringify(envelope);
  if (parts.length === 0 && envelope.request.multipartFiles === undefined) {
    return { body: json, contentType: "application/json" };
  }
  const { randomUUID } = await import("node:crypto");
  const head = { name: "envelope", contentType: "application/json", body: json };
  return multipart([head, ...parts], `aivault-${randomUUID()}`);
}

async function requireOk<T>(response: InvokeResponse): Promise<T> {
  const ok = response.status >= 200 && response.status < 300;
  // A provider's error page is often not JSON; its status is the news then.
  const body = await response.json<T>().catch((error: unknown) => {
    if (ok) throw error;
    return undefined;
  });
  if (ok) return body as T;
  const { method } = response.plan;
  throw new AivaultError(
    "CLIENT_UPSTREAM_STATUS",
    `the provider answered ${response.status} to ${method || "the call"}`,
    { status: response.status, requestId: response.requestId, body },
  );
}

/** Calls that take and return JSON. */
export interface JsonRpc {
  get<T>(path: string): Promise<T>;
  send<T>(method: "POST" | "PUT" | "PATCH" | "DELETE", path: string, json?: unknown): Promise<T>;
  sendBody<T>(request: TransportRequest): Promise<T>;
  /** For an answer that is a stream: the response, its body unread, unless it is a refusal. */
  open(request: TransportRequest): Promise<IncomingMessage>;
}

function counted(prepared: PreparedRequest, onUpload: InvokeOptions["onUpload"]): PreparedRequest {
  if (onUpload === undefined) return prepared;
  let bytes = 0;
  async function* counting(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      yield chunk;
      bytes += chunk.length;
      onUpload?.(bytes);
    }
  }
  const parts = prepared.parts.map((part) => {
    const { body } = part;
    const isStream = typeof body !== "string" && !(body instanceof Uint8Array);
    return isStream ? { ...part, body: counting(body) } : part;
  });
  return { ...prepared, parts };
}

/** @param headers - Added to every request. */
export function jsonRpc(
  transport: Transport,
  headers: Readonly<Record<string, string>> = {},
): JsonRpc {
  async function open(request: TransportRequest): Promise<IncomingMessage> {
    const response = await transport.send({
      timeoutMs: RPC_TIMEOUT_MS,
      ...request,
      headers: { ...headers, ...request.headers },
    });
    await throwRefusal(response);
    return response;
  }
  const call = async <T>(request: TransportRequest) => readJson<T>(await open(request));
  return {
    open,
    get: (path) => call({ method: "GET", path }),
    send: (method, path, json) =>
      call({
        method,
        path,
        ...(json === undefined
          ? {}
          : { headers: { "content-type": "application/json" }, body: JSON.stringify(json) }),
      }),
    sendBody: call,
  };
}

/** Every item of a paged list. */
export async function allPages<T>(
  get: (query: string) => Promise<WirePage<T>>,
): Promise<readonly T[]> {
  const items: T[] = [];
  let after: string | null = null;
  do {
    const query: string = after === null ? "" : `?after=${encodeURIComponent(after)}`;
    const page: WirePage<T> = await get(query);
    items.push(...page.items);
    after = page.next;
  } while (after !== null);
  return items;
}

// A problem body is a few hundred bytes. More than this is not one.
const PROBLEM_BYTES_MAX = 64 * 1024;

async function throwRefusal(response: IncomingMessage): Promise<void> {
  const code = response.headers[RESPONSE_HEADERS.error];
  if (code === undefined) return;
  const problem = parseProblem(await readText(response, PROBLEM_BYTES_MAX));
  if (problem === null) throw mismatch();
  throw refusalError(problem, response.statusCode ?? 0);
}

function parseProblem(text: string): ProblemBody | null {
  const value = parseJson(text);
  if (value === null || typeof value !== "object") return null;
  const problem = value as Partial<ProblemBody>;
  if (typeof problem.error !== "string" || typeof problem.message !== "string") return null;
  return { ...problem, requestId: String(problem.requestId ?? "") } as ProblemBody;
}

async function readJson<T>(response: IncomingMessage): Promise<T> {
  const value = parseJson(await readText(response, Number.POSITIVE_INFINITY));
  if (value === null || typeof value !== "object") throw mismatch();
  return value as T;
}

async function readText(response: IncomingMessage, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of bodyChunks(response)) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw mismatch();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function mismatch(): AivaultError {
  return new AivaultError(
    "CLIENT_PROTOCOL_MISMATCH",
    "the socket's other end does not answer like aivaultd",
    {
      hint: "check that AIVAULTD_SOCKET names a socket of aivaultd, and that both are of one version",
    },
  );
}
