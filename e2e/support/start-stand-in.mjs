// @ts-check
// Starts the stand-in provider as a separate process and hands back what a test needs of it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { SCHEMES } from "./credential-check.mjs";

/**
 * @typedef {import("./stand-in-provider.mjs").StandInOptions} StandInOptions
 * @typedef {import("./stand-in-provider.mjs").SeenRequest} SeenRequest
 * @typedef {import("./stand-in-provider.mjs").SeenConnection} SeenConnection
 *
 * @typedef {object} StandInProcess
 * @property {number} port
 * @property {number} pid
 * @property {string} caPath
 * @property {Record<string, string>} daemonEnvironment - What makes `aivaultd`, with a development
 *   vault, take this server for the providers.
 * @property {() => Promise<SeenRequest[]>} requests - All requests so far, oldest first.
 * @property {() => Promise<SeenConnection[]>} connections - All TLS handshakes so far.
 * @property {() => Promise<void>} clear - Forget both.
 * @property {() => Promise<void>} stop
 */

const MAIN = fileURLToPath(new URL("stand-in-provider-main.mjs", import.meta.url));

/**
 * @param {StandInOptions} options
 * @returns {Promise<StandInProcess>}
 */
export async function startStandIn(options) {
  const child = spawn(process.execPath, [MAIN], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { PATH: process.env["PATH"] ?? "" },
  });
  child.stdin.write(`${JSON.stringify(options)}\n`);
  const exited = once(child, "exit");
  const ready = await Promise.race([
    once(createInterface({ input: child.stdout }), "line").then(([line]) => String(line)),
    exited.then(([status]) => {
      throw new Error(`the stand-in provider exited with ${status} before it was ready`);
    }),
  ]);
  const { port, caPath, controlPort } = JSON.parse(ready);

  const hosts = new Set([
    ...Object.keys(SCHEMES),
    ...Object.keys(options.schemes ?? {}),
    ...Object.keys(options.credentials),
  ]);
  return {
    port,
    pid: child.pid ?? 0,
    caPath,
    daemonEnvironment: {
      AIVAULT_DEV_RESOLVE: [...hosts].map((host) => `${host}=127.0.0.1:${port}`).join(","),
      AIVAULT_DEV_CA_CERT_PATH: caPath,
      AIVAULT_DEV_ALLOW_NON_DEFAULT_PORTS: "1",
    },
    requests: () => control(controlPort, "GET", "/requests"),
    connections: () => control(controlPort, "GET", "/connections"),
    clear: () => control(controlPort, "DELETE", "/requests"),
    stop: async () => {
      child.stdin.end();
      await exited;
    },
  };
}

/**
 * @param {number} port @param {string} method @param {string} path
 * @returns {Promise<any>}
 */
function control(port, method, path) {
  return new Promise((resolve, reject) => {
    const call = request({ host: "127.0.0.1", port, method, path, agent: false }, (response) => {
      /** @type {Buffer[]} */
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve(JSON.parse(Buffer.concat(chunks).toString("utf8"))));
      response.on("error", reject);
    });
    call.on("error", reject);
    call.end();
  });
}
