// @ts-check
// https://www.twilio.com/docs/usage/api
import { sendJson, sendNotFound } from "../answers.mjs";
import { inBasic } from "../credential-places.mjs";

export const ACCOUNT_SID = "AC5dc5dc5dc5dc5dc5dc5dc5dc5dc5dc5d";
export const AUTH_TOKEN = "5dc0123456789abcdef0123456789abc";

const messages = `/2010-04-01/Accounts/${ACCOUNT_SID}/Messages.json`;

/** @param {string} sid @param {string | null} body */
const message = (sid, body) => ({ sid, body, account_sid: ACCOUNT_SID, status: "queued" });

/** @type {Readonly<Record<string, import("../stand-in.mjs").Provider>>} */
export const hosts = {
  "api.twilio.com": {
    // The account's SID is an identifier, and in the path as well.
    secrets: [AUTH_TOKEN],
    credential: inBasic(ACCOUNT_SID, AUTH_TOKEN),
    answer(arrival, response) {
      switch (`${arrival.method} ${arrival.target}`) {
        case `POST ${messages}`: {
          const form = new URLSearchParams(arrival.body.toString("utf8"));
          return sendJson(response, message("SM1", form.get("Body")), 201);
        }
        case `GET ${messages}?PageSize=1`:
          return sendJson(response, {
            messages: [message("SM1", "one")],
            next_page_uri: `${messages}?PageSize=1&Page=1&PageToken=PASM1`,
          });
        case `GET ${messages}?PageSize=1&Page=1&PageToken=PASM1`:
          return sendJson(response, { messages: [message("SM2", "two")], next_page_uri: null });
        default:
          return sendNotFound(response);
      }
    },
  },
};
