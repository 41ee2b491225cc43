// @ts-check
// https://linear.app/developers/graphql: a personal key goes bare.
import { jsonOf, sendJson, sendNotFound } from "../answers.mjs";
import { inHeader } from "../credential-places.mjs";

export const KEY = "lin_api_Sdk0123456789abcdefghijklmnopqrstuvwxy";

/** @type {Readonly<Record<string, import("../stand-in.mjs").Provider>>} */
export const hosts = {
  "api.linear.app": {
    secrets: [KEY],
    credential: inHeader("authorization", KEY),
    answer(arrival, response) {
      if (`${arrival.method} ${arrival.target}` !== "POST /graphql") return sendNotFound(response);
      const { query, variables } = jsonOf(arrival);
      if (/\bviewer\b/.test(query)) {
        return sendJson(response, {
          data: { viewer: { id: "u1", name: "Ada", email: "a@b.test" } },
        });
      }
      return sendJson(response, {
        data: {
          issueCreate: { success: true, lastSyncId: 1, issue: { id: variables.input.title } },
        },
      });
    },
  },
};
