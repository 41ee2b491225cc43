// @ts-check
// Many processes that want the same OAuth token, and are killed at random, the daemon too: however that
// goes, a refresh token is used once, and a family that a crash has cost is said to be lost.
//
//   node e2e/oauth/storm.mjs [--refreshes 200] [--processes 50] [--seed N]
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createOperatorClient } from "@aivault/client/operator";
import { AIVAULTD, aivault } from "../support/run.mjs";
import { seeded } from "../support/seeded.mjs";
import { createTempHome } from "../support/temp-home.mjs";
import {
  API_HOST,
  CLIENT_ID,
  startAuthorizationServer,
  TOKEN_HOST,
} from "./authorization-server.mjs";

/** Long enough that a busy machine finds it alive, short enough that it ends often. */
const LIFE_MS = 4_000;
const CALLER = fileURLToPath(new URL("storm-caller.mjs", import.meta.url));

/**
 * @typedef {object} StormReport
 * @property {number} refreshes - With a refresh token that was good.
 * @property {number} logins
 * @property {number} daemonKills
 * @property {number} midwayKills - Of the daemon, when a refresh token was used up and nothing stored yet.
 * @property {number} callerKills
 * @property {Record<string, number>} outcomes - What callers saw.
 * @property {string[]} complaints - What must not happen, and did.
 */

/**
 * @param {{ refreshes: number, processes: number, seed: number, log?: (line: string) => void }} options
 * @returns {Promise<StormReport>}
 */
export async function runStorm({ refreshes, processes, seed, log = () => {} }) {
  const random = seeded(seed);
  const home = createTempHome();
  const secret = `storm-secret-${seed}`;
  const server = await startAuthorizationServer({ lifeMs: LIFE_MS, secret, random });
  const caPath = join(home.home, "ca.pem");
  writeFileSync(caPath, server.caPem);
  const env = {
    ...home.environment,
    AIVAULT_DEV_RESOLVE: [TOKEN_HOST, API_HOST]
      .map((host) => `${host}=127.0.0.1:${server.port}`)
      .join(","),
    AIVAULT_DEV_CA_CERT_PATH: caPath,
  };
  const operator = createOperatorClient({ env });
  /** @type {StormReport} */
  const report = {
    refreshes: 0,
    logins: 0,
    daemonKills: 0,
    midwayKills: 0,
    callerKills: 0,
    outcomes: {},
    complaints: [],
  };
  let isOver = false;
  /** Of the audit log. */
  let readUpTo = 0;
  /** By the API, when the daemon was last killed. */
  let answeredBefore = 0;

  /** @type {import("node:child_process").ChildProcess | null} */
  let daemon = null;
  /** When the daemon was killed. @type {number[]} */
  const killsAtMs = [];

  function startDaemon() {
    const child = spawn(process.execPath, [AIVAULTD], {
      env: { PATH: process.env["PATH"] ?? "", ...env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    daemon = child;
    let said = "";
    child.stderr.on("data", (chunk) => {
      said = (said + chunk).slice(-2000);
    });
    child.on("exit", (status, signal) => {
      daemon = null;
      if (isOver) return;
      if (signal !== "SIGKILL") report.complaints.push(`the daemon ended: ${status} ${said}`);
      startDaemon();
    });
  }

  /** A daemon that is killed before it has done anything shows nothing. */
  const isAtWork = () => server.api.answered > answeredBefore + processes / 2;

  function killDaemon() {
    if (daemon === null || daemon.exitCode !== null) return;
    answeredBefore = server.api.answered;
    report.daemonKills += 1;
    const last = server.generations.at(-1);
    if (last !== undefined && last.number > 0 && !last.used) report.midwayKills += 1;
    killsAtMs.push(performance.now());
    daemon.kill("SIGKILL");
  }

  const stopDaemon = () => daemon?.kill("SIGKILL");

  /** @type {Set<import("node:child_process").ChildProcess>} */
  const callers = new Set();
  function startCaller() {
    // As many calls a second however many callers there are.
    const child = spawn(process.execPath, [CALLER, String(processes * 10)], {
      env: { PATH: process.env["PATH"] ?? "", ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    callers.add(child);
    let line = "";
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      const lines = (line + chunk).split("\n");
      line = lines.pop() ?? "";
      for (const outcome of lines) {
        report.outcomes[outcome] = (report.outcomes[outcome] ?? 0) + 1;
      }
    });
    child.on("exit", () => {
      callers.delete(child);
      if (!isOver) startCaller();
    });
  }

  /** A person signs in again. */
  async function login() {
    const { refreshToken } = server.login();
    const document = { clientId: CLIENT_ID, clientSecret: secret, refreshToken };
    const bytes = Buffer.from(JSON.stringify(document));
    const isNew = report.logins === 0;
    for (let tries = 0; ; tries++) {
      try {
        if (isNew) await operator.createSecret({ name: "SPOTIFY_OAUTH" }, bytes);
        else await operator.rotateSecret("SPOTIFY_OAUTH", bytes);
        break;
      } catch (error) {
        if (tries === 100) throw error;
        await wait(200);
      }
    }
    report.logins += 1;
  }

  /** Whether the log says, since it was last read, that a crash has cost the login. */
  async function isSaid() {
    /** @type {number | null} */
    let newest = null;
    /** @type {number | undefined} */
    let beforeSeq;
    for (;;) {
      const page = await operator.audit({ limit: 500, ...(beforeSeq && { beforeSeq }) });
      newest ??= page[0]?.seq ?? null;
      for (const { seq, event } of page) {
        if (seq <= readUpTo) break;
        if (event.kind !== "oauth.needs_login") continue;
        readUpTo = newest ?? readUpTo;
        return event["reason"] === "renewal_interrupted";
      }
      beforeSeq = page.at(-1)?.seq;
      if (beforeSeq === undefined || beforeSeq <= readUpTo) return false;
    }
  }

  try {
    const made = await aivault(["init", "--dev", "--provider", "file"], { env });
    if (made.status !== 0) throw new Error(made.stderr);
    startDaemon();
    await login();
    for (let i = 0; i < processes; i++) startCaller();
    server.onRefresh(() => {
      // Some of the kills come just when a crash can lose something.
      if (isAtWork() && random() < 0.25) setTimeout(killDaemon, random() * 40);
    });
    const done = () => server.generations.filter((one) => one.refreshedAtMs.length > 0).length;
    const endsAtMs = performance.now() + 60_000 + refreshes * 15_000;
    while (done() < refreshes) {
      if (performance.now() > endsAtMs) {
        report.complaints.push(`${done()} refreshes, and no end`);
        break;
      }
      await wait(50 + random() * 150);
      if (random() < 0.2) {
        [...callers][Math.floor(random() * callers.size)]?.kill("SIGKILL");
        report.callerKills += 1;
      }
      if (random() < 0.05) server.refuse();
      if (isAtWork() && random() < 0.02) killDaemon();
      const last = server.generations.at(-1);
      const reused = server.generations.find(
        ({ family, refreshedAtMs }) => family === last?.family && refreshedAtMs.length > 1,
      );
      if (reused !== undefined) {
        log(`family ${reused.family} ended after ${reused.number + 1} generations`);
        for (let tries = 0; !(await isSaid().catch(() => false)); tries++) {
          if (tries === 100) {
            report.complaints.push(`the end of family ${reused.family} is not said`);
            break;
          }
          await wait(200);
        }
        await login();
      }
    }
  } finally {
    isOver = true;
    for (const child of callers) child.kill("SIGKILL");
    stopDaemon();
    operator.close();
    await server.close();
    home.remove();
  }
  judge(server, killsAtMs, report, processes);
  return report;
}

/**
 * @param {import("./authorization-server.mjs").AuthorizationServer} server
 * @param {readonly number[]} killsAtMs
 * @param {StormReport} report
 * @param {number} processes
 */
function judge({ generations, api }, killsAtMs, report, processes) {
  const { complaints } = report;
  for (const one of generations) {
    const { family, number, refreshedAtMs, due } = one;
    const name = `refresh token ${number} of family ${family}`;
    if (refreshedAtMs.length > 0) report.refreshes += 1;
    if (refreshedAtMs.length > 0 && !due) complaints.push(`${name} was used before it was due`);
    if (refreshedAtMs.length < 2) continue;
    const next = generations.find(
      (other) => other.family === family && other.number === number + 1,
    );
    if (next?.used === true) complaints.push(`${name} was used again although another was stored`);
    // After a crash nobody can tell a lost answer from a request that never arrived: one more try is right.
    for (const [at, atMs] of refreshedAtMs.entries()) {
      const beforeMs = refreshedAtMs[at - 1];
      if (beforeMs === undefined) continue;
      // What a daemon sent just before it was killed may be read after.
      if (!killsAtMs.some((killMs) => killMs > beforeMs - 5_000 && killMs < atMs)) {
        complaints.push(`${name} was used again without a crash`);
      }
    }
  }
  if (api.unknown > 0)
    complaints.push(`${api.unknown} requests with a token that was never issued`);
  const { outcomes } = report;
  const expected = new Set([
    "status 200",
    // While the daemon is down, or when it went in the middle of a call.
    "CLIENT_DAEMON_UNREACHABLE",
    "CLIENT_RESPONSE_BROKEN",
    // Between the end of a family and the next login.
    "auth_failed",
    "credential_not_found",
    // A token that was refused twice in a row.
    "status 401",
  ]);
  for (const [outcome, count] of Object.entries(outcomes)) {
    if (!expected.has(outcome)) complaints.push(`callers saw \`${outcome}\` ${count} times`);
  }
  // The provider ends the tokens of a family that it ends: whoever was calling then, and could get no
  // other token, has its answer.
  const endings = report.logins - 1 + report.midwayKills;
  if ((outcomes["status 401"] ?? 0) > report.refreshes + processes * endings) {
    complaints.push("many callers saw a 401");
  }
  if ((outcomes["status 200"] ?? 0) === 0) complaints.push("no caller was answered");
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      refreshes: { type: "string", default: "200" },
      processes: { type: "string", default: "50" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
    },
  });
  process.stdout.write(`storm: seed ${values.seed}\n`);
  const report = await runStorm({
    refreshes: Number(values.refreshes),
    processes: Number(values.processes),
    seed: Number(values.seed),
    log: (line) => process.stdout.write(`storm: ${line}\n`),
  });
  const { complaints, ...figures } = report;
  process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
  for (const complaint of complaints) process.stdout.write(`storm: FAILED: ${complaint}\n`);
  process.exit(complaints.length === 0 ? 0 : 1);
}
