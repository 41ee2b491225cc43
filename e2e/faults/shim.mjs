// Builds crash-shim.c, starts processes under it, and reads the record it writes.
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

/** The exit status by which a disturbed process says that it ended at its point. */
export const EXIT_AT_FAULT = 99;

/** Thrown when there is no C compiler: the crash tests cannot run and must say so. */
export class NoCompilerError extends Error {
  name = "NoCompilerError";
}

/**
 * Make a directory for a run, in memory where that can be had: what a disk keeps is worked out by the
 * model, so none of the syncs needs to reach one.
 */
export function makeTemporary(name) {
  const base = fs.existsSync("/dev/shm") ? "/dev/shm" : fs.realpathSync(os.tmpdir());
  const directory = fs.mkdtempSync(path.join(base, `aivault-${name}-`));
  // Memory is not to be filled by runs that were ended early.
  process.on("exit", () => fs.rmSync(directory, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(130));
  return directory;
}

/**
 * Compile the shim into `directory`.
 *
 * @returns The path of the shared object.
 * @throws {NoCompilerError} `cc` is absent or fails, or this is not Linux.
 */
export function buildShim(directory) {
  if (os.platform() !== "linux") throw new NoCompilerError("the crash shim needs Linux");
  const target = path.join(directory, "crash-shim.so");
  const source = path.join(import.meta.dirname, "crash-shim.c");
  const args = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-o", target, source, "-ldl"];
  const built = spawnSync("cc", [...args, "-lpthread"], { encoding: "utf8" });
  if (built.error || built.status !== 0) {
    throw new NoCompilerError(`cc: ${built.error?.message ?? built.stderr}`);
  }
  return target;
}

/** The environment of a process under the shim; `options` are the variables of crash-shim.c. */
export function shimEnvironment(shim, options) {
  const environment = { ...process.env, LD_PRELOAD: shim, UV_USE_IO_URING: "0" };
  // vitest's own options (a loader, coverage) would change which calls a process makes.
  delete environment.NODE_OPTIONS;
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined) environment[`FAULT_${name.toUpperCase()}`] = String(value);
  }
  return environment;
}

/** Run Node on `args`; resolves with the exit status, the output and the time taken. */
export function runNode(args, { env = process.env, input, timeoutMs = 180_000, ...options } = {}) {
  return new Promise((resolve) => {
    const startedAtMs = performance.now();
    const child = spawn(process.execPath, args, { env, stdio: "pipe", ...options });
    const output = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"]) {
      child[stream].setEncoding("utf8").on("data", (text) => {
        output[stream] += text;
      });
    }
    let hung = false;
    const timer = setTimeout(() => {
      hung = true;
      child.kill("SIGKILL");
    }, timeoutMs);
    child.stdin.on("error", () => {}); // the child may be gone before it reads
    child.stdin.end(input ?? "");
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      resolve({ status, signal, hung, ...output, ms: Math.round(performance.now() - startedAtMs) });
    });
  });
}

/**
 * Read a record: the calls in the order in which the file system saw them, with the
 * acknowledgements between them (`op: "ack"`, `n: 0`).
 */
export function readRecord(file) {
  if (!fs.existsSync(file)) return [];
  return fs
    .readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [n, op, where, second, number, result, hex] = line.split("\t");
      return {
        n: Number(n),
        op,
        path: where,
        second: second === "-" ? null : second,
        number: Number(number),
        result: Number(result),
        data: hex ? Buffer.from(hex, "hex") : Buffer.alloc(0),
      };
    });
}

/** The modes in which a call of this kind is disturbed. */
export function modesOf(call, { errors = true, torn = [0, 1, 511, 4096] } = {}) {
  const modes = ["before", "after"];
  if (call.op === "write") {
    // A write torn at or past its end is `after`; one torn at 0 differs from `before` in nothing
    // but the shim's path, so it is kept only as the smallest case of the list.
    for (const bytes of torn) if (bytes < call.result) modes.push(`torn:${bytes}`);
    if (call.result > 1) modes.push(`short:${Math.floor(call.result / 2)}`);
  }
  if (errors) modes.push("err:ENOSPC", "err:EIO", "err:EROFS", "from:ENOSPC", "from:EROFS");
  return modes;
}
