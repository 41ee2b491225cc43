// @ts-check
// https://platform.claude.com/docs/en/api/overview
import { jsonOf, sendEvents, sendJson, sendNotFound } from "../answers.mjs";
import { inHeader } from "../credential-places.mjs";

export const KEY = "sk-ant-api03-Sdk0123456789abcdefghijklmnopqrstuvwxyz";

/** @type {Readonly<Record<string, import("../stand-in.mjs").Provider>>} */
export const hosts = {
  "api.anthropic.com": {
    secrets: [KEY],
    credential: inHeader("x-api-key", KEY),
    answer(arrival, response) {
      // The provider demands the version of every request, once.
      const versions = arrival.headers.filter(([name]) => /^anthropic-version$/i.test(name));
      if (versions.length !== 1) return sendJson(response, { type: "error" }, 400);
      switch (`${arrival.method} ${arrival.target}`) {
        case "POST /v1/messages":
          return jsonOf(arrival).stream === true
            ? sendEvents(response, messageEvents(jsonOf(arrival).model))
            : sendJson(response, {
                ...message(jsonOf(arrival).model),
                content: [{ type: "text", text: "Hello over there" }],
                stop_reason: "end_turn",
              });
        case "GET /v1/models":
          return sendJson(response, {
            data: [
              { type: "model", id: "claude", display_name: "Claude", created_at: "2026-01-01" },
            ],
            has_more: false,
            first_id: "claude",
            last_id: "claude",
          });
        default:
          return sendNotFound(response);
      }
    },
  },
};

/** @param {string} model */
function message(model) {
  return {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: 1, output_tokens: 1 },
  };
}

/** @param {string} model */
function messageEvents(model) {
  const events = [
    { type: "message_start", message: message(model) },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "ping" },
    ...["Hello", " over", " there"].map((text) => ({
      type: "content_block_delta",
      index: 0,
      delta: { type: "text_delta", text },
    })),
    { type: "content_block_stop", index: 0 },
    {
      type: "message_delta",
      delta: { stop_reason: "end_turn", stop_sequence: null },
      usage: { output_tokens: 3 },
    },
    { type: "message_stop" },
  ];
  return events.map((data) => ({ event: data.type, data }));
}
