// @ts-check
// What the stand-in provider answers when all is well: the shapes of the real APIs, made small.
import { setTimeout as wait } from "node:timers/promises";

/**
 * @typedef {import("node:http").ServerResponse} ServerResponse
 *
 * @typedef {object} Exchange
 * @property {string} host
 * @property {string} method
 * @property {string} path - Without a credential that was in it.
 * @property {Record<string, unknown>} json - The body, if it was a JSON object; else empty.
 * @property {{ bytes: number, sha256: string }} body - What arrived, whatever it was.
 * @property {import("./multipart.mjs").Part[] | null} parts
 */

/** @param {ServerResponse} response @param {number} status @param {unknown} value */
export function sendJson(response, status, value) {
  const bytes = Buffer.from(JSON.stringify(value));
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": String(bytes.length),
  });
  response.write(bytes);
  response.end();
}

/**
 * @param {ServerResponse} response
 * @param {readonly { event?: string, data: unknown }[]} events
 * @param {number} delayMs
 */
async function sendEvents(response, events, delayMs) {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  for (const { event, data } of events) {
    const text = typeof data === "string" ? data : JSON.stringify(data);
    response.write(`${event === undefined ? "" : `event: ${event}\n`}data: ${text}\n\n`);
    await wait(delayMs);
    if (response.destroyed) return;
  }
  response.end();
}

const SENTENCE = ["The ", "key ", "stays ", "in ", "the ", "vault", "."];

/** @param {Record<string, unknown>} json */
const modelOf = (json) => (typeof json["model"] === "string" ? json["model"] : "stand-in-1");

/** @param {Exchange} exchange @param {ServerResponse} response @param {number} delayMs */
async function chatCompletions({ json }, response, delayMs) {
  const base = { id: "chatcmpl-1", created: 1_700_000_000, model: modelOf(json) };
  if (json["stream"] === true) {
    const object = "chat.completion.chunk";
    const deltas = SENTENCE.map((content) => ({
      data: { ...base, object, choices: [{ index: 0, delta: { content }, finish_reason: null }] },
    }));
    const last = { ...base, object, choices: [{ index: 0, delta: {}, finish_reason: "stop" }] };
    await sendEvents(response, [...deltas, { data: last }, { data: "[DONE]" }], delayMs);
    return;
  }
  const message = { role: "assistant", content: SENTENCE.join("") };
  sendJson(response, 200, {
    ...base,
    object: "chat.completion",
    choices: [{ index: 0, message, finish_reason: "stop" }],
    usage: { prompt_tokens: 5, completion_tokens: SENTENCE.length, total_tokens: 12 },
  });
}

/** @param {Exchange} exchange @param {ServerResponse} response @param {number} delayMs */
async function messages({ json }, response, delayMs) {
  const message = { id: "msg_1", type: "message", role: "assistant", model: modelOf(json) };
  if (json["stream"] === true) {
    const deltas = SENTENCE.map((text) => ({
      event: "content_block_delta",
      data: { type: "content_block_delta", index: 0, delta: { type: "text_delta", text } },
    }));
    await sendEvents(
      response,
      [
        { event: "message_start", data: { type: "message_start", message } },
        ...deltas,
        { event: "message_stop", data: { type: "message_stop" } },
      ],
      delayMs,
    );
    return;
  }
  const content = [{ type: "text", text: SENTENCE.join("") }];
  sendJson(response, 200, { ...message, content, stop_reason: "end_turn" });
}

/** @param {Exchange} exchange @param {ServerResponse} response */
function files({ parts, body }, response) {
  const file = parts?.find((part) => part.filename !== null);
  sendJson(response, 200, {
    id: "file-1",
    object: "file",
    bytes: file?.bytes ?? body.bytes,
    sha256: file?.sha256 ?? body.sha256,
    filename: file?.filename ?? null,
    fields: Object.fromEntries(
      (parts ?? []).filter((part) => part.filename === null).map(({ name, text }) => [name, text]),
    ),
  });
}

/** @typedef {(exchange: Exchange, response: ServerResponse, delayMs: number) => void | Promise<void>} Answer */

/** @param {unknown} value @returns {Answer} */
const always = (value) => (_, response) => sendJson(response, 200, value);

/** @type {readonly [host: string, method: string, path: RegExp, answer: Answer][]} */
const ANSWERS = [
  ["api.openai.com", "POST", /^\/v1\/chat\/completions$/, chatCompletions],
  ["api.openai.com", "POST", /^\/v1\/files$/, files],
  [
    "api.openai.com",
    "GET",
    /^\/v1\/models$/,
    always({ object: "list", data: [{ id: "stand-in-1", object: "model" }] }),
  ],
  [
    "api.openai.com",
    "POST",
    /^\/v1\/embeddings$/,
    always({ object: "list", data: [{ object: "embedding", index: 0, embedding: [0.5, -0.5] }] }),
  ],
  ["api.anthropic.com", "POST", /^\/v1\/messages$/, messages],
  [
    "api.anthropic.com",
    "GET",
    /^\/v1\/models$/,
    always({ data: [{ type: "model", id: "stand-in-1" }] }),
  ],
  ["api.github.com", "GET", /^\/user$/, always({ login: "octocat", id: 1 })],
  [
    "api.github.com",
    "GET",
    /^\/repos\/[^/]+\/[^/]+$/,
    always({ id: 1, full_name: "octocat/hello", private: false }),
  ],
  [
    "api.github.com",
    "POST",
    /^\/repos\/[^/]+\/[^/]+\/issues$/,
    ({ json }, response) => sendJson(response, 201, { number: 1, title: json["title"] }),
  ],
  ["slack.com", "POST", /^\/api\/auth\.test$/, always({ ok: true, team: "stand-in" })],
  [
    "slack.com",
    "POST",
    /^\/api\/chat\.postMessage$/,
    ({ json }, response) =>
      sendJson(response, 200, { ok: true, channel: json["channel"], ts: "1" }),
  ],
  ["api.stripe.com", "GET", /^\/v1\/balance$/, always({ object: "balance", available: [] })],
  ["api.stripe.com", "POST", /^\/v1\/customers$/, always({ id: "cus_1", object: "customer" })],
  [
    "api.telegram.org",
    "GET",
    /^\/getMe$/,
    always({ ok: true, result: { id: 1, is_bot: true, username: "stand_in_bot" } }),
  ],
  [
    "api.telegram.org",
    "POST",
    /^\/sendMessage$/,
    ({ json }, response) =>
      sendJson(response, 200, { ok: true, result: { message_id: 1, text: json["text"] } }),
  ],
  ["api.trello.com", "GET", /^\/1\/members\/me$/, always({ id: "1", username: "standin" })],
  ["api.trello.com", "POST", /^\/1\/cards$/, always({ id: "card1" })],
  [
    "generativelanguage.googleapis.com",
    "POST",
    /^\/v1beta\/models\/[^/]+:generateContent$/,
    always({ candidates: [{ content: { parts: [{ text: SENTENCE.join("") }] } }] }),
  ],
  [
    "generativelanguage.googleapis.com",
    "GET",
    /^\/v1beta\/models$/,
    always({ models: [{ name: "models/stand-in-1" }] }),
  ],
];

/** @param {Pick<Exchange, "host" | "method" | "path">} exchange */
function answerTo(exchange) {
  return ANSWERS.find(
    ([host, method, path]) =>
      host === exchange.host && method === exchange.method && path.test(exchange.path),
  );
}

/**
 * Whether this provider has an answer of its own.
 * @param {Pick<Exchange, "host" | "method" | "path">} exchange
 */
export function isKnownTo(exchange) {
  return answerTo(exchange) !== undefined;
}

/**
 * @param {Exchange} exchange
 * @param {ServerResponse} response
 * @param {number} delayMs - Between the events of a stream.
 */
export async function answerAsProvider(exchange, response, delayMs) {
  const found = answerTo(exchange);
  if (found === undefined) {
    const { method, path, body } = exchange;
    sendJson(response, 404, { error: { type: "not_found", method, path, ...body } });
    return;
  }
  await found[3](exchange, response, delayMs);
}
