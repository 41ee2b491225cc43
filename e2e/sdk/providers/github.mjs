// @ts-check
// https://docs.github.com/en/rest
import { sendJson, sendNotFound } from "../answers.mjs";
import { inBasic, inHeader } from "../credential-places.mjs";
import { serveGit } from "./git-http-backend.mjs";

export const KEY = "ghp_Sdk0123456789ABCDEFGHIJKLMNOPQRSTUVWX";

/** @type {Readonly<Record<string, import("../stand-in.mjs").Provider>>} */
export const hosts = {
  "api.github.com": {
    secrets: [KEY],
    credential: inHeader("authorization", `Bearer ${KEY}`),
    answer(arrival, response) {
      // GitHub answers 403 to whoever does not say what they are.
      const agents = arrival.headers.filter(([name]) => /^user-agent$/i.test(name));
      if (agents.length !== 1) return sendJson(response, { message: "no User-Agent" }, 403);
      const issue = (/** @type {number} */ number) => ({ number, title: `Issue ${number}` });
      switch (`${arrival.method} ${arrival.target}`) {
        case "GET /repos/octo/new":
          return sendJson(response, { id: 1, full_name: "octo/new" });
        case "GET /repos/octo/old":
          return sendJson(response, { message: "Moved Permanently" }, 301, {
            location: "https://api.github.com/repositories/1",
          });
        case "GET /repositories/1":
          return sendJson(response, { id: 1, full_name: "octo/new" });
        // The links are absolute, and name a repository by its number.
        case "GET /repos/octo/new/issues?per_page=2":
          return sendJson(response, [issue(1), issue(2)], 200, {
            link: '<https://api.github.com/repositories/1/issues?per_page=2&page=2>; rel="next", <https://api.github.com/repositories/1/issues?per_page=2&page=2>; rel="last"',
          });
        case "GET /repositories/1/issues?per_page=2&page=2":
          return sendJson(response, [issue(3)]);
        case "POST /repos/octo/new/issues":
          return sendJson(response, issue(4), 201);
        case "GET /user":
          return sendJson(response, { login: "octo" });
        default:
          return sendNotFound(response);
      }
    },
  },
  "github.com": {
    secrets: [KEY],
    credential: inBasic("x-access-token", KEY),
    answer: serveGit,
  },
};
