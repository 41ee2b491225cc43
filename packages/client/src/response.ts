/**
 * A provider's answer as it streams through the daemon.
 */
import type { IncomingMessage } from "node:http";
import { AivaultError } from "./errors.ts";
import { RESPONSE_HEADERS, type WireHeader } from "./protocol.ts";
import { bodyChunks, headerOf } from "./transport.ts";

/** What the broker decided to do, with every credential masked. */
export interface InvokePlan {
  readonly capability: string;
  readonly credential: string;
  readonly method: string;
  readonly url: string;
}

/**
 * The provider's answer; its status is whatever the provider said.
 *
 * The body is read once, by whichever of the accessors comes first. A body that is neither read nor
 * cancelled keeps its connection.
 */
export interface InvokeResponse extends AsyncIterable<Uint8Array> {
  readonly status: number;
  readonly statusText: string;
  /** The provider's headers in the order sent, without those of the local hop and aivault's own. */
  readonly headerList: readonly WireHeader[];
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array>;
  /** Names this call in the audit log. */
  readonly requestId: string;
  readonly plan: InvokePlan;
  /** False where the provider said no length: then the end of the body may be where its connection broke. */
  readonly lengthKnown: boolean;
  bytes(): Promise<Uint8Array>;
  text(): Promise<string>;
  /** @throws {AivaultError} `CLIENT_NOT_JSON`. An empty body is `null`. */
  json<T = unknown>(): Promise<T>;
  /** Stop the call at the provider too. */
  cancel(): void;
}

// Framing and connection management between the daemon and us; no statement of the provider's.
const LOCAL_HOP = new Set(["connection", "keep-alive", "transfer-encoding", "date"]);

/** Wrap the daemon's answer to a proxied request. */
export function invokeResponse(response: IncomingMessage, signal?: AbortSignal): InvokeResponse {
  return new StreamedResponse(response, signal);
}

class StreamedResponse implements InvokeResponse {
  readonly status: number;
  readonly statusText: string;
  readonly requestId: string;
  readonly plan: InvokePlan;
  readonly lengthKnown: boolean;
  readonly #response: IncomingMessage;
  readonly #signal: AbortSignal | undefined;
  #headers: Headers | undefined;
  #body: ReadableStream<Uint8Array> | undefined;

  constructor(response: IncomingMessage, signal: AbortSignal | undefined) {
    this.#response = response;
    this.#signal = signal;
    this.status = response.statusCode ?? 0;
    this.statusText = response.statusMessage ?? "";
    this.requestId = headerOf(response, RESPONSE_HEADERS.requestId) ?? "";
    this.lengthKnown = headerOf(response, RESPONSE_HEADERS.length) !== "unknown";
    this.plan = {
      capability: headerOf(response, RESPONSE_HEADERS.capability) ?? "",
      credential: headerOf(response, RESPONSE_HEADERS.credential) ?? "",
      method: headerOf(response, RESPONSE_HEADERS.method) ?? "",
      url: headerOf(response, RESPONSE_HEADERS.url) ?? "",
    };
  }

  get headerList(): readonly WireHeader[] {
    const raw = this.#response.rawHeaders;
    const list: WireHeader[] = [];
    for (let i = 0; i < raw.length; i += 2) {
      const name = raw[i] as string;
      const lower = name.toLowerCase();
      if (LOCAL_HOP.has(lower) || lower.startsWith("aivault-")) continue;
      list.push({ name, value: raw[i + 1] as string });
    }
    return list;
  }

  // Made when asked for: the first `Headers` of a process takes Node 20 some 25 ms.
  get headers(): Headers {
    this.#headers ??= new Headers(this.headerList.map(({ name, value }) => [name, value]));
    return this.#headers;
  }

  get body(): ReadableStream<Uint8Array> {
    this.#body ??= webStream(this, () => this.cancel());
    return this.#body;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return bodyChunks(this.#response, this.#signal);
  }

  async bytes(): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes());
  }

  async json<T = unknown>(): Promise<T> {
    const text = await this.text();
    if (text.trim() === "") return null as T;
    try {
      return JSON.parse(text) as T;
    } catch {
      // The parser's own message quotes the body.
      throw new AivaultError("CLIENT_NOT_JSON", "the provider's answer is not JSON", {
        status: this.status,
        requestId: this.requestId,
        hint: "read it as text() or bytes()",
      });
    }
  }

  cancel(): void {
    this.#response.destroy();
  }
}

/** A web stream that pulls from `chunks` no faster than it is read. */
function webStream(
  chunks: AsyncIterable<Uint8Array>,
  cancel: () => void,
): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await iterator.next();
        if (next.done === true) controller.close();
        else controller.enqueue(new Uint8Array(next.value));
      },
      cancel,
    },
    { highWaterMark: 0 },
  );
}
