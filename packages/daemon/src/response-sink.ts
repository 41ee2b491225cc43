/** A broker's {@link ResponseSink} over a node:http response: backpressure, and no false endings. */

import type { ServerResponse } from "node:http";
import type { ResponseControl, ResponseHead, ResponseSink } from "@aivault/broker";
import { RESPONSE_HEADERS } from "@aivault/client/protocol";

/** A sink that can be torn down. */
export interface HttpResponseSink extends ResponseSink {
  /** The head has come: a refusal can no longer be sent. */
  readonly started: boolean;
}

/** Octets that wait for the end of the turn: what is read from a connection at once. */
const HELD_BYTES_MAX = 64 * 1024;

/**
 * Write an upstream's answer to a caller.
 *
 * Its headers come from the broker stripped and redacted; what Node would add of its own (`Date`) is
 * left out. `strictContentLength` turns a body that does not match the announced length into an error
 * instead of octets that the client would read as the next answer.
 *
 * What comes within one turn of the event loop leaves in one write. An answer that is complete by then
 * says how long it is; any other is sent in chunks, since what is cut out of it is not known yet.
 */
export function responseSink(response: ServerResponse, requestId: string): HttpResponseSink {
  response.sendDate = false;
  response.strictContentLength = true;
  return new Sink(response, requestId);
}

class Sink implements HttpResponseSink {
  readonly #response: ServerResponse;
  readonly #requestId: string;
  #head: ResponseHead | null = null;
  #control: ResponseControl | null = null;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #isDue = false;
  #isEnding = false;
  #isSent = false;
  /** The caller is slower than what was written. */
  #isFull = false;

  constructor(response: ServerResponse, requestId: string) {
    this.#response = response;
    this.#requestId = requestId;
  }

  get started(): boolean {
    return this.#head !== null;
  }

  head(head: ResponseHead, control: ResponseControl): void {
    this.#head = head;
    this.#control = control;
    this.#sendSoon();
  }

  data(chunk: Uint8Array): boolean {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    this.#sendSoon();
    return !this.#isFull && this.#heldBytes < HELD_BYTES_MAX;
  }

  ending(): void {
    this.#isEnding = true;
  }

  end(): void {
    const response = this.#response;
    if (!this.#isSent) {
      this.#isSent = true;
      this.#writeHead(this.#hasBody() ? this.#heldBytes : null);
    }
    if (this.#held.length === 0) response.end();
    else response.end(this.#takeHeld());
  }

  /** What came in this turn of the event loop; more will follow. */
  send(): void {
    const response = this.#response;
    this.#isDue = false;
    if (this.#isEnding || response.destroyed || response.writableEnded) return;
    if (!this.#isSent) {
      this.#isSent = true;
      this.#writeHead(null);
      response.on("drain", () => {
        this.#isFull = false;
        this.#control?.resume();
      });
      if (this.#held.length === 0) response.flushHeaders();
    }
    if (this.#held.length === 0) return;
    this.#isFull = !response.write(this.#takeHeld());
    if (!this.#isFull) this.#control?.resume();
  }

  #sendSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(sendHeld, this);
  }

  #takeHeld(): Uint8Array {
    const [only] = this.#held;
    const whole = this.#held.length === 1 && only !== undefined ? only : Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    return whole;
  }

  /** RFC 9110 sections 9.3.2, 15.3.5, 15.4.5. */
  #hasBody(): boolean {
    const status = this.#head?.status;
    return this.#response.req.method !== "HEAD" && status !== 204 && status !== 304;
  }

  #writeHead(length: number | null): void {
    const head = this.#head;
    if (head === null) throw new TypeError("an answer without a head");
    const { plan } = head;
    const headers: string[] = [];
    for (const { name, value } of head.headers) {
      // Of an answer to HEAD, which is no length of ours when the question came in an envelope.
      if (name === "content-length" && this.#response.req.method !== "HEAD") continue;
      headers.push(name, value);
    }
    if (length !== null) headers.push("content-length", String(length));
    headers.push(
      RESPONSE_HEADERS.requestId,
      this.#requestId,
      RESPONSE_HEADERS.capability,
      plan.capability,
      RESPONSE_HEADERS.credential,
      plan.credential,
      RESPONSE_HEADERS.method,
      plan.method,
      RESPONSE_HEADERS.url,
      plan.url,
    );
    if (head.lengthUnknown === true) headers.push(RESPONSE_HEADERS.length, "unknown");
    this.#response.writeHead(head.status, head.statusText, headers);
  }
}

function sendHeld(sink: Sink): void {
  sink.send();
}
