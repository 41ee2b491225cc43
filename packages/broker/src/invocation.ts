import type { Envelope, HeaderPair } from "@aivault/policy";
import type { InvocationContext } from "./context.ts";
import type { BrokerErrorCode, BrokerReason } from "./errors.ts";
import type { DecisionStep } from "./trace.ts";

/** Who asks, as the transport established it. */
export interface Principal {
  readonly kind: "caller" | "operator";
  readonly transport: "unix" | "tcp";
  /** The peer's user id when the kernel told it, else null. */
  readonly uid: number | null;
  /** For the record only: nothing is authorised by it. */
  readonly pid: number | null;
  readonly tokenId?: string;
}

/** One part of a `multipart/form-data` request, as it arrives. */
export interface Upload {
  readonly field: string;
  readonly filename: string | null;
  readonly contentType: string | null;
  /** Bytes that follow, when the sender said so. A body of another length is refused. */
  readonly length?: number | null;
  readonly body: AsyncIterable<Uint8Array>;
}

/** What is known of a body that is still to come. */
export interface AnnouncedBody {
  /** Its bytes, with which it is then sent on; null sends it chunked. */
  readonly length: number | null;
  /** What the sender would have signed as its hash, for services that sign one; see AWS's documentation. */
  readonly payloadHash: string | null;
}

/** One use of one capability. */
export interface Invocation {
  readonly requestId: string;
  readonly principal: Principal;
  /** Parsed by `@aivault/policy`. */
  readonly envelope: Envelope;
  /** In the order in which the client sent them; each body is consumed before the next is taken. */
  readonly uploads: AsyncIterable<Upload> | null;
  /** What the sender of a body that is one upload said of it before sending it. */
  readonly announced?: AnnouncedBody;
  /** Shortens the broker's own deadline for the whole exchange. */
  readonly timeoutMs?: number;
  /** Where the caller stands and what its token grants; left out for a caller without a token. */
  readonly context?: InvocationContext;
}

/** What is about to be done, without the credential. */
export interface PlanSummary {
  readonly capability: string;
  readonly credential: string;
  readonly method: string;
  /** Every credential masked as `[REDACTED]`. */
  readonly url: string;
}

/** The answer to a dry run. */
export interface Plan extends PlanSummary {
  readonly headers: readonly HeaderPair[];
  /** What would be injected, for example `header authorization`. */
  readonly injects: readonly string[];
}

/** Why an invocation would be allowed or refused. */
export interface Explanation {
  readonly decision: "allow" | "deny";
  /** Every rule, in the order in which they are asked. */
  readonly steps: readonly DecisionStep[];
  /** Null when it is refused. */
  readonly plan: Plan | null;
  /** What the caller would be told, and what would be needed; null when it is allowed. */
  readonly denial: {
    readonly code: BrokerErrorCode;
    readonly reason: BrokerReason | null;
    readonly message: string;
    /** A command that would help. */
    readonly hint: string | null;
    readonly retryAfterMs: number | null;
  } | null;
}

/** The head of a response, stripped and redacted. */
export interface ResponseHead {
  readonly status: number;
  readonly statusText: string;
  readonly headers: readonly HeaderPair[];
  readonly plan: PlanSummary;
  /**
   * The body has neither a length nor chunks: it ends with the provider's connection, and whether it is whole
   * cannot be told (RFC 9112 section 8).
   */
  readonly lengthUnknown?: boolean;
}

/** How a sink that said stop says go. */
export interface ResponseControl {
  resume(): void;
}

/** Where a response is released to. Never called after `invoke` has settled. */
export interface ResponseSink {
  /** Once, before anything else. */
  head(head: ResponseHead, control: ResponseControl): void;
  /**
   * @param chunk - Owned by the sink.
   * @returns False to be given no more until it calls {@link ResponseControl.resume}.
   */
  data(chunk: Uint8Array): boolean;
  /**
   * Nothing more follows but, perhaps, a few last bytes and the end, as soon as the outcome is in the audit
   * log. A sink that holds back what is left can then send all of it at once.
   */
  ending?(): void;
  /** The response is complete and its outcome is in the audit log. */
  end(): void;
}
