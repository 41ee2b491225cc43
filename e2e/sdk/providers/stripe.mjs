// @ts-check
// https://docs.stripe.com/api
import { sendJson, sendNotFound } from "../answers.mjs";
import { inHeader } from "../credential-places.mjs";

export const KEY = "rk_test_Sdk0123456789abcdefghijklmn";

/** @param {string} id */
const customer = (id) => ({ id, object: "customer", name: `Name of ${id}` });

/** @type {Readonly<Record<string, import("../stand-in.mjs").Provider>>} */
export const hosts = {
  "api.stripe.com": {
    secrets: [KEY],
    credential: inHeader("authorization", `Bearer ${KEY}`),
    answer(arrival, response) {
      const header = (/** @type {string} */ name) =>
        arrival.headers.find(([given]) => given.toLowerCase() === name)?.[1];
      switch (`${arrival.method} ${arrival.target}`) {
        case "POST /v1/customers": {
          const form = new URLSearchParams(arrival.body.toString("utf8"));
          return sendJson(response, {
            id: "cus_1",
            object: "customer",
            name: form.get("name"),
            metadata: { order: form.get("metadata[order]") },
            description: `${header("idempotency-key")} ${header("stripe-version") !== undefined}`,
          });
        }
        case "GET /v1/customers?limit=2":
          return sendJson(response, {
            object: "list",
            url: "/v1/customers",
            has_more: true,
            data: [customer("cus_1"), customer("cus_2")],
          });
        case "GET /v1/customers?limit=2&starting_after=cus_2":
          return sendJson(response, {
            object: "list",
            url: "/v1/customers",
            has_more: false,
            data: [customer("cus_3")],
          });
        default:
          return sendNotFound(response);
      }
    },
  },
};
