/** A broker's {@link ResponseSink} over a node:http response: backpressure, and no false endings. */

import type { ServerResponse } from "node:http";
import type { ResponseControl, ResponseSink } from "@aivault/broker";
import { RESPONSE_HEADERS } from "@aivault/client/protocol";

/** A sink that can be torn down. */
export interface HttpResponseSink extends ResponseSink {
  /** The head has been sent: a refusal can no longer be. */
  readonly started: boolean;
}

/**
 * Write an upstream's answer to a caller.
 *
 * Its headers come from the broker stripped and redacted; what Node would add of its own (`Date`) is
 * left out. `strictContentLength` turns a body that does not match the announced length into an error
 * instead of octets that the client would read as the next answer.
 */
export function responseSink(response: ServerResponse, requestId: string): HttpResponseSink {
  let started = false;
  let hasData = false;
  response.sendDate = false;
  response.strictContentLength = true;
  return {
    get started() {
      return started;
    },
    head(head, control: ResponseControl) {
      const headers: string[] = [];
      for (const { name, value } of head.headers) headers.push(name, value);
      const added: Readonly<Record<string, string>> = {
        [RESPONSE_HEADERS.requestId]: requestId,
        [RESPONSE_HEADERS.capability]: head.plan.capability,
        [RESPONSE_HEADERS.credential]: head.plan.credential,
        [RESPONSE_HEADERS.method]: head.plan.method,
        [RESPONSE_HEADERS.url]: head.plan.url,
      };
      for (const [name, value] of Object.entries(added)) headers.push(name, value);
      response.writeHead(head.status, head.statusText, headers);
      started = true;
      // Head and first octets leave in one write when both are there. Where the octets take their time,
      // as in an event stream, the head goes ahead of them.
      setImmediate(() => {
        if (!hasData && !response.destroyed) response.flushHeaders();
      });
      response.on("drain", () => control.resume());
    },
    data(chunk) {
      hasData = true;
      return response.write(chunk);
    },
    end() {
      hasData = true;
      response.end();
    },
  };
}
