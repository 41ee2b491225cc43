/**
 * Asking an authorisation server: a form out, JSON back, through the same door as every other request,
 * so that addresses are checked here too (G5).
 *
 * Codes and tokens are strings while a request is put together and its answer read. JavaScript cannot
 * wipe those; the buffers they came in are wiped, and nothing keeps a reference.
 */
import { BrokerError, type Upstream, type UpstreamLimits } from "@aivault/broker";
import type { OAuth2Scheme } from "@aivault/registry";
import { Problem } from "../problem.ts";

const ANSWER_BYTES_MAX = 65_536;
const LIMITS: UpstreamLimits = {
  connectMs: 10_000,
  headersMs: 30_000,
  idleMs: 10_000,
  totalMs: 60_000,
};

/** An application at the provider. */
export interface OAuthClient {
  readonly clientId: string;
  /** UTF-8 octets; null for a public client. Whoever made this wipes it. */
  readonly clientSecret: Uint8Array | null;
}

/** What an authorisation server answered; `error` is its error code, or null. */
export interface EndpointAnswer {
  readonly status: number;
  readonly members: Readonly<Record<string, unknown>>;
  readonly error: string | null;
}

export interface EndpointRequest {
  readonly url: string;
  readonly form: Readonly<Record<string, string>>;
  readonly client: OAuthClient;
  readonly clientAuth: OAuth2Scheme["clientAuth"];
  readonly userAgent: string;
  readonly signal: AbortSignal;
}

/**
 * Send a form, with the client's own proof (RFC 6749 section 2.3.1).
 *
 * @throws {BrokerError} `upstream_…`: there is no answer.
 */
export async function askEndpoint(
  upstream: Upstream,
  { url, form, client, clientAuth, userAgent, signal }: EndpointRequest,
): Promise<EndpointAnswer> {
  const headers: [string, string][] = [
    ["accept", "application/json"],
    ["accept-encoding", "identity"],
    ["content-type", "application/x-www-form-urlencoded"],
    ["user-agent", userAgent],
  ];
  const parameters = new URLSearchParams(form);
  addClient(parameters, headers, client, clientAuth);
  const body = Buffer.from(parameters.toString());
  try {
    const answer = await exchange(upstream, new URL(url), headers, body, signal);
    return readAnswer(answer.status, answer.body);
  } finally {
    body.fill(0);
  }
}

function addClient(
  form: URLSearchParams,
  headers: [string, string][],
  { clientId, clientSecret }: OAuthClient,
  clientAuth: OAuth2Scheme["clientAuth"],
): void {
  // A public client has no secret, whatever its provider prefers.
  const secret = clientSecret === null ? null : Buffer.from(clientSecret).toString("utf8");
  if (secret !== null && clientAuth === "client_secret_basic") {
    // Both are form-encoded first.
    const encode = (value: string) => new URLSearchParams({ v: value }).toString().slice(2);
    const pair = `${encode(clientId)}:${encode(secret)}`;
    headers.push(["authorization", `Basic ${Buffer.from(pair).toString("base64")}`]);
    return;
  }
  form.set("client_id", clientId);
  if (secret !== null && clientAuth === "client_secret_post") form.set("client_secret", secret);
}

function exchange(
  upstream: Upstream,
  url: URL,
  headers: readonly (readonly [string, string])[],
  body: Uint8Array,
  signal: AbortSignal,
): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    let status = 0;
    let size = 0;
    const chunks: Uint8Array[] = [];
    const wipe = () => {
      for (const chunk of chunks) chunk.fill(0);
    };
    let abort = (_error: BrokerError) => {};
    upstream.send(
      {
        method: "POST",
        origin: { scheme: "https", host: url.hostname, port: 443, portDeclared: true },
        path: url.pathname + url.search,
        headers,
        body,
        bodyLength: body.length,
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
          resolve({ status, body: Buffer.concat(chunks) });
          wipe();
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
  } finally {
    body.fill(0);
  }
  const { error } = members;
  // Only the code, and only one that looks like one: descriptions quote tokens and accounts.
  return { status, members, error: isErrorCode(error) ? error : null };
}

/** Whether `value` looks like an OAuth error code, which may be shown. */
export function isErrorCode(value: unknown): value is string {
  return typeof value === "string" && /^[a-z_]{1,40}$/.test(value);
}

/** A server that did not give what was asked for. */
export function refused(provider: string, what: string, answer: EndpointAnswer): Problem {
  const code = answer.error ?? `status ${answer.status}`;
  return new Problem("auth_failed", `\`${provider}\` gave no ${what} (${code})`, {
    hint: HINTS[code] ?? `aivault oauth login ${provider}`,
  });
}

const HINTS: Readonly<Record<string, string>> = {
  invalid_client: "check the client id and secret against what the provider shows",
  unauthorized_client: "allow this kind of login in the application's settings at the provider",
  invalid_scope: "name scopes that the application has, with --scope",
  redirect_uri_mismatch: "register the address at the provider, and give it with --redirect-uri",
};
