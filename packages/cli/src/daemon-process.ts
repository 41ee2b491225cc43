/**
 * Starting `aivaultd` when a command needs it and nobody listens.
 */
import { once } from "node:events";
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CliError } from "./errors.ts";
import { isEnvOn, type VaultLocation } from "./location.ts";
import type { Environment } from "./output.ts";

// A daemon that dies is noticed at once; this is for a machine that is busy.
const START_MS = 20_000;
/** One that serves this vault on another socket would be awaited in vain. */
const OTHERS_START_MS = 10_000;
const POLL_MS = 20;
const LOG_BYTES_MAX = 1024 * 1024;
const LAST_WORDS_BYTES = 4096;
/** What a daemon says that finds another one on its vault. */
const GAVE_WAY = "[DAEMON_ALREADY_RUNNING]";

// G24: the daemon gets no proxy, CA, loader or Node option from whoever happens to start it. What a
// key provider needs to find its keyring is not an option of Node's.
const INHERITED = [
  "HOME",
  "PATH",
  "USER",
  "LOGNAME",
  "LANG",
  "LC_ALL",
  "TZ",
  "TMPDIR",
  "XDG_RUNTIME_DIR",
  "DBUS_SESSION_BUS_ADDRESS",
];

/** The environment a daemon is started with. */
export function daemonEnvironment(
  env: Environment,
  also: readonly string[] = [],
): Record<string, string> {
  const clean: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    const passes = /^AIVAULTD?_/.test(name) || INHERITED.includes(name) || also.includes(name);
    // A caller's token is nothing to the daemon, and would be readable in its environment (G1).
    if (name === "AIVAULT_TOKEN") continue;
    if (passes && value !== undefined) clean[name] = value;
  }
  return clean;
}

/** Whether someone accepts connections at `socket`. */
export async function isListening(socket: string): Promise<boolean> {
  const probe = connect({ path: socket });
  try {
    await once(probe, "connect");
    return true;
  } catch {
    return false;
  } finally {
    probe.destroy();
  }
}

/** Whether there is a process `pid`, whoever's it is. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * Start a daemon that outlives this process, and wait until it listens.
 *
 * @throws {CliError} `CLI_DAEMON_FAILED`: it died, with its own last words; or it took over 20 s.
 */
export async function startDaemonProcess(location: VaultLocation, env: Environment): Promise<void> {
  const log = openLog(location.logFile);
  const logStart = fstatSync(log).size;
  const once = isEnvOn(env["AIVAULTD_AUTOSTART_ONCE"]) ? ["--once"] : [];
  const bin = await daemonBin();
  const { spawn } = await import("node:child_process");
  const child = spawn(process.execPath, [bin, "--socket", location.socket, ...once], {
    cwd: "/",
    detached: true,
    env: daemonEnvironment(env, await keyVariables(location)),
    stdio: ["ignore", "ignore", log],
  });
  child.unref();
  let ended: string | undefined;
  child.once("error", (error) => {
    ended = error.message;
  });
  child.once("exit", (status, signal) => {
    ended = signal === null ? `exited with status ${status}` : `was ended by ${signal}`;
  });
  try {
    let deadline = Date.now() + START_MS;
    let gaveWay = false;
    while (Date.now() < deadline) {
      const failure = ended;
      // The socket that a daemon opens last: who finds it finds all of it.
      if (await isListening(location.socket)) return;
      if (failure !== undefined && !gaveWay) {
        const words = lastWords(location.logFile, logStart);
        // Another command may have started one at the same moment: ours gave way, and that one is awaited.
        gaveWay = words.some((line) => line.includes(GAVE_WAY));
        if (!gaveWay) throw startError(failure, words, location);
        deadline = Date.now() + OTHERS_START_MS;
      }
      await sleep(POLL_MS);
    }
    throw startError(
      ended ?? `did not answer within ${START_MS / 1000} s`,
      lastWords(location.logFile, logStart),
      location,
    );
  } finally {
    closeSync(log);
  }
}

/** The path of the installed `aivaultd`. */
export async function daemonBin(): Promise<string> {
  const manifest = createRequire(import.meta.url).resolve("@aivault/daemon/package.json");
  const { bin } = JSON.parse(await readFile(manifest, "utf8")) as { bin: { aivaultd: string } };
  return join(dirname(manifest), bin.aivaultd);
}

/**
 * The variables that hold the vault's key, by its configuration: two while a rotation from one to
 * another is not confirmed. The daemon needs them; it gets no other of ours.
 */
async function keyVariables({ configFile }: VaultLocation): Promise<readonly string[]> {
  try {
    return variablesOf(JSON.parse(await readFile(configFile, "utf8")));
  } catch {
    // The daemon says better what is wrong with it.
    return [];
  }
}

/** The variables that `vault.json` names in its key slots. */
export function variablesOf(config: unknown): readonly string[] {
  const { slots } = config as { slots?: readonly { provider?: Record<string, unknown> }[] };
  return (slots ?? []).flatMap(({ provider = {} }) => {
    const { kind, variable } = provider;
    return kind === "env" && typeof variable === "string" ? [variable] : [];
  });
}

function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
  const log = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
  if (fstatSync(log).size > LOG_BYTES_MAX) ftruncateSync(log);
  return log;
}

function lastWords(path: string, from: number): readonly string[] {
  const log = openSync(path, constants.O_RDONLY);
  try {
    const start = Math.max(from, fstatSync(log).size - LAST_WORDS_BYTES);
    const buffer = Buffer.alloc(LAST_WORDS_BYTES);
    const bytes = readSync(log, buffer, 0, buffer.length, start);
    return buffer
      .toString("utf8", 0, bytes)
      .split("\n")
      .filter((line) => line.trim() !== "");
  } finally {
    closeSync(log);
  }
}

/** The failure to show, from what the daemon said before it went. */
export function startError(
  what: string,
  words: readonly string[],
  location: VaultLocation,
): CliError {
  const said = (kind: string) =>
    words
      .map((line) => new RegExp(`^aivaultd: ${kind}: (.+)$`).exec(line)?.[1])
      .findLast((found) => found !== undefined);
  const reason = said("error") ?? words.slice(-3).join(" / ");
  return new CliError(
    "CLI_DAEMON_FAILED",
    `aivaultd ${what}${reason === "" ? "" : `: ${reason}`}`,
    said("hint") ??
      `its log is ${location.logFile}; \`aivault doctor\` checks what usually goes wrong`,
  );
}
