// @ts-check
// https://developers.notion.com/reference/intro
import { jsonOf, sendJson, sendNotFound } from "../answers.mjs";
import { inHeader } from "../credential-places.mjs";

export const KEY = "ntn_Sdk0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

/** @param {string} id */
const page = (id) => ({ object: "page", id, properties: {}, url: `https://www.notion.so/${id}` });

/** @type {Readonly<Record<string, import("../stand-in.mjs").Provider>>} */
export const hosts = {
  "api.notion.com": {
    secrets: [KEY],
    credential: inHeader("authorization", `Bearer ${KEY}`),
    answer(arrival, response) {
      const versions = arrival.headers.filter(([name]) => /^notion-version$/i.test(name));
      if (versions.length !== 1) return sendJson(response, { code: "missing_version" }, 400);
      switch (`${arrival.method} ${arrival.target}`) {
        case "POST /v1/search":
          return jsonOf(arrival).start_cursor === "next"
            ? sendJson(response, list([page("p2")], null))
            : sendJson(response, list([page("p1")], "next"));
        case "GET /v1/pages/p1":
          return sendJson(response, page("p1"));
        case "PATCH /v1/pages/p1":
          return sendJson(response, { ...page("p1"), archived: jsonOf(arrival).archived });
        default:
          return sendNotFound(response);
      }
    },
  },
};

/** @param {unknown[]} results @param {string | null} next */
function list(results, next) {
  return { object: "list", results, next_cursor: next, has_more: next !== null };
}
