// `aivaultd` as a process of its own, started, asked and measured from outside.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import http from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { AIVAULTD } from "../e2e/support/run.mjs";
import { cpuMs, residentBytes } from "./measure.mjs";

const POLL_MS = 2;

/** Ask at a unix socket; resolves with the answer's text. Anything but 200 is an error. */
export async function ask(socketPath, method, path, body) {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const headers = {
    host: "aivault",
    ...(payload && { "content-type": "application/json", "content-length": payload.length }),
  };
  const request = http.request({ socketPath, method, path, headers });
  request.end(payload);
  const [response] = await once(request, "response");
  const answer = await text(response);
  if (response.statusCode !== 200) throw new Error(`${method} ${path}: ${answer}`);
  return answer;
}

/**
 * Start it and wait until it says that it is well.
 *
 * @param options - `socket`: the caller socket. `env`: beside PATH. `imports`: loaded before it.
 */
export async function startDaemon({ socket, env, imports = [] }) {
  const started = process.hrtime.bigint();
  const child = spawn(
    process.execPath,
    [...imports.flatMap((file) => ["--import", file]), AIVAULTD, "--socket", socket],
    { env: { PATH: process.env.PATH ?? "", ...env }, stdio: ["ignore", "ignore", "pipe"] },
  );
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (chunk) => {
    said = `${said}${chunk}`.slice(-2000);
  });
  const exited = once(child, "exit");
  const isUp = async () => {
    if (child.exitCode !== null) throw new Error(`aivaultd ended: ${said}`);
    if (!existsSync(socket)) return false;
    return ask(socket, "GET", "/aivault/health").then(
      () => true,
      () => false,
    );
  };
  while (!(await isUp())) await sleep(POLL_MS);
  const readyMs = Number(process.hrtime.bigint() - started) / 1e6;
  return {
    /** From the start of the process to its first answer. */
    readyMs,
    socket,
    operatorSocket: socket.replace(/\.sock$/, ".operator.sock"),
    /** Resident memory. */
    memoryMb: () => residentBytes(child.pid) / 1_048_576,
    /** Processor time of all its threads so far. */
    cpuMs: () => cpuMs(child.pid),
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
