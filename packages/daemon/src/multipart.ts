/**
 * `multipart/form-data` (RFC 7578), part by part and in order, as a stream: nothing is written to a
 * temporary file, and a part that is not read holds back the client (G22, D2: what is uploaded was opened
 * by the client, with its own rights).
 */

import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { BrokerError } from "@aivault/broker";
import { Busboy, type BusboyFileStream } from "@fastify/busboy";

/** One part. Its body must be consumed before the next part is asked for. */
export interface Part {
  readonly name: string;
  readonly filename: string | null;
  readonly contentType: string | null;
  readonly body: Readable;
}

export interface MultipartReader {
  /**
   * The next part, or null after the last.
   *
   * @throws {BrokerError} `invalid_request`: malformed, or the client went away in the middle.
   */
  next(): Promise<Part | null>;
  /** Stop reading. Idempotent; the rest of the body is dropped unread. */
  close(): void;
}

const PARTS_MAX = 1001;
const PART_HEADER_BYTES_MAX = 8 * 1024;
const PART_BUFFER_BYTES = 64 * 1024;

export function isMultipart(request: IncomingMessage): boolean {
  return /^multipart\/form-data[ \t]*;/i.test(request.headers["content-type"]?.trim() ?? "");
}

/**
 * Begin to read a request as `multipart/form-data`.
 *
 * @param source - Where its octets are, when they are not in the request any more.
 * @throws {BrokerError} `invalid_request`: no usable boundary.
 */
export function readMultipart(
  request: IncomingMessage,
  source: Readable = request,
): MultipartReader {
  const parts: Part[] = [];
  const open = new Set<BusboyFileStream>();
  let waiting: { resolve(part: Part | null): void; reject(problem: BrokerError): void } | null =
    null;
  let failure: BrokerError | null = null;
  let finished = false;

  const parser = newParser(request);

  const fail = (problem: BrokerError) => {
    if (failure !== null || finished) return;
    failure = problem;
    source.unpipe(parser);
    source.resume();
    for (const body of open) body.destroy(problem);
    waiting?.reject(problem);
    waiting = null;
  };

  parser.on(
    "file",
    (name: string | undefined, body, filename: string | undefined, _coding, type) => {
      open.add(body);
      // Parser errors reach a body as a bare event; destroying it is what its reader notices.
      body.on("error", (error) => body.destroy(error));
      body.on("close", () => open.delete(body));
      const part: Part = {
        name: name ?? "",
        filename: filename ?? null,
        contentType: type === "" ? null : type,
        body,
      };
      if (waiting === null) parts.push(part);
      else {
        waiting.resolve(part);
        waiting = null;
      }
    },
  );
  parser.on("partsLimit", () => fail(malformed("has too many parts")));
  parser.on("error", (cause: unknown) => fail(malformed("is malformed", cause)));
  parser.on("finish", () => {
    finished = true;
    waiting?.resolve(null);
    waiting = null;
  });
  source.on("close", () => {
    const isWhole = source === request ? request.complete : source.readableEnded;
    if (!isWhole) fail(malformed("ended early"));
  });
  source.on("error", (cause) => fail(malformed("ended early", cause)));
  source.pipe(parser);

  return {
    next() {
      if (failure !== null) return Promise.reject(failure);
      const part = parts.shift();
      if (part !== undefined) return Promise.resolve(part);
      if (finished) return Promise.resolve(null);
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
      });
    },
    close: () => fail(malformed("is no longer read")),
  };
}

function newParser(request: IncomingMessage) {
  try {
    return new Busboy({
      headers: { ...request.headers, "content-type": request.headers["content-type"] ?? "" },
      // Every part is a stream of octets. A secret's value must not become a string on its way.
      isPartAFile: () => true,
      // A file name is data for the provider; the broker checks it.
      preservePath: true,
      fileHwm: PART_BUFFER_BYTES,
      limits: {
        parts: PARTS_MAX,
        files: PARTS_MAX,
        headerPairs: 20,
        headerSize: PART_HEADER_BYTES_MAX,
      },
    });
  } catch (cause) {
    throw malformed("has no usable boundary", cause);
  }
}

// The broker's own kind of error: it is the broker that reads the bodies of uploads.
function malformed(problem: string, cause?: unknown): BrokerError {
  return new BrokerError("invalid_request", `the multipart body ${problem}`, { cause });
}
