// What the benchmarks measure: a development vault with one OpenAI key, the real daemon, the bare
// forwarder beside it, and a provider that costs as little as one can.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { AIVAULTD, aivault } from "../e2e/support/run.mjs";
import { createTempHome } from "../e2e/support/temp-home.mjs";
import { cpuMs, median } from "./measure.mjs";

const HOST = "api.openai.com";
const here = (name) => new URL(name, import.meta.url).pathname;

/** A benchmark's own process, told what to do on stdin; resolves with it and its first line. */
async function start(args, input, options = {}) {
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"], ...options });
  const line = once(createInterface({ input: child.stdout }), "line");
  child.stdin.write(`${JSON.stringify(input)}\n`);
  return { child, line: String((await line)[0]) };
}

/**
 * @param {{ nodeArgs?: string[], settings?: string[][] }} [options] - `nodeArgs`: options of Node for
 *   the daemon, such as `--cpu-prof`. `settings`: arguments of `aivault` to run before it starts.
 */
export async function developmentDaemon({ nodeArgs = [], settings = [] } = {}) {
  const secret = `sk-bench-${randomBytes(24).toString("base64url")}`;
  const provider = await start([here("provider.mjs")], { hosts: [HOST] });
  const { port, caPath } = JSON.parse(provider.line);
  const home = createTempHome();
  // NODE_EXTRA_CA_CERTS alone costs 45 ms at each start, so nothing is inherited but PATH.
  const callerEnv = { PATH: process.env.PATH ?? "", ...home.environment };
  const env = {
    ...callerEnv,
    AIVAULT_DEV_RESOLVE: `${HOST}=127.0.0.1:${port}`,
    AIVAULT_DEV_CA_CERT_PATH: caPath,
    AIVAULT_DEV_ALLOW_NON_DEFAULT_PORTS: "1",
  };
  const must = async (args, options = {}) => {
    const result = await aivault(args, { env, ...options });
    if (result.status !== 0) throw new Error(`aivault ${args[0]} failed: ${result.stderr}`);
    return result.stdout;
  };
  await must(["init", "--dev", "--provider", "file"]);
  await must(["secrets", "create", "--name", "OPENAI_API_KEY", "--value-stdin"], { stdin: secret });
  for (const args of settings) await must(args);
  await must(["stop"]);

  const socket = join(home.vaultDirectory, "run", "aivaultd.sock");
  const daemon = spawn(process.execPath, [...nodeArgs, AIVAULTD], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  for await (const line of createInterface({ input: daemon.stderr })) {
    if (line.includes('"listening"')) break;
    console.error(line);
  }
  daemon.stderr.resume();

  const forwarderSocket = join(home.home, "forwarder.sock");
  const forwarder = await start([...nodeArgs, here("forwarder.mjs")], {
    socket: forwarderSocket,
    port,
    caPath,
    host: HOST,
    authorization: `Bearer ${secret}`,
  });
  return {
    secret,
    socket,
    forwarderSocket,
    daemonPid: daemon.pid,
    forwarderPid: forwarder.child.pid,
    callerEnv,
    aivault: must,
    async close() {
      forwarder.child.kill();
      const exited = once(daemon, "exit");
      daemon.kill("SIGTERM");
      await exited;
      provider.child.stdin.end();
      await once(provider.child, "exit");
      home.remove();
    },
  };
}

/** What both sides are asked for: the same call, once as the provider takes it, once in an envelope. */
export function targetsOf(daemon, model, promptChars = 900) {
  const body = JSON.stringify({
    model,
    messages: [{ role: "user", content: "x".repeat(promptChars) }],
  });
  const path = "/v1/chat/completions";
  const envelope = JSON.stringify({
    capability: "openai/chat-completions",
    request: {
      method: "POST",
      path,
      headers: [{ name: "content-type", value: "application/json" }],
      body,
    },
  });
  return {
    forwarder: { pid: daemon.forwarderPid, socket: daemon.forwarderSocket, path, body },
    aivaultd: {
      pid: daemon.daemonPid,
      socket: daemon.socket,
      path: "/aivault/proxy",
      body: envelope,
    },
    passthrough: { pid: daemon.daemonPid, socket: daemon.socket, path: `/v/openai${path}`, body },
  };
}

/** Puts load on a target; what `load.mjs` says, and the target's processor time for each request. */
export async function load({ pid, ...target }, settings) {
  const child = spawn(process.execPath, [here("load.mjs")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const before = cpuMs(pid);
  child.stdin.end(JSON.stringify({ ...target, ...settings }));
  const result = JSON.parse(await text(child.stdout));
  const cpuMicros = (cpuMs(pid) - before) * 1e3;
  if (result.errors > 0) throw new Error(`${result.errors} requests failed`);
  const all = result.requests + result.warmRequests;
  return { ...result, cpuMicros: cpuMicros / all };
}

/** Measures the two in turn, so that a machine that slows down does so for both. */
export async function compare(floor, ours, settings, rounds) {
  const pairs = [];
  for (let round = 0; round < rounds; round += 1) {
    pairs.push({ floor: await load(floor, settings), ours: await load(ours, settings) });
  }
  return (figure) => ({
    floor: median(pairs.map((pair) => pair.floor[figure])),
    ours: median(pairs.map((pair) => pair.ours[figure])),
    ratio: median(pairs.map((pair) => pair.ours[figure] / pair.floor[figure])),
  });
}

/** One line of a result. */
export function show(title, { floor, ours, ratio }, digits = 2) {
  console.log(
    `${title.padEnd(52)} forwarder ${floor.toFixed(digits).padStart(9)}` +
      `  aivaultd ${ours.toFixed(digits).padStart(9)}  ratio ${ratio.toFixed(2)}`,
  );
}
