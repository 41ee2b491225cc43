/**
 * Asking an authorisation server: a form out, JSON back, through the same door as every other request, so
 * that addresses are checked here too (G5). Nothing is followed and nothing is retried.
 *
 * Codes and tokens are strings while a request is put together and its answer read. JavaScript cannot wipe
 * those; the buffers they came in are wiped, and nothing keeps a reference.
 */
import type { OAuth2Scheme } from "@aivault/registry";
import { BrokerError } from "./errors.ts";
import type { Upstream, UpstreamLimits } from "./upstream.ts";

const ANSWER_BYTES_MAX = 65_536;
const LIMITS: UpstreamLimits = {
  connectMs: 10_000,
  headersMs: 30_000,
  idleMs: 10_000,
  totalMs: 60_000,
};

/** What an authorisation server is asked. */
export interface EndpointRequest {
  readonly url: URL;
  /** Besides those about the form and what is accepted. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Null for a request without a body. */
  readonly form: URLSearchParams | null;
  readonly userAgent: string;
  readonly signal: AbortSignal;
}

/** What it answered. */
export interface EndpointAnswer {
  readonly status: number;
  /** Of the JSON object; none where the answer is something else. */
  readonly members: Readonly<Record<string, unknown>>;
  /** Its error code, or null. Only the code: descriptions quote tokens and accounts (W-A4). */
  readonly error: string | null;
}

/**
 * Ask an authorisation server once.
 *
 * @throws {BrokerError} `upstream_…`: there is no answer.
 */
export async function askEndpoint(
  upstream: Upstream,
  { url, headers, form, userAgent, signal }: EndpointRequest,
): Promise<EndpointAnswer> {
  const body = form === null ? null : new TextEncoder().encode(form.toString());
  const all: (readonly [string, string])[] = [
    ["accept", "application/json"],
    ["accept-encoding", "identity"],
    ["user-agent", userAgent],
    body === null ? ["content-length", "0"] : ["content-type", "application/x-www-form-urlencoded"],
    ...headers,
  ];
  try {
    return await exchange(upstream, url, all, body, signal);
  } finally {
    // G23: it holds the client's proof and the grant.
    body?.fill(0);
  }
}

/**
 * Add what proves the client by its secret (RFC 6749 section 2.3.1).
 *
 * @param clientSecret - Null for a public client, which has none, whatever its provider prefers.
 */
export function addClientSecret(
  form: URLSearchParams,
  headers: (readonly [string, string])[],
  clientId: string,
  clientSecret: string | null,
  clientAuth: OAuth2Scheme["clientAuth"],
): void {
  if (clientSecret !== null && clientAuth === "client_secret_basic") {
    // Both are form-encoded first.
    const encode = (value: string) => new URLSearchParams({ v: value }).toString().slice(2);
    const pair = `${encode(clientId)}:${encode(clientSecret)}`;
    headers.push(["authorization", `Basic ${Buffer.from(pair).toString("base64")}`]);
    return;
  }
  form.set("client_id", clientId);
  if (clientSecret !== null && clientAuth === "client_secret_post") {
    form.set("client_secret", clientSecret);
  }
}

/** Whether `value` looks like an OAuth error code, which may be shown. */
export function isErrorCode(value: unknown): value is string {
  return typeof value === "string" && /^[a-z_]{1,40}$/.test(value);
}

function exchange(
  upstream: Upstream,
  url: URL,
  headers: readonly (readonly [string, string])[],
  body: Uint8Array | null,
  signal: AbortSignal,
): Promise<EndpointAnswer> {
  return new Promise((resolve, reject) => {
    let status = 0;
    let size = 0;
    const chunks: Uint8Array[] = [];
    // G23: they hold tokens.
    const wipe = () => {
      for (const chunk of chunks) chunk.fill(0);
    };
    let abort = (_error: BrokerError) => {};
    upstream.send(
      {
        method: "POST",
        origin: {
          scheme: "https",
          host: url.hostname.replace(/^\[|\]$/g, ""),
          port: url.port === "" ? 443 : Number(url.port),
          portDeclared: true,
        },
        path: url.pathname + url.search,
        headers,
        body,
        bodyLength: body?.length ?? null,
        limits: LIMITS,
      },
      {
        head: (code, _text, _headers, control) => {
          status = code;
          abort = (error) => control.abort(error);
        },
        data: (chunk) => {
          size += chunk.length;
          chunks.push(chunk);
          if (size <= ANSWER_BYTES_MAX) return;
          abort(new BrokerError("upstream_failed", `\`${url.hostname}\` answers with too much`));
        },
        end: () => {
          const answer = Buffer.concat(chunks);
          wipe();
          resolve(readAnswer(status, answer));
          answer.fill(0);
        },
        error: (error) => {
          wipe();
          reject(error);
        },
      },
      signal,
    );
  });
}

function readAnswer(status: number, body: Buffer): EndpointAnswer {
  let members: Readonly<Record<string, unknown>> = {};
  try {
    const parsed: unknown = JSON.parse(body.toString("utf8"));
    if (typeof parsed === "object" && parsed !== null) {
      members = parsed as Readonly<Record<string, unknown>>;
    }
  } catch {
    // An answer that is no JSON has neither a token nor an error code.
  }
  const { error } = members;
  return { status, members, error: isErrorCode(error) ? error : null };
}
