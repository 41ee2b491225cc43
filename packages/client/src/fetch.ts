/**
 * A `fetch` that goes through the daemon, for SDKs that take one.
 */
import type { AivaultClient } from "./client.ts";
import { AivaultError, isAivaultError, refusalError } from "./errors.ts";
import { type ProblemBody, RESPONSE_HEADERS } from "./protocol.ts";

/**
 * Works like `fetch`, with the provider's credential added by the broker.
 *
 * - The URL is the provider's own, or only its path; another origin is a `policy_violation`.
 * - `authorization`, `x-api-key` and the like are left out: an SDK that insists on a key may be given
 *   any placeholder.
 * - Redirects are the broker's business and are handed through, so `redirect` has no effect.
 * - A refusal is a `Response` with its status, the header `aivault-error` and the problem as its body,
 *   so that an SDK reports it as an API error and does not retry. {@link refusalOf} reads it.
 */
export type AivaultFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

// What SDKs put their key into. The broker refuses these from a caller (G6); here they can only be
// the placeholder that the SDK was given.
const PLACEHOLDER_HEADERS = new Set([
  "authorization",
  "x-api-key",
  "x-goog-api-key",
  "api-key",
  "xi-api-key",
]);

// fetch adds these for the local hop, or the daemon decides them.
const HOP_HEADERS = new Set([
  "host",
  "connection",
  "content-length",
  "transfer-encoding",
  "expect",
]);

const NO_BODY_STATUS = new Set([101, 204, 205, 304]);

/** The `fetch` of one capability; see {@link AivaultClient.fetch}. */
export function fetchFor(
  client: AivaultClient,
  capability: string,
  options: { readonly credential?: string } = {},
): AivaultFetch {
  let host: Promise<string> | undefined;
  const capabilityHost = () => {
    host ??= client.describe(capability).then(
      (description) => description.host,
      (error: unknown) => {
        host = undefined;
        throw error;
      },
    );
    return host;
  };

  return async (input, init) => {
    const relative = typeof input === "string" && input.startsWith("/") && !input.startsWith("//");
    const request = new Request(relative ? `https://aivault${input}` : input, init as RequestInit);
    const url = new URL(request.url);
    if (!relative) requireOrigin(url, await capabilityHost(), capability);
    try {
      const response = await client.invoke(
        capability,
        {
          method: request.method,
          path: `${url.pathname}${url.search}`,
          headers: [...request.headers]
            .filter(([name]) => !PLACEHOLDER_HEADERS.has(name) && !HOP_HEADERS.has(name))
            .map(([name, value]) => ({ name, value })),
          body: request.body,
        },
        { ...options, signal: request.signal },
      );
      if (NO_BODY_STATUS.has(response.status)) response.cancel();
      return new Response(NO_BODY_STATUS.has(response.status) ? null : response.body, {
        status: response.status,
        statusText: response.statusText,
        headers: withRequestId(response.headers, response.requestId),
      });
    } catch (error) {
      if (!isAivaultError(error)) throw error;
      // As fetch does: what an aborted fetch throws is the signal's own reason.
      if (error.code === "CLIENT_ABORTED") throw request.signal.reason;
      if (error.status === null || error.code.startsWith("CLIENT_")) throw error;
      return refusalResponse(error);
    }
  };
}

/** The refusal that a {@link AivaultFetch} response carries; null when the provider answered. */
export async function refusalOf(response: Response): Promise<AivaultError | null> {
  if (!response.headers.has(RESPONSE_HEADERS.error)) return null;
  return refusalError((await response.clone().json()) as ProblemBody, response.status);
}

function requireOrigin(url: URL, host: string, capability: string): void {
  if (url.origin === `https://${host}` || url.origin === "https://aivault") return;
  throw new AivaultError(
    "policy_violation",
    `\`${capability}\` goes to https://${host}, not to ${url.origin}`,
    { reason: "host_not_allowed", hint: "use the provider's own address, or only the path" },
  );
}

function withRequestId(headers: Headers, requestId: string): Headers {
  const all = new Headers(headers);
  all.set(RESPONSE_HEADERS.requestId, requestId);
  return all;
}

function refusalResponse(error: AivaultError): Response {
  const problem = {
    error: error.code,
    ...(error.reason === null ? {} : { reason: error.reason }),
    message: error.message,
    ...(error.hint === null ? {} : { hint: error.hint }),
    requestId: error.requestId ?? "",
  };
  return new Response(JSON.stringify(problem), {
    status: error.status ?? 500,
    headers: {
      "content-type": "application/json",
      [RESPONSE_HEADERS.error]: error.code,
      [RESPONSE_HEADERS.requestId]: problem.requestId,
      // SDKs retry 409, 429 and 5xx unless told otherwise; a decision does not change by asking again.
      "x-should-retry": String(error.code === "rate_limited"),
    },
  });
}
