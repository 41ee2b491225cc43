// @ts-check
// Runs the built binaries the way a person would, with an environment made from nothing.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The built `aivault`; run it with `process.execPath`. */
export const AIVAULT = fileURLToPath(new URL("../../packages/cli/dist/main.cjs", import.meta.url));
/** The built `aivaultd`; run it with `process.execPath`. */
export const AIVAULTD = fileURLToPath(
  new URL("../../packages/daemon/dist/main.js", import.meta.url),
);

/**
 * @typedef {object} RunOptions
 * @property {string | Buffer} [stdin] - Empty unless told.
 * @property {Readonly<Record<string, string>>} [env] - Beside PATH, which is always there.
 * @property {string} [cwd]
 * @property {number} [timeoutMs] - 30 s unless told; then the process is killed and `run` rejects.
 * @property {number} [uid] - Run as this user; only root may.
 * @property {number} [gid]
 *
 * @typedef {object} RunResult
 * @property {number | null} status - Null when a signal ended it.
 * @property {NodeJS.Signals | null} signal
 * @property {string} stdout
 * @property {string} stderr
 */

/**
 * Run `command` to its end. A non-zero status is a result, not an error.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<RunResult>}
 */
export function run(command, args, options = {}) {
  const { stdin = "", env = {}, timeoutMs = 30_000, ...place } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...place,
      env: { PATH: process.env["PATH"] ?? "", ...env },
      stdio: "pipe",
    });
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`\`${command} ${args.join(" ")}\` did not end within ${timeoutMs} ms`));
    }, timeoutMs);
    /** @type {Buffer[]} */
    const stdout = [];
    /** @type {Buffer[]} */
    const stderr = [];
    child.stdout.on("data", (chunk) => stdout.push(chunk));
    child.stderr.on("data", (chunk) => stderr.push(chunk));
    // A process that does not read its stdin is no fault of ours.
    child.stdin.on("error", () => {});
    child.stdin.end(stdin);
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      resolve({
        status,
        signal,
        stdout: Buffer.concat(stdout).toString("utf8"),
        stderr: Buffer.concat(stderr).toString("utf8"),
      });
    });
  });
}

/**
 * Run the built `aivault`.
 *
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 */
export function aivault(args, options) {
  return run(process.execPath, [AIVAULT, ...args], options);
}
