// @ts-check
// Providers on loopback, by the name a TLS client asks for. Each answers only when its credential came in
// exactly the right place, and once; everything that arrived is kept, so that a test can search it.
import { createServer } from "node:https";
import { WebSocketServer } from "ws";
import { contextsOf, createCertificateAuthority } from "../support/certificate-authority.mjs";
import { findSecret } from "../support/find-secret.mjs";

/**
 * @typedef {object} Arrival - One request as it arrived.
 * @property {string} host
 * @property {string} method
 * @property {string} target - Path and query.
 * @property {readonly (readonly [name: string, value: string])[]} headers
 * @property {Buffer} body
 *
 * @typedef {object} Verdict
 * @property {string[]} complaints - What the provider holds against the credential.
 * @property {string} rest - The head of the request without the credential, one line each.
 * @property {string} [body] - What is left of the body, when the credential was in it.
 * @property {string} target - The target without the credential.
 *
 * @typedef {object} Provider
 * @property {readonly string[]} secrets - What must be nowhere but where `credential` took it from.
 * @property {(arrival: Arrival) => Verdict | Promise<Verdict>} credential
 * @property {(arrival: Arrival, response: import("node:http").ServerResponse) => void | Promise<void>} answer
 *   `arrival.target` is without the credential.
 * @property {(socket: import("ws").WebSocket, arrival: Arrival) => void} [connect] - For WebSockets.
 *
 * @typedef {Arrival & { complaints: string[], asked: string }} Seen - `asked` is the target as it came.
 *
 * @typedef {object} StandIn
 * @property {number} port
 * @property {string} caPem
 * @property {(arrival: Arrival) => Promise<string[]>} judge - What it would hold against a request.
 * @property {() => readonly Seen[]} seen - Since the last `expect`.
 * @property {(token: string) => void} expect - Begins a new list; this token must never arrive.
 * @property {() => Promise<void>} close
 */

/**
 * @param {Readonly<Record<string, Provider>>} providers - By host.
 * @returns {Promise<StandIn>}
 */
export async function startStandIn(providers) {
  const authority = createCertificateAuthority();
  const contextFor = contextsOf(authority);
  const secrets = [...new Set(Object.values(providers).flatMap((provider) => provider.secrets))];
  let token = "";
  /** @type {Seen[]} */
  let seen = [];

  /** @param {Arrival} arrival @returns {Promise<Verdict>} */
  async function judge(arrival) {
    const provider = providers[arrival.host];
    if (provider === undefined) {
      return { complaints: [`nobody expected ${arrival.host}`], rest: "", target: arrival.target };
    }
    const verdict = await provider.credential(arrival);
    const body = arrival.body.toString("latin1");
    const left = `${verdict.rest}\n${verdict.body ?? body}`;
    const found = secrets.filter((secret) => findSecret(secret, left).length > 0);
    const complaints = found.map((secret) => `${secret} is elsewhere as well`);
    const whole = [arrival.target, ...arrival.headers.flat(), body].join("\n");
    if (token !== "" && findSecret(token, whole).length > 0) {
      complaints.push("the caller's token arrived");
    }
    return { ...verdict, complaints: [...verdict.complaints, ...complaints] };
  }

  /** @param {Arrival} arrival @returns {Promise<Seen>} */
  async function record(arrival) {
    const { complaints, target } = await judge(arrival);
    const record = { ...arrival, asked: arrival.target, target, complaints };
    seen.push(record);
    return record;
  }

  /**
   * @param {import("node:http").IncomingMessage} request
   * @param {import("node:http").ServerResponse} response
   */
  async function serve(request, response) {
    const seen = await record(arrivalOf(request, await readBody(request)));
    if (seen.complaints.length === 0) {
      await providers[seen.host]?.answer(seen, response);
      return;
    }
    // What is wrong is for the test alone: it may quote the credential.
    response.writeHead(401, { "content-type": "application/json" });
    response.end('{"error":"unauthorized"}');
  }

  const { certificatePem, keyPem } = authority.issue({ hosts: ["localhost"] });
  const server = createServer(
    {
      cert: certificatePem,
      key: keyPem,
      SNICallback: (name, done) => done(null, contextFor(name)),
    },
    (request, response) => {
      serve(request, response).catch((/** @type {unknown} */ error) => {
        seen.at(-1)?.complaints.push(`the stand-in failed: ${error}`);
        response.destroy();
      });
    },
  );
  const webSockets = new WebSocketServer({ noServer: true });
  server.on("upgrade", (request, socket, head) => {
    void record(arrivalOf(request, Buffer.alloc(0))).then((seen) => {
      const connect = providers[seen.host]?.connect;
      if (connect === undefined || seen.complaints.length > 0) {
        socket.end("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n");
        return;
      }
      webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        webSocket.on("message", (data) => {
          if (token !== "" && findSecret(token, /** @type {Buffer} */ (data)).length > 0) {
            seen.complaints.push("the caller's token arrived in a message");
          }
        });
        connect(webSocket, seen);
      });
    });
  });

  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(null)));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    caPem: authority.certificatePem,
    judge: async (arrival) => (await judge(arrival)).complaints,
    seen: () => seen,
    expect: (next) => {
      token = next;
      seen = [];
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** @param {import("node:http").IncomingMessage} request @param {Buffer} body @returns {Arrival} */
function arrivalOf(request, body) {
  const { method = "", url = "", rawHeaders } = request;
  /** @type {[string, string][]} */
  const headers = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    headers.push([rawHeaders[i] ?? "", rawHeaders[i + 1] ?? ""]);
  }
  return { host: request.headers.host ?? "", method, target: url, headers, body };
}

/** @param {import("node:http").IncomingMessage} request */
async function readBody(request) {
  /** @type {Buffer[]} */
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}
