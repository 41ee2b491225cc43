// @ts-check
// How three exchanges verify a signed request, each from its own documentation.
import { createHmac } from "node:crypto";

/**
 * @typedef {object} ExchangeRequest
 * @property {string} method
 * @property {string} target
 * @property {(name: string) => readonly string[]} headers - All values of a header.
 * @property {Buffer} body
 *
 * @typedef {{ key: string, secret: string, passphrase?: string }} ExchangeCaller
 */

const WINDOW_MS = 5000;

/** @param {string} secret @param {string} text @param {"hex" | "base64"} encoding */
const sha256 = (secret, text, encoding) =>
  createHmac("sha256", secret).update(text, "utf8").digest(encoding);

/** @param {readonly string[]} values @param {string} expected */
const isOnly = (values, expected) => values.length === 1 && values[0] === expected;

/**
 * https://bybit-exchange.github.io/docs/v5/guide#authentication: lower-case hexadecimal HMAC-SHA256 of
 * timestamp + api key + receive window + (query string of a GET, body of a POST).
 *
 * @param {ExchangeRequest} request @param {ExchangeCaller} caller @param {number} nowMs
 */
function bybit({ method, target, headers, body }, { key, secret }, nowMs) {
  const timestamp = headers("X-BAPI-TIMESTAMP").join();
  const window = headers("X-BAPI-RECV-WINDOW").join();
  const query = target.split("?")[1] ?? "";
  const text = timestamp + key + window + (method === "GET" ? query : body.toString("utf8"));
  return [
    ...(isOnly(headers("X-BAPI-API-KEY"), key) ? [] : ["X-BAPI-API-KEY"]),
    ...(/^\d{13}$/.test(timestamp) && nowMs - Number(timestamp) < Number(window)
      ? []
      : ["X-BAPI-TIMESTAMP"]),
    ...(isOnly(headers("X-BAPI-SIGN"), sha256(secret, text, "hex")) ? [] : ["X-BAPI-SIGN"]),
  ];
}

/**
 * https://www.okx.com/docs-v5/en/#overview-rest-authentication: Base64 of HMAC-SHA256 of timestamp +
 * method + request path (with query) + body; the timestamp is ISO 8601 with milliseconds.
 *
 * @param {ExchangeRequest} request @param {ExchangeCaller} caller @param {number} nowMs
 */
function okx({ method, target, headers, body }, { key, secret, passphrase = "" }, nowMs) {
  const timestamp = headers("OK-ACCESS-TIMESTAMP").join();
  const text = timestamp + method.toUpperCase() + target + body.toString("utf8");
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(timestamp);
  return [
    ...(isOnly(headers("OK-ACCESS-KEY"), key) ? [] : ["OK-ACCESS-KEY"]),
    ...(isOnly(headers("OK-ACCESS-PASSPHRASE"), passphrase) ? [] : ["OK-ACCESS-PASSPHRASE"]),
    ...(isTime && Math.abs(nowMs - Date.parse(timestamp)) < 30_000 ? [] : ["OK-ACCESS-TIMESTAMP"]),
    ...(isOnly(headers("OK-ACCESS-SIGN"), sha256(secret, text, "base64"))
      ? []
      : ["OK-ACCESS-SIGN"]),
  ];
}

/**
 * https://mexcdevelop.github.io/apidocs/spot_v3_en/#signed: HMAC-SHA256 of the query string followed by
 * the body, without the signature, which is the last parameter, in lower case.
 *
 * @param {ExchangeRequest} request @param {ExchangeCaller} caller @param {number} nowMs
 */
function mexc({ target, headers, body }, { key, secret }, nowMs) {
  const query = target.split("?")[1] ?? "";
  const [, signedQuery = "", signature = ""] = /^(.*)&signature=([0-9a-f]{64})$/.exec(query) ?? [];
  const timestamps = new URLSearchParams(signedQuery).getAll("timestamp");
  return [
    ...(isOnly(headers("X-MEXC-APIKEY"), key) ? [] : ["X-MEXC-APIKEY"]),
    ...(timestamps.length === 1 && Math.abs(nowMs - Number(timestamps[0])) < WINDOW_MS
      ? []
      : ["timestamp"]),
    ...(signature === sha256(secret, signedQuery + body.toString("utf8"), "hex")
      ? []
      : ["signature"]),
  ];
}

export const EXCHANGES = { bybit, okx, mexc };
