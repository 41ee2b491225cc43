/** Refusals of the daemon itself, and how any refusal looks on the wire. docs/protocol.md#problems */

import type { ServerResponse } from "node:http";
import {
  type ProblemBody,
  RESPONSE_HEADERS,
  type WireConfirmation,
  type WireErrorCode,
  type WireReason,
} from "@aivault/client/protocol";
import type { Denial } from "@aivault/policy";

/**
 * Thrown by a route to refuse a request; caught in one place, the adapter.
 *
 * The message is shown to the caller: lowercase, with what to do next, and never with a header value
 * or a body byte.
 */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: WireErrorCode;
  readonly reason: WireReason | null;
  readonly hint: string | null;
  readonly retryAfterMs: number | null;
  readonly confirmation: WireConfirmation | null;

  constructor(
    code: WireErrorCode,
    message: string,
    options: {
      reason?: WireReason | null;
      hint?: string;
      retryAfterMs?: number;
      confirmation?: WireConfirmation;
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.reason = options.reason ?? null;
    this.hint = options.hint ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.confirmation = options.confirmation ?? null;
  }
}

/** A denial of the policy package as a problem. */
export function problemOf(denial: Denial): Problem {
  return new Problem(denial.code, denial.message, { reason: denial.reason });
}

/** Everything a refusal says. */
export interface ProblemFacts {
  readonly status: number;
  readonly code: WireErrorCode;
  readonly reason: WireReason | null;
  readonly message: string;
  readonly hint: string | null;
  readonly retryAfterMs: number | null;
  readonly confirmation: WireConfirmation | null;
}

/**
 * Send a refusal. The head must not have been sent.
 *
 * `aivault-error` tells it from an answer of the provider; `x-should-retry: false` tells the SDKs that
 * know it not to try again what policy has refused.
 */
export function sendProblem(
  response: ServerResponse,
  requestId: string,
  problem: ProblemFacts,
): void {
  // Nobody is there to read it. Under `strictContentLength` Node would throw for octets that go nowhere,
  // and a caller that went away while it waited would end the daemon.
  if (response.destroyed) return;
  const body: ProblemBody = {
    error: problem.code,
    ...(problem.reason === null ? {} : { reason: problem.reason }),
    message: problem.message,
    ...(problem.hint === null ? {} : { hint: problem.hint }),
    requestId,
    ...(problem.confirmation === null ? {} : { confirmation: problem.confirmation }),
  };
  const octets = Buffer.from(JSON.stringify(body));
  response.writeHead(problem.status, {
    "content-type": "application/json",
    "content-length": octets.length,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    [RESPONSE_HEADERS.error]: problem.code,
    [RESPONSE_HEADERS.requestId]: requestId,
    ...(problem.retryAfterMs === null
      ? {}
      : { "retry-after": String(Math.max(1, Math.ceil(problem.retryAfterMs / 1000))) }),
    ...(problem.retryAfterMs === null && problem.status < 500 ? { "x-should-retry": "false" } : {}),
  });
  response.end(octets);
}
