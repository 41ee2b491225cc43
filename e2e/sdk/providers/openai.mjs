// @ts-check
// https://platform.openai.com/docs/api-reference
import { jsonOf, partsOf, sendEvents, sendJson, sendNotFound } from "../answers.mjs";
import { inHeader } from "../credential-places.mjs";

export const KEY = "sk-proj-Sdk0123456789abcdefghijklmnopqrstuvwxyz";

/** @type {Readonly<Record<string, import("../stand-in.mjs").Provider>>} */
export const hosts = {
  "api.openai.com": {
    secrets: [KEY],
    credential: inHeader("authorization", `Bearer ${KEY}`),
    async answer(arrival, response) {
      switch (`${arrival.method} ${arrival.target}`) {
        case "GET /v1/models":
          return sendJson(response, { object: "list", data: [{ id: "gpt", object: "model" }] });
        case "POST /v1/chat/completions":
          return jsonOf(arrival).stream === true
            ? sendEvents(response, [...completionChunks(jsonOf(arrival).model), { data: "[DONE]" }])
            : sendJson(response, completion(jsonOf(arrival)));
        case "POST /v1/responses":
          return jsonOf(arrival).stream === true
            ? sendEvents(response, responseEvents(jsonOf(arrival).model))
            : sendJson(response, modelResponse(jsonOf(arrival).model, "Hello over there"));
        case "POST /v1/embeddings":
          return sendJson(response, embeddings(jsonOf(arrival)));
        case "POST /v1/files": {
          const parts = await partsOf(arrival);
          const file = parts.find(({ name }) => name === "file");
          return sendJson(response, {
            id: "file-1",
            object: "file",
            bytes: file?.bytes,
            filename: file?.filename,
            purpose: parts.find(({ name }) => name === "purpose")?.text,
          });
        }
        default:
          return sendNotFound(response);
      }
    },
  },
};

/** @param {{ model: string, messages: { content: unknown }[] }} request */
function completion({ model }) {
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1,
    model,
    choices: [
      {
        index: 0,
        finish_reason: "stop",
        message: { role: "assistant", content: "Hello over there" },
      },
    ],
    usage: { prompt_tokens: 1, completion_tokens: 3, total_tokens: 4 },
  };
}

/** @param {string} model */
function completionChunks(model) {
  /** @param {object} delta @param {string | null} finish_reason */
  const chunk = (delta, finish_reason) => ({
    data: {
      id: "chatcmpl-1",
      object: "chat.completion.chunk",
      created: 1,
      model,
      choices: [{ index: 0, delta, finish_reason }],
    },
  });
  return [
    chunk({ role: "assistant", content: "Hello" }, null),
    chunk({ content: " over" }, null),
    chunk({ content: " there" }, null),
    chunk({}, "stop"),
  ];
}

/** @param {{ model: string, input: unknown, encoding_format?: string }} request */
function embeddings({ model, encoding_format }) {
  const vector = [0.5, -0.25];
  const embedding =
    encoding_format === "base64"
      ? Buffer.from(new Float32Array(vector).buffer).toString("base64")
      : vector;
  return {
    object: "list",
    model,
    data: [{ object: "embedding", index: 0, embedding }],
    usage: { prompt_tokens: 1, total_tokens: 1 },
  };
}

/** @param {string} model @param {string} text */
function modelResponse(model, text) {
  return {
    id: "resp_1",
    object: "response",
    created_at: 1,
    status: "completed",
    model,
    output: [
      {
        id: "msg_1",
        type: "message",
        role: "assistant",
        status: "completed",
        content: [{ type: "output_text", text, annotations: [] }],
      },
    ],
    usage: {
      input_tokens: 1,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: 3,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 4,
    },
  };
}

/** @param {string} model */
function responseEvents(model) {
  const at = { item_id: "msg_1", output_index: 0, content_index: 0 };
  const message = { id: "msg_1", type: "message", role: "assistant" };
  const begun = { ...modelResponse(model, ""), status: "in_progress", output: [] };
  const events = [
    { type: "response.created", response: begun },
    {
      type: "response.output_item.added",
      output_index: 0,
      item: { ...message, status: "in_progress", content: [] },
    },
    ...["Hello", " over", " there"].map((delta) => ({
      type: "response.output_text.delta",
      ...at,
      delta,
    })),
    {
      type: "response.output_item.done",
      output_index: 0,
      item: modelResponse(model, "Hello over there").output[0],
    },
    { type: "response.completed", response: modelResponse(model, "Hello over there") },
  ];
  return events.map((data, sequence_number) => ({
    event: data.type,
    data: { ...data, sequence_number },
  }));
}
