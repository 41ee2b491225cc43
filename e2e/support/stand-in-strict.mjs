// @ts-check
// A provider that answers only when the credential is exactly as documented: every part of it in its
// place, once, and nothing of it anywhere else.
import { createServer } from "node:https";
import { contextsOf, createCertificateAuthority } from "./certificate-authority.mjs";
import { EXCHANGES } from "./stand-in-exchanges.mjs";
import { awsComplaints } from "./stand-in-sigv4.mjs";

/**
 * @typedef {import("./stand-in-documented.mjs").DocumentedCall} DocumentedCall
 *
 * @typedef {object} Arrival
 * @property {string} method
 * @property {string} target
 * @property {readonly (readonly [name: string, value: string])[]} headers - As they arrived.
 * @property {Buffer} body
 *
 * @typedef {object} StrictStandIn
 * @property {number} port
 * @property {string} caPem
 * @property {(call: DocumentedCall) => void} expect - From now on, answers this call alone.
 * @property {() => { arrival: Arrival, complaints: string[] }[]} seen - Requests since, token ones too.
 * @property {() => Promise<void>} close
 */

/** Headers that carry a credential at one provider or another: present only where documented. */
const CREDENTIAL_HEADERS =
  /^(?:authorization|proxy-authorization|cookie|api-?key|apikey|private-token|client-id|x-(?:.*-)?(?:api-?key|token|team)|.*-(?:api-key|application-key|access-.*|secret|client-id|sign|security-token)|x-amz-.*)$/i;

/**
 * What the provider finds wrong with a request; nothing when it is as documented.
 *
 * @param {DocumentedCall} call @param {Arrival} arrival @param {number} [nowMs]
 * @returns {string[]}
 */
export function complaintsAbout(call, arrival, nowMs = Date.now()) {
  /** @param {string} name */
  const all = (name) =>
    arrival.headers
      .filter(([given]) => given.toLowerCase() === name.toLowerCase())
      .map(([, value]) => value);
  const authority = call.port === undefined ? call.host : `${call.host}:${call.port}`;
  const complaints = [];
  if (all("host").join() !== authority) complaints.push(`host ${all("host")}`);
  if (arrival.method !== call.call.method) complaints.push(`method ${arrival.method}`);
  if (arrival.body.toString("utf8") !== (call.call.body ?? "")) complaints.push("the body");
  const expected = Object.entries(call.headers ?? {});
  for (const [name, value] of expected) {
    const values = all(name);
    if (values.length !== 1 || values[0] !== value) complaints.push(`${name}: ${values}`);
  }
  if (call.aws !== undefined) return [...complaints, ...awsComplaints(arrival, call.aws, nowMs)];
  if (call.exchange !== undefined) {
    const { method, target, body } = arrival;
    const request = { method, target, body, headers: all };
    return [...complaints, ...EXCHANGES[call.exchange.name](request, call.exchange, nowMs)];
  }
  if (arrival.target !== (call.target ?? call.call.path)) complaints.push(`at ${arrival.target}`);
  for (const [name] of arrival.headers) {
    const documented = expected.some(([known]) => known === name.toLowerCase());
    if (CREDENTIAL_HEADERS.test(name) && !documented) complaints.push(`${name} is not asked for`);
  }
  return complaints;
}

/** @param {import("./stand-in-documented.mjs").TokenExchange} token @param {Arrival} arrival */
export function tokenComplaints(token, arrival) {
  const authorization = arrival.headers.filter(([name]) => name.toLowerCase() === "authorization");
  const complaints = [];
  if (arrival.method !== "POST") complaints.push(`method ${arrival.method}`);
  if (authorization.map(([, value]) => value).join() !== (token.authorization ?? "")) {
    complaints.push("the client's authorization");
  }
  const type = arrival.headers.find(([name]) => name.toLowerCase() === "content-type")?.[1];
  if (type !== "application/x-www-form-urlencoded") complaints.push(`content-type ${type}`);
  const given = [...new URLSearchParams(arrival.body.toString("utf8"))].map(String).sort();
  const wanted = Object.entries(token.form).map(String).sort();
  if (given.join("\n") !== wanted.join("\n")) complaints.push(`the form: ${given}`);
  return complaints;
}

/** @returns {Promise<StrictStandIn>} */
export async function startStrictStandIn() {
  const authority = createCertificateAuthority();
  const contextFor = contextsOf(authority);
  /** @type {DocumentedCall | null} */
  let call = null;
  /** @type {{ arrival: Arrival, complaints: string[] }[]} */
  let seen = [];

  /** @param {Arrival} arrival */
  function answer(arrival) {
    if (call === null) return { complaints: ["nothing is expected"], body: {} };
    const { token } = call;
    const host = arrival.headers.find(([name]) => name.toLowerCase() === "host")?.[1];
    if (token === undefined || token.host !== host || token.path !== arrival.target) {
      return { complaints: complaintsAbout(call, arrival), body: { ok: true } };
    }
    const { accessToken, refreshToken } = token;
    const body = {
      access_token: accessToken,
      token_type: "Bearer",
      expires_in: 3600,
      ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
    };
    return { complaints: tokenComplaints(token, arrival), body };
  }

  const { certificatePem, keyPem } = authority.issue({ hosts: ["localhost"] });
  const server = createServer(
    {
      cert: certificatePem,
      key: keyPem,
      SNICallback: (name, done) => done(null, contextFor(name)),
    },
    (request, response) => {
      /** @type {Buffer[]} */
      const chunks = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", () => {
        const { method = "", url = "", rawHeaders } = request;
        /** @type {[string, string][]} */
        const headers = [];
        for (let i = 0; i < rawHeaders.length; i += 2) {
          headers.push([rawHeaders[i] ?? "", rawHeaders[i + 1] ?? ""]);
        }
        const arrival = { method, target: url, headers, body: Buffer.concat(chunks) };
        const { complaints, body } = answer(arrival);
        seen.push({ arrival, complaints });
        // What is wrong is for the test alone: it may quote the credential.
        const status = complaints.length === 0 ? 200 : 401;
        response.writeHead(status, { "content-type": "application/json" });
        response.end(JSON.stringify(status === 200 ? body : { error: "unauthorized" }));
      });
    },
  );
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(null)));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    caPem: authority.certificatePem,
    expect: (next) => {
      call = next;
      seen = [];
    },
    seen: () => seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
