// @ts-check
// The built daemon with a development vault, to which the stand-in is every provider.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createOperatorClient } from "@aivault/client/operator";
import { AIVAULTD, aivault } from "../support/run.mjs";
import { createTempHome } from "../support/temp-home.mjs";

/**
 * @typedef {object} Broker
 * @property {string} url - Of the TCP listener.
 * @property {import("@aivault/client/operator").OperatorClient} operator
 * @property {() => Promise<void>} stop
 */

/**
 * @param {object} options
 * @param {{ port: number, caPem: string }} options.standIn
 * @param {readonly string[]} options.hosts - That are the stand-in.
 * @returns {Promise<Broker>}
 */
export async function startBroker({ standIn, hosts }) {
  const home = createTempHome();
  const caPath = join(home.home, "ca.pem");
  writeFileSync(caPath, standIn.caPem);
  const env = {
    ...home.environment,
    AIVAULT_DEV_RESOLVE: hosts.map((host) => `${host}=127.0.0.1:${standIn.port}`).join(","),
    AIVAULT_DEV_CA_CERT_PATH: caPath,
    AIVAULT_DEV_ALLOW_NON_DEFAULT_PORTS: "1",
  };
  const made = await aivault(["init", "--dev", "--provider", "file"], { env });
  if (made.status !== 0) throw new Error(made.stderr);

  const daemon = spawn(process.execPath, [AIVAULTD, "--listen", "127.0.0.1:0"], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "inherit", "pipe"],
  });
  const exited = once(daemon, "exit");
  const output = createInterface({ input: daemon.stderr });
  const lines = /** @type {string[]} */ ([]);
  const url = await new Promise((resolve, reject) => {
    output.on("line", (line) => {
      lines.push(line);
      const [, found] = /^aivaultd: listening on (http:\/\/\S+)$/.exec(line) ?? [];
      if (found !== undefined) resolve(found);
    });
    exited.then(() => reject(new Error(`aivaultd ended:\n${lines.join("\n")}`)), reject);
  });
  const operator = createOperatorClient({ env });
  return {
    url,
    operator,
    stop: async () => {
      operator.close();
      daemon.kill("SIGTERM");
      await exited;
      home.remove();
    },
  };
}
