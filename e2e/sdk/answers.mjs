// @ts-check
// Ways to answer that several providers share.
import { Readable } from "node:stream";
import { readMultipart } from "../support/multipart.mjs";

/**
 * @typedef {import("node:http").ServerResponse} ServerResponse
 *
 * @param {ServerResponse} response @param {unknown} body @param {number} [status]
 * @param {Readonly<Record<string, string>>} [headers]
 */
export function sendJson(response, body, status = 200, headers = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

/**
 * Server-sent events, each in a chunk of its own.
 *
 * @param {ServerResponse} response
 * @param {readonly ({ event?: string, data: unknown })[]} events - Text goes as it is, the rest as JSON.
 */
export async function sendEvents(response, events) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const { event, data } of events) {
    const text = typeof data === "string" ? data : JSON.stringify(data);
    response.write(`${event === undefined ? "" : `event: ${event}\n`}data: ${text}\n\n`);
    await new Promise((resolve) => setImmediate(resolve));
  }
  response.end();
}

/** The parts of a multipart/form-data body. @param {import("./stand-in.mjs").Arrival} arrival */
export async function partsOf({ headers, body }) {
  const type = headers.find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? "";
  return await readMultipart(Readable.from([body]), type);
}

/** A JSON body. @param {import("./stand-in.mjs").Arrival} arrival @returns {any} */
export function jsonOf({ body }) {
  return JSON.parse(body.toString("utf8"));
}

/** @param {ServerResponse} response */
export function sendNotFound(response) {
  sendJson(response, { error: { message: "not found" } }, 404);
}
