import { type HeaderPair, responseHeaders } from "@aivault/policy";
import { createDecoder, type Decoder, parseContentEncoding } from "./content-decoding.ts";
import { BrokerError, isBrokerError } from "./errors.ts";
import type { PlanSummary, ResponseControl, ResponseSink } from "./invocation.ts";
import { MemberBlocker } from "./member-blocker.ts";
import type { Redactor, RedactorStream } from "./redact.ts";
import type { UpstreamControl, UpstreamHandler } from "./upstream.ts";

/** What a relay needs to know. */
export interface RelayOptions {
  readonly sink: ResponseSink;
  readonly plan: PlanSummary;
  readonly redactor: Redactor;
  /** Headers of the request that held a credential; a provider that echoes them is not passed on. */
  readonly managedHeaders: readonly string[];
  /** Names of JSON members whose values are cut out. */
  readonly blockedMembers: readonly string[];
  /** Bytes of the decoded body. */
  readonly responseBytesMax: number;
  /** Tells which responses are not released, since another request will be made. */
  readonly withholds: (head: ReceivedHead) => Withheld | null;
}

/** The head of a response as the provider sent it. */
export interface ReceivedHead {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** Why a response is not released. */
export type Withheld =
  | { readonly kind: "unauthorized" }
  /** Our clock is off by so much. */
  | { readonly kind: "skewed"; readonly offsetMs: number }
  | { readonly kind: "redirect"; readonly status: number; readonly location: string };

/** A response that was relayed but for its last bytes, which wait for the audit log; or withheld. */
export type RelayedResponse =
  | { readonly tail: readonly Uint8Array[] }
  | { readonly withheld: Withheld };

/**
 * How long the body would have been that an answer to HEAD does not have: what many ask HEAD for (RFC 9110
 * section 9.3.2). Any other length is that of a body which may get shorter on its way.
 */
function lengthOfAbsentBody(
  method: string,
  headers: ReceivedHead["headers"],
  encodings: number,
): string | null {
  if (method !== "HEAD" || encodings > 0) return null;
  const [given, ...more] = headers.filter(([name]) => name.toLowerCase() === "content-length");
  return given !== undefined && more.length === 0 && /^\d{1,15}$/.test(given[1]) ? given[1] : null;
}

/** Whether a header says where the body ends: RFC 9112 section 6.3. */
function frames(name: string, value: string): boolean {
  if (name.length === 14) return name.toLowerCase() === "content-length";
  return (
    name.length === 17 &&
    name.toLowerCase() === "transfer-encoding" &&
    /(^|[,\s])chunked\s*$/i.test(value)
  );
}

/**
 * Passes a response on: headers stripped, codings undone, credentials cut out, at the sink's pace.
 *
 * G9, B2: nothing gets to the sink but through the redactor.
 */
export class ResponseRelay implements UpstreamHandler, ResponseControl {
  /** Settles when the provider is done, or something failed. */
  readonly finished: Promise<RelayedResponse>;
  readonly #options: RelayOptions;
  readonly #stream: RedactorStream;
  readonly #blocker: MemberBlocker | null;
  #resolve: (response: RelayedResponse) => void = () => {};
  #reject: (error: BrokerError) => void = () => {};
  #settled = false;
  #status = 0;
  #control: UpstreamControl | null = null;
  #decoder: Decoder | null = null;
  /** Decoded bytes so far. */
  #bytes = 0;
  #sinkFull = false;
  #lengthUnknown = false;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#stream = options.redactor.stream();
    this.#blocker =
      options.blockedMembers.length === 0 ? null : new MemberBlocker(options.blockedMembers);
    this.finished = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** 0 before the head has come. */
  get status(): number {
    return this.#status;
  }

  /** Decoded bytes that have come so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The response ends with its connection, and so does one that was cut. */
  get lengthUnknown(): boolean {
    return this.#lengthUnknown;
  }

  head(
    status: number,
    statusText: string,
    headers: readonly (readonly [name: string, value: string])[],
    control: UpstreamControl,
  ): void {
    this.#status = status;
    this.#control = control;
    const { sink, plan, redactor, managedHeaders, withholds } = this.#options;
    const withheld = withholds({ status, headers });
    if (withheld !== null) {
      this.#settled = true;
      this.#resolve({ withheld });
      control.abort(new BrokerError("upstream_failed", "another request is made instead"));
      return;
    }
    const pairs: HeaderPair[] = [];
    const encodings: string[] = [];
    let isFramed = plan.method === "HEAD" || status === 204 || status === 304;
    for (const [name, value] of headers) {
      // G9: a name is put into lower case below, and that of a secret would not be found any more.
      if (redactor.text(name) === name) pairs.push({ name, value });
      isFramed ||= frames(name, value);
      if (name.length === 16 && name.toLowerCase() === "content-encoding") encodings.push(value);
    }
    if (encodings.length > 0) {
      try {
        const codings = parseContentEncoding(encodings);
        if (codings.length > 0) this.#decoder = this.#createDecoder(codings);
      } catch (error) {
        if (!isBrokerError(error)) throw error;
        this.#fail(error);
        return;
      }
    }
    const passed: HeaderPair[] = [];
    for (const { name, value } of responseHeaders(pairs, { managed: managedHeaders })) {
      if (name === "content-encoding" || redactor.text(name) !== name) continue;
      passed.push({ name, value: redactor.text(value) });
    }
    const length = lengthOfAbsentBody(plan.method, headers, encodings.length);
    if (length !== null && redactor.text(length) === length)
      passed.push({ name: "content-length", value: length });
    this.#lengthUnknown = !isFramed;
    const head = {
      status,
      statusText: printable(redactor.text(statusText)),
      headers: passed,
      plan,
    };
    sink.head(isFramed ? head : { ...head, lengthUnknown: true }, this);
  }

  data(chunk: Uint8Array): void {
    if (this.#settled) return;
    if (this.#decoder === null) this.#release(chunk);
    else if (!this.#decoder.write(chunk)) this.#control?.pause();
  }

  end(): void {
    if (this.#decoder === null) this.#finish();
    else this.#decoder.end();
  }

  error(error: BrokerError): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#decoder?.destroy();
    // G23: the beginning of a credential may be waiting for its end.
    this.#stream.wipe();
    this.#reject(error);
  }

  #createDecoder(codings: readonly string[]): Decoder {
    return createDecoder(codings, {
      data: (chunk) => this.#release(chunk),
      drain: () => this.#control?.resume(),
      end: () => this.#finish(),
      error: (error) => this.#fail(error),
    });
  }

  #release(chunk: Uint8Array): void {
    if (this.#settled) return;
    this.#bytes += chunk.length;
    const { responseBytesMax } = this.#options;
    if (this.#bytes > responseBytesMax) {
      // G10: the caller sees a broken response, not one that only looks complete.
      const message = `the answer has more than ${responseBytesMax} bytes, which is the limit`;
      this.#fail(new BrokerError("response_too_large", message));
      return;
    }
    if (this.#blocker === null) this.#pass(chunk);
    else for (const part of this.#blocker.push(chunk)) this.#pass(part);
    if (!this.#sinkFull) return;
    if (this.#decoder === null) this.#control?.pause();
    else this.#decoder.pause();
  }

  /** Sinks hand it on as a function of its own. */
  readonly resume = (): void => {
    if (!this.#sinkFull || this.#settled) return;
    this.#sinkFull = false;
    if (this.#decoder === null) this.#control?.resume();
    else this.#decoder.resume();
  };

  #pass(part: Uint8Array): void {
    for (const piece of this.#stream.push(part)) {
      if (!this.#options.sink.data(piece)) this.#sinkFull = true;
    }
  }

  #finish(): void {
    if (this.#settled) return;
    this.#settled = true;
    const tail: Uint8Array[] = [];
    for (const part of this.#blocker?.end() ?? []) tail.push(...this.#stream.push(part));
    tail.push(...this.#stream.end());
    this.#resolve({ tail });
  }

  #fail(error: BrokerError): void {
    if (this.#settled) return;
    this.error(error);
    this.#control?.abort(error);
  }
}

const PLAIN = /^[ -~]*$/;

function printable(text: string): string {
  return PLAIN.test(text) ? text : text.replaceAll(/[^\t\x20-\x7e\xa0-\xff]/g, "");
}
