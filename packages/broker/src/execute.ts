import { isRedirect } from "@aivault/policy";
import type { Registry } from "@aivault/registry";
import type { Clock, Vault } from "@aivault/vault-core";
import { clockOffset } from "./auth/aws-clock.ts";
import type { RequestBody } from "./body.ts";
import type { CapabilityPolicy } from "./capability-policy.ts";
import { BrokerError } from "./errors.ts";
import { type InjectedRequest, injectCredential } from "./inject.ts";
import type { ResponseSink } from "./invocation.ts";
import type { OAuthTokens } from "./oauth-tokens.ts";
import { describePlan, type PlannedRequest } from "./plan.ts";
import { type ReceivedHead, ResponseRelay, type Withheld } from "./response.ts";
import type { ResolvedSettings } from "./settings.ts";
import type { Upstream, UpstreamLimits } from "./upstream.ts";

/** What sending needs. */
export interface ExecutorOptions {
  readonly vault: Vault;
  readonly registry: Registry;
  readonly upstream: Upstream;
  readonly tokens: OAuthTokens;
  readonly now: Clock;
  readonly settings: ResolvedSettings;
}

/** What the outcome in the audit log says in numbers. */
export interface Progress {
  requestBytes: number;
  /** 0 before a head came. */
  status: number;
  responseBytes: number;
  /** Whether the response was whole cannot be told. */
  lengthUnknown: boolean;
  redactions: number;
}

/** A decided invocation. */
export interface Exchange {
  readonly planned: PlannedRequest;
  readonly policy: CapabilityPolicy;
  readonly body: RequestBody;
  readonly limits: UpstreamLimits;
  readonly sink: ResponseSink;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** A redirect that the capability's policy lets us follow, if it is decided so. */
export interface Redirect {
  readonly status: number;
  /** As received; holds no credential. */
  readonly location: string;
}

/** Where a redirect leads after it was decided about from the start. */
export interface Hop {
  readonly planned: PlannedRequest;
  /** The method has changed to one without a body. */
  readonly dropsBody: boolean;
}

const REDIRECTS_MAX = 5;
const NO_BODY: RequestBody = { body: null, length: null, contentType: null };

type Outcome = { readonly tail: readonly Uint8Array[] } | { readonly withheld: Withheld };

/**
 * Sends what was decided: with its credential, again where the provider refused a token or our clock,
 * and to where it is redirected, as far as that is decided too.
 */
export class Executor {
  readonly #options: ExecutorOptions;
  /** By host: how far the provider's clock is ahead of ours. */
  readonly #clockOffsets = new Map<string, number>();

  constructor(options: ExecutorOptions) {
    this.#options = options;
  }

  /**
   * @param decideHop - Decides about a redirect from the start; throws what forbids it.
   * @returns What is still to be released once the outcome is recorded.
   * @throws {BrokerError}
   */
  async run(
    exchange: Exchange,
    decideHop: (from: PlannedRequest, redirect: Redirect) => Promise<Hop>,
  ): Promise<readonly Uint8Array[]> {
    const { now } = this.#options;
    const startedAtMs = now();
    let current = exchange;
    for (let hops = 0; ; hops++) {
      const outcome = await this.#send(current);
      if ("tail" in outcome) return outcome.tail;
      if (outcome.withheld.kind !== "redirect") throw new TypeError("a retry was not carried out");
      if (hops === REDIRECTS_MAX) {
        throw new BrokerError(
          "policy_violation",
          `the provider redirected more than ${REDIRECTS_MAX} times`,
          { reason: "redirect_blocked" },
        );
      }
      const { planned, dropsBody } = await decideHop(current.planned, outcome.withheld);
      current = {
        ...current,
        planned,
        body: dropsBody ? NO_BODY : current.body,
        limits: remaining(exchange.limits, now() - startedAtMs),
      };
    }
  }

  /** One hop, and once more where that helps. */
  async #send(exchange: Exchange): Promise<Outcome> {
    const { tokens } = this.#options;
    const { credential, host, anonymous } = exchange.planned;
    const { auth } = credential;
    const scheme = auth.strategy === "oauth2" && !anonymous ? auth : null;
    let accessToken = scheme === null ? null : await tokens.accessToken(credential, scheme);
    const first = await this.#attempt(exchange, accessToken, isReplayable(exchange.body));
    if ("tail" in first || first.withheld.kind === "redirect") return first;
    if (first.withheld.kind === "skewed") {
      this.#clockOffsets.set(host, first.withheld.offsetMs);
    } else if (scheme !== null) {
      // If no other token can be had, the provider's refusal of this one is the answer.
      const refused = accessToken;
      accessToken = await tokens.accessToken(credential, scheme, refused).catch(() => refused);
    }
    return await this.#attempt(exchange, accessToken, false);
  }

  /** Puts the credential into a request that is not an exchange: a WebSocket's. */
  async inject(planned: PlannedRequest): Promise<InjectedRequest> {
    const { vault, registry, tokens, now } = this.#options;
    const { auth } = planned.credential;
    const accessToken =
      auth.strategy === "oauth2" ? await tokens.accessToken(planned.credential, auth) : null;
    const nowMs = now() + (this.#clockOffsets.get(planned.host) ?? 0);
    return await injectCredential(planned, NO_BODY, { vault, registry, nowMs, accessToken });
  }

  async #attempt(
    { planned, policy, body, limits, sink, signal, progress }: Exchange,
    accessToken: string | null,
    mayRetry: boolean,
  ): Promise<Outcome> {
    const { vault, registry, upstream, now, settings } = this.#options;
    const offsetMs = this.#clockOffsets.get(planned.host) ?? 0;
    const injected = await injectCredential(planned, body, {
      vault,
      registry,
      nowMs: now() + offsetMs,
      accessToken,
    });
    const { clientCertificate, redactor } = injected;
    const withholds = (head: ReceivedHead): Withheld | null => {
      if (mayRetry) {
        const { strategy } = planned.credential.auth;
        if (head.status === 401 && strategy === "oauth2") return { kind: "unauthorized" };
        if (strategy === "aws-sigv4") {
          const skew = clockOffset(head, now(), offsetMs);
          if (skew !== null) return { kind: "skewed", offsetMs: skew };
        }
      }
      if (policy.followRedirects !== true || !isRedirect(head.status)) return null;
      const [location, second] = head.headers.flatMap(([name, value]) =>
        name.toLowerCase() === "location" ? [value] : [],
      );
      // What is not one clear location, or holds the credential, is the caller's to look at, redacted.
      if (location === undefined || second !== undefined) return null;
      if (redactor.text(location) !== location) return null;
      const resends = head.status === 307 || head.status === 308;
      if (resends && !isReplayable(body)) return null;
      return { kind: "redirect", status: head.status, location };
    };
    const relay = new ResponseRelay({
      sink,
      plan: describePlan(planned),
      redactor,
      managedHeaders: planned.placement.headers,
      blockedMembers: policy.responseBlock ?? [],
      responseBytesMax: policy.responseBytesMax ?? settings.responseBytesMax,
      withholds,
    });
    try {
      upstream.send(
        {
          method: planned.method,
          origin: {
            scheme: "https",
            host: planned.host,
            port: planned.port,
            portDeclared: planned.portDeclared,
          },
          path: injected.path,
          headers: injected.headers,
          body: body.body,
          bodyLength: body.length,
          limits,
          ...(clientCertificate === null ? {} : { clientCertificate }),
        },
        relay,
        signal,
      );
      clientCertificate?.privateKey.fill(0);
      clientCertificate?.passphrase?.fill(0);
      return await relay.finished;
    } finally {
      progress.status = relay.status;
      progress.responseBytes = relay.bytes;
      progress.lengthUnknown = relay.lengthUnknown;
      progress.redactions += redactor.found;
      redactor.wipe();
    }
  }
}

/** A stream has been spent by the first attempt. */
function isReplayable({ body }: RequestBody): boolean {
  return body === null || body instanceof Uint8Array;
}

function remaining(limits: UpstreamLimits, elapsedMs: number): UpstreamLimits {
  if (limits.totalMs === 0) return limits;
  return { ...limits, totalMs: Math.max(1, limits.totalMs - elapsedMs) };
}
