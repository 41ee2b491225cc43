/** Reading a request's body: bounded in octets and in time, and strictly. */

import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { parseStrictJson } from "@aivault/policy";
import type * as z from "zod";
import type { Exchange } from "./exchange.ts";
import { Problem, problemOf } from "./problem.ts";

/** Octets of a JSON body: metadata and small requests; anything larger is uploaded. */
export const JSON_BYTES_MAX = 1024 * 1024;
/** Octets of a secret's value. The largest known kind is a chain of certificates with its key. */
export const VALUE_BYTES_MAX = 64 * 1024;
/** A body read into memory arrives within this. */
const BODY_TIMEOUT_MS = 30_000;

/**
 * Collect a stream into one buffer that the caller owns and wipes.
 *
 * Every chunk is wiped as soon as it is copied: the stream may carry a secret's value, and chunks are
 * views of buffers that would otherwise wait for the collector. The kernel's copies, and what V8 or
 * the multipart parser may have moved, are out of our reach.
 *
 * @param bytesExpected - How much will come, as far as one can tell.
 * @throws {Problem} `request_too_large`, `invalid_request` when it ends early or takes too long.
 */
export function collect(
  stream: Readable,
  bytesMax: number,
  bytesExpected = 4096,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    if (stream.destroyed) {
      reject(stream.errored ?? new Problem("invalid_request", "the body ended early"));
      return;
    }
    let buffer = new Uint8Array(Math.min(bytesMax, bytesExpected));
    let length = 0;
    const timer = setTimeout(
      () => fail(new Problem("invalid_request", "the body took too long")),
      BODY_TIMEOUT_MS,
    );

    const onData = (chunk: Uint8Array) => {
      if (length + chunk.length > bytesMax) {
        chunk.fill(0);
        fail(new Problem("request_too_large", `the body is larger than ${bytesMax} bytes`));
        return;
      }
      if (length + chunk.length > buffer.length) {
        const larger = new Uint8Array(
          Math.min(bytesMax, Math.max(buffer.length * 2, length + chunk.length)),
        );
        larger.set(buffer.subarray(0, length));
        buffer.fill(0);
        buffer = larger;
      }
      buffer.set(chunk, length);
      length += chunk.length;
      chunk.fill(0);
    };
    const onEnd = () => {
      stop();
      resolve(buffer.subarray(0, length));
    };
    const onBroken = () => fail(new Problem("invalid_request", "the body ended early"));
    const stop = () => {
      clearTimeout(timer);
      stream.off("data", onData).off("end", onEnd).off("error", onBroken).off("close", onBroken);
    };
    const fail = (problem: Problem) => {
      stop();
      buffer.fill(0);
      // What is still to come is dropped unread; the adapter decides for how long.
      stream.resume();
      reject(problem);
    };

    stream.on("data", onData).on("end", onEnd).on("error", onBroken).on("close", onBroken);
  });
}

/**
 * Collect the body of a request that has said what it is.
 *
 * @param body - Where its octets are, when they are not in the request any more.
 * @throws {Problem} As {@link collect}; `invalid_request` for a content coding.
 */
export function readBody(
  request: IncomingMessage,
  bytesMax: number,
  body: Readable = request,
): Promise<Uint8Array> {
  const coding = request.headers["content-encoding"];
  if (coding !== undefined && coding.toLowerCase() !== "identity") {
    throw new Problem("invalid_request", "a compressed body is not accepted");
  }
  // Refused before a byte of it is read, so that a client that waits for 100 sends none.
  const length = Number(request.headers["content-length"] ?? 0);
  if (length > bytesMax) {
    throw new Problem("request_too_large", `the body is larger than ${bytesMax} bytes`);
  }
  return length > 0 ? collect(body, bytesMax, length) : collect(body, bytesMax);
}

/** `application/json`, in UTF-8, by RFC 9110 §8.3.1; the only charset RFC 8259 knows. */
const JSON_TYPE = /^application\/json[ \t]*(?:;[ \t]*charset="?utf-8"?)?$/i;

/** True when the body says it is JSON. A browser cannot send that across origins without asking. */
export function isJson(request: IncomingMessage): boolean {
  return JSON_TYPE.test(request.headers["content-type"]?.trim() ?? "");
}

/**
 * Read a JSON body that has to be of a schema.
 *
 * @throws {Problem} `invalid_request`, `request_too_large`.
 */
export async function readJson<T>(exchange: Exchange, schema: z.ZodType<T>): Promise<T> {
  if (!isJson(exchange.request)) {
    throw new Problem("invalid_request", "the content type must be application/json");
  }
  exchange.continueBody();
  return parseJson(await readBody(exchange.request, JSON_BYTES_MAX, exchange.body), schema);
}

/**
 * Read a body of octets: a secret's value, a passphrase. The caller owns and wipes it.
 *
 * @throws {Problem} `invalid_request`, `request_too_large`.
 */
export function readOctets(exchange: Exchange, bytesMax: number): Promise<Uint8Array> {
  if (exchange.request.headers["content-type"] !== "application/octet-stream") {
    throw new Problem("invalid_request", "the content type must be application/octet-stream");
  }
  exchange.continueBody();
  return readBody(exchange.request, bytesMax, exchange.body);
}

/** Parse JSON strictly, then by a schema. */
export function parseJson<T>(octets: Uint8Array, schema: z.ZodType<T>): T {
  const json = parseStrictJson(octets, { bytesMax: JSON_BYTES_MAX });
  if (!json.ok) throw problemOf(json);
  return parseWith(schema, json.value, "the body");
}

/**
 * Check a value against a schema.
 *
 * @throws {Problem} `invalid_request`, naming the place and the rule of the first complaint, and never
 * the value found there.
 */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const place =
    issue === undefined || issue.path.length === 0 ? what : issue.path.map(String).join(".");
  throw new Problem("invalid_request", `\`${place.slice(0, 100)}\`: ${describeIssue(issue)}`);
}

// zod's own messages quote unknown keys in full length; a caller chose those.
function describeIssue(issue: z.core.$ZodIssue | undefined): string {
  switch (issue?.code) {
    case "unrecognized_keys":
      return `unknown member \`${printable(issue.keys[0] ?? "")}\``;
    case "invalid_type":
      return `must be ${issue.expected}`;
    case "too_small":
      return "is too short or too small";
    case "too_big":
      return "is too long or too large";
    case "invalid_value":
      return `must be one of ${issue.values.map(String).join(", ")}`;
    case "custom":
      return issue.message;
    default:
      return "has the wrong form";
  }
}

function printable(text: string): string {
  return text.slice(0, 64).replace(/[^\x20-\x5f\x61-\x7e]/g, "?");
}
