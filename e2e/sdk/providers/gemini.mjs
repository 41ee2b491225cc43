// @ts-check
// https://ai.google.dev/api
import { jsonOf, sendEvents, sendJson, sendNotFound } from "../answers.mjs";
import { inHeader } from "../credential-places.mjs";

export const KEY = "AQ.Sdk0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM";

/** @param {string} text @param {string} [finishReason] */
const candidate = (text, finishReason) => ({
  candidates: [{ index: 0, finishReason, content: { role: "model", parts: [{ text }] } }],
});

/** @type {Readonly<Record<string, import("../stand-in.mjs").Provider>>} */
export const hosts = {
  "generativelanguage.googleapis.com": {
    secrets: [KEY],
    credential: inHeader("x-goog-api-key", KEY),
    answer(arrival, response) {
      const models = "/v1beta/models/gemini";
      switch (`${arrival.method} ${arrival.target}`) {
        case `POST ${models}:generateContent`:
          return sendJson(response, candidate("Hello over there", "STOP"));
        case `POST ${models}:streamGenerateContent?alt=sse`:
          return sendEvents(response, [
            { data: candidate("Hello") },
            { data: candidate(" over") },
            { data: candidate(" there", "STOP") },
          ]);
        case `POST ${models}:batchEmbedContents`:
          return sendJson(response, {
            embeddings: jsonOf(arrival).requests.map(() => ({ values: [0.5, -0.25] })),
          });
        case "GET /v1beta/models?pageSize=1":
          return sendJson(response, { models: [{ name: "models/gemini" }] });
        default:
          return sendNotFound(response);
      }
    },
  },
};
