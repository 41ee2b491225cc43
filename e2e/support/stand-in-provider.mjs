// @ts-check
// One HTTPS server that stands in for every provider, on loopback, with certificates from its own
// authority. It answers only when the credential is exactly right and remembers what it was sent,
// so a test can tell what a real provider would have seen. Asked to, it misbehaves.
import { createHash } from "node:crypto";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { contextsOf, createCertificateAuthority } from "./certificate-authority.mjs";
import { checkCredential, SCHEMES } from "./credential-check.mjs";
import { readMultipart } from "./multipart.mjs";
import { answerAsProvider, isKnownTo, sendJson } from "./stand-in-answers.mjs";
import { misbehave } from "./stand-in-misbehaviour.mjs";

/**
 * @typedef {import("node:http").IncomingMessage} IncomingMessage
 * @typedef {import("node:http").ServerResponse} ServerResponse
 * @typedef {import("./credential-check.mjs").Scheme} Scheme
 * @typedef {import("./credential-check.mjs").Secrets} Secrets
 *
 * @typedef {object} StandInOptions
 * @property {Readonly<Record<string, Secrets>>} credentials - By host: what it accepts, by placeholder.
 * @property {Readonly<Record<string, Scheme>>} [schemes] - How further hosts are authenticated.
 * @property {readonly string[]} [everyPath] - Hosts that answer 200 where nothing is known of a path.
 * @property {readonly string[]} [callerTokens] - Tokens that must never reach a provider.
 * @property {number} [delayMs] - Between the events of a stream. 15 unless told.
 *
 * @typedef {object} SeenRequest - One request, in the order of arrival. Holds no credential.
 * @property {number} id
 * @property {string} host
 * @property {string} method
 * @property {string} path - Without a credential that was in it.
 * @property {string[]} queryNames
 * @property {string[]} headerNames - Lower case, as often as they came.
 * @property {boolean} authorized
 * @property {boolean} secretSeen - Any configured secret arrived, rightly or wrongly, body included.
 * @property {boolean} callerTokenSeen
 * @property {number} requestBytes
 * @property {number} responseBytes - Handed to the connection so far.
 * @property {"open" | "complete" | "aborted"} outcome - `aborted`: the client went away.
 *
 * @typedef {object} SeenConnection - One TLS handshake.
 * @property {string} serverName
 *
 * @typedef {object} StandIn
 * @property {number} port
 * @property {number} controlPort - Plain HTTP: `GET /requests`, `GET /connections`, `DELETE /requests`.
 * @property {string} caPem
 * @property {() => Promise<void>} close
 */

/** @param {import("node:net").Server} server @returns {Promise<number>} */
function listen(server) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      if (address === null || typeof address === "string") throw new Error("not a TCP address");
      resolve(address.port);
    });
  });
}

/** @param {import("node:http").Server} server @returns {Promise<void>} */
function close(server) {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/**
 * Watches bytes go by for any of `needles`, also across chunk borders.
 * @param {readonly string[]} needles
 */
function createWatcher(needles) {
  const longest = Math.max(0, ...needles.map((needle) => needle.length));
  let tail = "";
  let seen = false;
  return {
    /** @param {string} text - Latin-1, so that bytes and characters are the same. */
    feed(text) {
      const window = tail + text;
      seen ||= needles.some((needle) => window.includes(needle));
      tail = longest > 1 ? window.slice(-(longest - 1)) : "";
    },
    get seen() {
      return seen;
    },
  };
}

/**
 * @param {StandInOptions} options
 * @returns {Promise<StandIn>}
 */
export async function startStandInProvider(options) {
  const authority = createCertificateAuthority();
  const schemes = { ...SCHEMES, ...options.schemes };
  const delayMs = options.delayMs ?? 15;
  const secretValues = Object.values(options.credentials).flatMap((secrets) =>
    Object.values(secrets),
  );
  /** @type {SeenRequest[]} */
  let requests = [];
  /** @type {SeenConnection[]} */
  let connections = [];

  const contextFor = contextsOf(authority);

  /** @param {IncomingMessage} request @param {ServerResponse} response */
  async function handle(request, response) {
    const host = (request.headers.host ?? "").replace(/:\d+$/, "").toLowerCase();
    const target = request.url ?? "/";
    const scheme = schemes[host];
    const secrets = options.credentials[host] ?? {};
    const known =
      scheme !== undefined && (scheme.strategy === "none" || host in options.credentials);
    const verdict = known
      ? checkCredential(scheme, secrets, { target, rawHeaders: request.rawHeaders })
      : { authorized: false, path: target.replace(/\?.*$/s, "") };

    const secretWatch = createWatcher(secretValues);
    const tokenWatch = createWatcher(options.callerTokens ?? []);
    /** @param {string} text */
    const watch = (text) => {
      secretWatch.feed(text);
      tokenWatch.feed(text);
    };
    watch(`${target}\n${request.rawHeaders.join("\n")}\n`);

    /** @type {SeenRequest} */
    const record = {
      id: requests.length + 1,
      host,
      method: request.method ?? "",
      path: secretValues.reduce(
        (path, secret) => path.replaceAll(secret, "(secret)"),
        verdict.path,
      ),
      queryNames: [...new URL(target, "https://stand-in.invalid").searchParams.keys()],
      headerNames: request.rawHeaders
        .filter((_, index) => index % 2 === 0)
        .map((name) => name.toLowerCase()),
      authorized: verdict.authorized,
      secretSeen: secretWatch.seen,
      callerTokenSeen: tokenWatch.seen,
      requestBytes: 0,
      responseBytes: 0,
      outcome: "open",
    };
    requests.push(record);

    const write = response.write;
    // What reaches the connection is counted, so that a test can see backpressure.
    response.write = /** @type {typeof write} */ (
      (/** @type {any} */ chunk, /** @type {any[]} */ ...rest) => {
        record.responseBytes += Buffer.byteLength(chunk);
        return Reflect.apply(write, response, [chunk, ...rest]);
      }
    );
    response.on("close", () => {
      record.outcome = response.writableFinished ? "complete" : "aborted";
    });

    const digest = createHash("sha256");
    async function* body() {
      for await (const chunk of request) {
        record.requestBytes += chunk.length;
        digest.update(chunk);
        watch(chunk.toString("latin1"));
        record.secretSeen = secretWatch.seen;
        record.callerTokenSeen = tokenWatch.seen;
        yield chunk;
      }
    }

    if (!known) {
      for await (const _ of body());
      sendJson(response, 421, { error: `this stand-in does not serve ${host}` });
      return;
    }
    if (!verdict.authorized) {
      for await (const _ of body());
      sendJson(response, 401, {
        error: { type: "invalid_request_error", code: "invalid_api_key" },
      });
      return;
    }

    const contentType = request.headers["content-type"] ?? "";
    const isMultipart = /^multipart\/form-data/i.test(contentType);
    const parts = isMultipart ? await readMultipart(body(), contentType) : null;
    const json = isMultipart ? {} : await readJson(body());
    const command = request.headers["x-stand-in"] ?? json["x_stand_in"];
    if (typeof command === "string") {
      await misbehave(command, { response, secrets, json, delayMs });
      return;
    }
    const received = { bytes: record.requestBytes, sha256: digest.digest("hex") };
    const { method } = record;
    const { path } = verdict;
    const exchange = { host, method, path, json, body: received, parts };
    if (options.everyPath?.includes(host) && !isKnownTo(exchange)) sendJson(response, 200, {});
    else await answerAsProvider(exchange, response, delayMs);
  }

  const server = createHttpsServer(
    {
      SNICallback: (serverName, done) => done(null, contextFor(serverName)),
      ...certificateOf(authority.issue({ hosts: ["localhost", "127.0.0.1"] })),
    },
    (request, response) => {
      handle(request, response).catch((/** @type {unknown} */ error) => {
        // A client that went away is an outcome, already recorded; anything else is shown to it.
        if (response.headersSent) response.destroy();
        else sendJson(response, 400, { error: error instanceof Error ? error.message : "failed" });
      });
    },
  );
  server.on("secureConnection", (socket) => {
    connections.push({ serverName: String(socket.servername || "") });
  });

  const control = createHttpServer((request, response) => {
    const route = `${request.method} ${request.url}`;
    if (route === "GET /requests") sendJson(response, 200, requests);
    else if (route === "GET /connections") sendJson(response, 200, connections);
    else if (route === "DELETE /requests") {
      requests = [];
      connections = [];
      sendJson(response, 200, {});
    } else sendJson(response, 404, { error: `no route ${route}` });
  });

  const port = await listen(server);
  const controlPort = await listen(control);
  return {
    port,
    controlPort,
    caPem: authority.certificatePem,
    close: async () => {
      await Promise.all([close(server), close(control)]);
    },
  };
}

/** @param {import("./certificate-authority.mjs").IssuedCertificate} issued */
function certificateOf({ certificatePem, keyPem }) {
  return { cert: certificatePem, key: keyPem };
}

// The part of a body that is looked at; a longer one is measured and let go.
const JSON_LIMIT = 4_194_304;

/** @param {AsyncIterable<Buffer>} body @returns {Promise<Record<string, unknown>>} */
async function readJson(body) {
  /** @type {Buffer[]} */
  const chunks = [];
  let kept = 0;
  for await (const chunk of body) {
    if (kept < JSON_LIMIT) chunks.push(chunk);
    kept += chunk.length;
  }
  try {
    const value = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
  } catch {
    return {};
  }
}
