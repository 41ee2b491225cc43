// @ts-check
// https://developers.google.com/workspace/gmail/api/reference/rest and RFC 6749 section 6
import { sendJson, sendNotFound } from "../answers.mjs";
import { inHeader } from "../credential-places.mjs";

export const OAUTH = {
  clientId: "sdk.apps.googleusercontent.example",
  clientSecret: "GOCSPX-Sdk0123456789abcdefghij",
  refreshToken: "1//Sdk0123456789abcdefghijklmnopqrstuvwxyz",
};
const ACCESS_TOKEN = "ya29.Sdk0123456789abcdefghijklmnopqrstuvwxyz";
const secrets = [OAUTH.clientSecret, OAUTH.refreshToken, ACCESS_TOKEN];

/** @type {Readonly<Record<string, import("../stand-in.mjs").Provider>>} */
export const hosts = {
  "oauth2.googleapis.com": {
    secrets: [],
    credential({ target, body, headers }) {
      const form = [...new URLSearchParams(body.toString("utf8"))].map(String).sort();
      const expected = Object.entries({
        grant_type: "refresh_token",
        client_id: OAUTH.clientId,
        client_secret: OAUTH.clientSecret,
        refresh_token: OAUTH.refreshToken,
      });
      const isRight = form.join("\n") === expected.map(String).sort().join("\n");
      const isBare = !headers.some(([name]) => name.toLowerCase() === "authorization");
      return { complaints: isRight && isBare ? [] : ["another form"], rest: "", body: "", target };
    },
    answer(_arrival, response) {
      sendJson(response, { access_token: ACCESS_TOKEN, expires_in: 3600, token_type: "Bearer" });
    },
  },
  "gmail.googleapis.com": {
    secrets,
    credential: inHeader("authorization", `Bearer ${ACCESS_TOKEN}`),
    answer(arrival, response) {
      const [path = "", query = ""] = arrival.target.split(/\?(.*)/s);
      const parameters = new URLSearchParams(query);
      switch (`${arrival.method} ${path}`) {
        case "GET /gmail/v1/users/me/profile":
          return sendJson(response, { emailAddress: "ada@example.test", messagesTotal: 2 });
        case "GET /gmail/v1/users/me/messages":
          return parameters.get("pageToken") === "next"
            ? sendJson(response, { messages: [{ id: "m2" }] })
            : sendJson(response, { messages: [{ id: "m1" }], nextPageToken: "next" });
        case "POST /gmail/v1/users/me/messages/send":
          return sendJson(response, { id: "m3", labelIds: ["SENT"] });
        case "POST /upload/gmail/v1/users/me/messages/send":
          return sendJson(response, { id: "m4", sizeEstimate: arrival.body.length });
        default:
          return sendNotFound(response);
      }
    },
  },
};
