// @ts-check
// An authorisation server and an API behind it, over TLS. Each refresh rotates the refresh token; one that
// comes back ends the whole family, as RFC 9700 section 4.14.2 asks for. It remembers everything.
import { randomBytes } from "node:crypto";
import { createServer } from "node:https";
import { setTimeout as wait } from "node:timers/promises";
import { createSecureContext } from "node:tls";
import { createCertificateAuthority } from "../support/certificate-authority.mjs";

export const TOKEN_HOST = "accounts.spotify.com";
export const API_HOST = "api.spotify.com";
export const CLIENT_ID = "storm-client";

/**
 * One access token and the refresh token beside it.
 *
 * @typedef {object} Generation
 * @property {number} family
 * @property {number} number - In its family, from 0; the first comes from a login and has no access token.
 * @property {string} accessToken
 * @property {string} refreshToken
 * @property {number} madeAtMs
 * @property {boolean} refused - The API refuses its access token before its end.
 * @property {boolean} used - An API request brought its access token.
 * @property {number[]} refreshedAtMs - When its refresh token came; a second time is a reuse.
 * @property {boolean} due - The first time it came, its access token had ended or was about to.
 *
 * @typedef {object} AuthorizationServer
 * @property {number} port
 * @property {string} caPem
 * @property {readonly Generation[]} generations
 * @property {{ answered: number, refused: number, unknown: number }} api
 * @property {(listener: (generation: Generation) => void) => void} onRefresh - Called when a good refresh
 *   token has been used up, before the answer goes out.
 * @property {() => { refreshToken: string }} login - Begins a new family.
 * @property {() => boolean} refuse - From now on the present access token is refused; false when there is
 *   none, or nobody has used it yet.
 * @property {() => Promise<void>} close
 */

/**
 * @param {{ lifeMs: number, secret: string, random: () => number }} options
 * @returns {Promise<AuthorizationServer>}
 */
export async function startAuthorizationServer({ lifeMs, secret, random }) {
  const authority = createCertificateAuthority();
  const contexts = new Map(
    [TOKEN_HOST, API_HOST].map((host) => {
      const { certificatePem: cert, keyPem: key } = authority.issue({ hosts: [host] });
      return [host, createSecureContext({ cert, key })];
    }),
  );
  const client = `Basic ${Buffer.from(`${CLIENT_ID}:${secret}`).toString("base64")}`;
  /** @type {Generation[]} */
  const generations = [];
  /** @type {Set<number>} */
  const ended = new Set();
  const api = { answered: 0, refused: 0, unknown: 0 };
  /** @type {(generation: Generation) => void} */
  let refreshed = () => {};

  /** @param {number} family @param {number} number @returns {Generation} */
  function make(family, number) {
    const made = {
      family,
      number,
      accessToken: `storm-access-${randomBytes(18).toString("hex")}`,
      refreshToken: `storm-refresh-${randomBytes(18).toString("hex")}`,
      madeAtMs: performance.now(),
      refused: false,
      used: false,
      refreshedAtMs: [],
      due: false,
    };
    generations.push(made);
    return made;
  }

  /** @param {import("node:http").IncomingMessage} request @param {URLSearchParams} form */
  async function token({ headers }, form) {
    if (headers.authorization !== client) return { status: 401, json: { error: "invalid_client" } };
    const refreshToken = form.get("refresh_token");
    const old = generations.find((one) => one.refreshToken === refreshToken);
    if (form.get("grant_type") !== "refresh_token" || old === undefined) {
      return { status: 400, json: { error: "invalid_grant" } };
    }
    const nowMs = performance.now();
    old.refreshedAtMs.push(nowMs);
    if (old.refreshedAtMs.length > 1) ended.add(old.family);
    if (ended.has(old.family)) return { status: 400, json: { error: "invalid_grant" } };
    // The broker renews in the last half of a short life; what is refused is due at once.
    old.due = old.number === 0 || old.refused || nowMs - old.madeAtMs >= lifeMs / 2 - 50;
    const next = make(old.family, old.number + 1);
    refreshed(next);
    await wait(random() * 30);
    return {
      status: 200,
      json: {
        access_token: next.accessToken,
        refresh_token: next.refreshToken,
        token_type: "Bearer",
        expires_in: lifeMs / 1000,
      },
    };
  }

  /** @param {import("node:http").IncomingMessage} request */
  function answer({ headers }) {
    const bearer = headers.authorization?.replace(/^Bearer /, "");
    const generation = generations.find((one) => one.accessToken === bearer);
    if (generation === undefined) {
      api.unknown += 1;
      return { status: 401, json: { error: "unknown" } };
    }
    generation.used = true;
    // A request that left in time may arrive a little late.
    const isOver = performance.now() - generation.madeAtMs > lifeMs + 1000;
    if (generation.refused || isOver || ended.has(generation.family)) {
      api.refused += 1;
      return { status: 401, json: { error: "expired" } };
    }
    api.answered += 1;
    return { status: 200, json: { ok: true } };
  }

  const { certificatePem: cert, keyPem: key } = authority.issue({ hosts: ["localhost"] });
  const server = createServer(
    { cert, key, SNICallback: (name, done) => done(null, contexts.get(name)) },
    async (request, response) => {
      let body = "";
      for await (const chunk of request.setEncoding("latin1")) body += chunk;
      const isToken = request.headers.host === TOKEN_HOST;
      const { status, json } = isToken
        ? await token(request, new URLSearchParams(body))
        : answer(request);
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(json));
    },
  );
  // A killed daemon leaves requests unread.
  server.on("clientError", (_, socket) => socket.destroy());
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(null)));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  let families = 0;
  return {
    port: address.port,
    caPem: authority.certificatePem,
    generations,
    api,
    onRefresh: (listener) => {
      refreshed = listener;
    },
    login: () => {
      families += 1;
      return { refreshToken: make(families, 0).refreshToken };
    },
    refuse: () => {
      const last = generations.at(-1);
      if (last === undefined || !last.used || last.refused) return false;
      last.refused = true;
      return true;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
