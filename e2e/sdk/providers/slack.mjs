// @ts-check
// https://docs.slack.dev/apis/web-api
import { sendJson } from "../answers.mjs";
import { inHeader } from "../credential-places.mjs";

export const KEY = "xoxb-000000000000-000000000000-SdkSdkSdkSdkSdkSdkSdkSdk";

/** @type {Readonly<Record<string, import("../stand-in.mjs").Provider>>} */
export const hosts = {
  "slack.com": {
    secrets: [KEY],
    credential: inHeader("authorization", `Bearer ${KEY}`),
    answer(arrival, response) {
      const form = new URLSearchParams(arrival.body.toString("utf8"));
      switch (`${arrival.method} ${arrival.target}`) {
        case "POST /api/auth.test":
          return sendJson(response, { ok: true, team: "T", user: "bot" });
        case "POST /api/chat.postMessage":
          // Slack refuses with 200.
          return form.get("channel") === "C1"
            ? sendJson(response, { ok: true, ts: "1.2", message: { text: form.get("text") } })
            : sendJson(response, { ok: false, error: "channel_not_found" });
        case "POST /api/users.list":
          return form.get("cursor") === "next"
            ? sendJson(response, { ok: true, members: [{ id: "U2" }], response_metadata: {} })
            : sendJson(response, {
                ok: true,
                members: [{ id: "U1" }],
                response_metadata: { next_cursor: "next" },
              });
        default:
          return sendJson(response, { ok: false, error: "unknown_method" });
      }
    },
  },
};
