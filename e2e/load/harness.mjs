// @ts-check
// What the scripts here have in common: a built daemon with a development vault and a stand-in provider,
// requests to it, what the kernel says of it, what its audit log says of what was done, and a verdict.
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { AIVAULTD, aivault } from "../support/run.mjs";
import { startStandIn } from "../support/start-stand-in.mjs";
import { createTempHome } from "../support/temp-home.mjs";

export const KEY = "sk-proj-load0123456789abcdefghijklmnopqrstuvwxyz";
export const CAPABILITY = "openai/chat-completions";

/** Why this script cannot run here; exit status 77. */
export class CannotRun extends Error {}

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {import("node:http").IncomingHttpHeaders} headers
 * @property {string} text
 *
 * @typedef {object} Place - A unix socket, or a port of 127.0.0.1.
 * @property {string} [socketPath]
 * @property {number} [port]
 *
 * @typedef {object} Options
 * @property {string} [method]
 * @property {Record<string, string>} [headers]
 * @property {string | Buffer} [body]
 * @property {number} [timeoutMs]
 * @property {import("node:http").Agent} [agent]
 */

/**
 * One request to its end. Rejects when the answer breaks off, or does not come in time.
 * @param {Place} place @param {string} path @param {Options} [options] @returns {Promise<Answer>}
 */
export function call(place, path, { method = "GET", headers = {}, body, timeoutMs, agent } = {}) {
  return new Promise((resolve, reject) => {
    const host = place.port === undefined ? "aivault" : `127.0.0.1:${place.port}`;
    const client = httpRequest({
      ...place,
      ...(place.port === undefined ? {} : { host: "127.0.0.1" }),
      method,
      path,
      headers: { host, ...headers },
      agent: agent ?? false,
      ...(timeoutMs === undefined ? {} : { signal: AbortSignal.timeout(timeoutMs) }),
    });
    client.on("error", reject);
    client.on("response", (response) => {
      /** @type {Buffer[]} */
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      );
    });
    client.end(body);
  });
}

/** @param {unknown} value @returns {Options} */
export function json(value) {
  return {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(value),
  };
}

/** An envelope for a chat; `x_stand_in` and the like tell the provider what to do. @param {object} [more] */
export function chat(more = {}) {
  return json({
    capability: CAPABILITY,
    request: {
      method: "POST",
      path: "/v1/chat/completions",
      headers: [{ name: "content-type", value: "application/json" }],
      body: JSON.stringify({ model: "m", messages: [], ...more }),
    },
  });
}

/** A vault with one secret, a provider, and a daemon that is started and killed at will. */
export class Rig {
  /** @type {import("node:child_process").ChildProcess | null} */
  child = null;
  /** @type {number | null} */
  port = null;
  log = "";

  /**
   * @param {ReturnType<typeof createTempHome>} home
   * @param {Awaited<ReturnType<typeof startStandIn>>} standIn
   */
  constructor(home, standIn) {
    this.home = home;
    this.standIn = standIn;
    const run = join(home.vaultDirectory, "run");
    this.caller = { socketPath: join(run, "aivaultd.sock") };
    this.operator = { socketPath: join(run, "aivaultd.operator.sock") };
  }

  /** @returns {Place} */
  get tcp() {
    if (this.port === null) throw new Error("the daemon does not listen on TCP");
    return { port: this.port };
  }

  get pid() {
    return this.child?.pid ?? 0;
  }

  /** @param {{ daemon?: StartOptions }} [options] */
  static async make(options = {}) {
    const standIn = await startStandIn({ credentials: { "api.openai.com": { secret: KEY } } });
    const rig = new Rig(createTempHome(), standIn);
    const env = { ...rig.home.environment, ...standIn.daemonEnvironment };
    const made = await aivault(["init", "--dev", "--provider", "file"], {
      env,
      timeoutMs: 120_000,
    });
    if (made.status !== 0) throw new Error(made.stderr);
    await rig.start(options.daemon);
    await rig.storeSecret("OPENAI_API_KEY", KEY);
    return rig;
  }

  /**
   * @typedef {object} StartOptions
   * @property {number} [port] - It always listens on TCP as well; default: any port.
   * @property {readonly string[]} [node] - Of Node itself.
   * @property {Record<string, string>} [env]
   * @property {number} [descriptors] - `ulimit -n`.
   * @property {string} [group] - A control group to run in: {@link limitMemory}.
   * @property {string} [nameServer] - Who is asked for names. Needs root: it is put into a mount namespace.
   * @param {StartOptions} [options]
   */
  async start({ port = 0, node = [], env = {}, descriptors, group, nameServer } = {}) {
    const program = [process.execPath, ...node, AIVAULTD, "--listen", `127.0.0.1:${port}`];
    const limited = ["sh", "-c", `ulimit -n ${descriptors} && exec "$0" "$@"`, ...program];
    const apart = () => {
      const file = join(this.home.home, "resolv.conf");
      writeFileSync(file, `nameserver ${nameServer}\n`);
      const script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
      return ["unshare", "--mount", "sh", "-c", script, file, ...program];
    };
    const grouped = ["sh", "-c", `echo $$ > ${group}/cgroup.procs && exec "$0" "$@"`, ...program];
    let arranged = program;
    if (descriptors !== undefined) arranged = limited;
    if (group !== undefined) arranged = grouped;
    if (nameServer !== undefined) arranged = apart();
    const [command = "", ...rest] = arranged;
    const child = spawn(command, rest, {
      env: {
        PATH: process.env["PATH"] ?? "",
        ...this.home.environment,
        ...this.standIn.daemonEnvironment,
        ...env,
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.child = child;
    this.log = "";
    await new Promise((resolve, reject) => {
      child.stderr?.setEncoding("utf8").on("data", (text) => {
        this.log = (this.log + text).slice(-65_536);
        const [, port] = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(this.log) ?? [];
        if (port === undefined) return;
        this.port = Number(port);
        resolve(undefined);
      });
      child.once("exit", (code, signal) =>
        reject(new Error(`aivaultd ended with ${code ?? signal}: ${this.log}`)),
      );
    });
  }

  /** @param {NodeJS.Signals} signal */
  async stop(signal = "SIGTERM") {
    const { child } = this;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }

  get isAlive() {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** @param {string} path @param {Options} [options] */
  async operate(path, options) {
    const answer = await call(this.operator, path, options);
    if (answer.status >= 400) throw new Error(`${path}: ${answer.status} ${answer.text}`);
    return JSON.parse(answer.text);
  }

  /** @param {string} name @param {string} value */
  storeSecret(name, value) {
    const part = (/** @type {string} */ field, /** @type {string} */ body) =>
      `--b0\r\ncontent-disposition: form-data; name="${field}"; filename="f"\r\n` +
      `content-type: application/octet-stream\r\n\r\n${body}\r\n`;
    return this.operate("/aivault/secrets", {
      method: "POST",
      headers: { "content-type": "multipart/form-data; boundary=b0" },
      body: `${part("secret", JSON.stringify({ name }))}${part("value", value)}--b0--\r\n`,
    });
  }

  /** @param {object} [grant] @returns {Promise<{ token: string, tokenId: string }>} */
  mint(grant = {}) {
    return this.operate("/aivault/tokens", json({ capabilities: ["*"], ...grant }));
  }

  /** Every event of the audit log, oldest first. @returns {Promise<Record<string, any>[]>} */
  async audit() {
    const events = [];
    for (let before = Number.MAX_SAFE_INTEGER; ; ) {
      const { items } = await this.operate(`/aivault/audit?limit=1000&beforeSeq=${before}`);
      for (const { event } of items) events.push(event);
      if (items.length < 1000) return events.reverse();
      before = items.at(-1).seq;
    }
  }

  /** The log is whole, and every decision to invoke has exactly one outcome. @param {Verdict} verdict */
  async checkAudit(verdict) {
    const verified = await this.operate("/aivault/audit/verify");
    verdict.expect("the audit log verifies", verified.ok === true, JSON.stringify(verified));
    const events = await this.audit();
    const decided = new Map();
    for (const { kind, decision, requestId } of events) {
      if (kind === "invocation.decided" && decision === "allow") decided.set(requestId, 0);
      if (kind === "invocation.completed") {
        decided.set(requestId, (decided.get(requestId) ?? Number.NaN) + 1);
      }
    }
    const wrong = [...decided].filter(([, outcomes]) => outcomes !== 1);
    verdict.expect("each decision has one outcome", wrong.length === 0, `${wrong.length} have not`);
    return events;
  }

  async dispose() {
    await this.stop();
    await this.standIn.stop();
    this.home.remove();
  }
}

/** Resident memory of a process, in MiB. @param {number} pid */
export function residentMiB(pid) {
  const [, kib = "0"] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Math.round(Number(kib) / 1024);
}

/** Open descriptors of a process. @param {number} pid */
export function descriptorsOf(pid) {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/**
 * A control group whose processes together have so much memory, and nothing on disk instead. Null where there is no
 * such thing, or not for us.
 * @param {number} mib
 */
export function limitMemory(mib) {
  const isFirst = existsSync("/sys/fs/cgroup/memory/memory.limit_in_bytes");
  const directory = join(
    isFirst ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup",
    `aivault-load-${process.pid}`,
  );
  const limit = isFirst ? "memory.limit_in_bytes" : "memory.max";
  const swap = isFirst ? "memory.memsw.limit_in_bytes" : "memory.swap.max";
  try {
    mkdirSync(directory);
    writeFileSync(join(directory, limit), String(mib * 1_048_576));
    if (existsSync(join(directory, swap))) {
      writeFileSync(join(directory, swap), String(isFirst ? mib * 1_048_576 : 0));
    }
  } catch {
    return null;
  }
  const read = (/** @type {string} */ name) => readFileSync(join(directory, name), "utf8");
  return {
    directory,
    /** The most that was used, in MiB. */
    peak: () =>
      Math.round(Number(read(isFirst ? "memory.max_usage_in_bytes" : "memory.peak")) / 1_048_576),
    /** Once it is empty. */
    remove: () => rmdirSync(directory),
  };
}

/** The most of `sample` while `work` runs. @template T @param {() => number} sample @param {Promise<T>} work */
export async function peakOf(sample, work) {
  let peak = sample();
  let running = true;
  const watch = (async () => {
    while (running) {
      await wait(50);
      peak = Math.max(peak, sample());
    }
  })();
  try {
    return { result: await work, peak };
  } finally {
    running = false;
    await watch;
  }
}

/** Wait until `check` holds. @param {() => boolean | Promise<boolean>} check @param {number} withinMs */
export async function until(check, withinMs) {
  for (const end = performance.now() + withinMs; performance.now() < end; await wait(50)) {
    if (await check()) return true;
  }
  return false;
}

/** @param {readonly number[]} values @param {number} share */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
}

/** What was found, and the figures. */
export class Verdict {
  /** @type {string[]} */
  bad = [];

  /** @param {string} name @param {string | undefined} results - A file for JSON lines. */
  constructor(name, results) {
    this.name = name;
    this.results = results;
  }

  /** @param {string} what @param {boolean} holds @param {string} [otherwise] */
  expect(what, holds, otherwise = "") {
    this.#record({ expected: what, verdict: holds ? "ok" : "bad", got: holds ? "" : otherwise });
    if (holds) return;
    this.bad.push(what);
    process.stdout.write(`${this.name}: BAD: ${what}: ${otherwise}\n`);
  }

  /** @param {string} what @param {Record<string, number | string>} figures */
  figures(what, figures) {
    this.#record({ case: what, ...figures });
    const text = Object.entries(figures).map(([name, value]) => `${name} ${value}`);
    process.stdout.write(`${this.name}: ${what}: ${text.join(", ")}\n`);
  }

  /** @param {object} entry */
  #record(entry) {
    if (this.results === undefined) return;
    appendFileSync(this.results, `${JSON.stringify({ test: this.name, ...entry })}\n`);
  }
}

/**
 * Run a script and end the process: 0 nothing bad, 1 something bad, 2 the harness failed, 77 it cannot run.
 * @param {string} name
 * @param {(verdict: Verdict, flag: (name: string, otherwise: number) => number) => Promise<void>} main
 */
export async function script(name, main) {
  const args = process.argv.slice(2);
  const after = (/** @type {string} */ flag) => args[args.indexOf(flag) + 1];
  const flag = (/** @type {string} */ flagName, /** @type {number} */ otherwise) =>
    args.includes(`--${flagName}`) ? Number(after(`--${flagName}`)) : otherwise;
  const verdict = new Verdict(name, args.includes("--results") ? after("--results") : undefined);
  if (process.platform !== "linux") {
    process.stderr.write(`SKIPPED: ${name} looks into /proc, which only Linux has\n`);
    process.exit(77);
  }
  try {
    await main(verdict, flag);
  } catch (error) {
    if (error instanceof CannotRun) {
      process.stderr.write(`SKIPPED: ${name}: ${error.message}\n`);
      process.exit(77);
    }
    process.stderr.write(`${name}: ${error instanceof Error ? error.stack : error}\n`);
    process.exit(2);
  }
  const { bad } = verdict;
  process.stdout.write(`${name}: ${bad.length === 0 ? "nothing bad" : `${bad.length} bad`}\n`);
  process.exit(bad.length === 0 ? 0 : 1);
}
