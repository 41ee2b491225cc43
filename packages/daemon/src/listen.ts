/**
 * Unix sockets, so made that no other account can reach them at any moment, and so replaced that no
 * living daemon loses its own (weaknesses D5).
 *
 * A socket is bound under a temporary name in the same directory, with a umask that leaves it 0600,
 * and renamed into place: it appears at its path complete or not at all. What libuv unlinks when the
 * server closes is the temporary name, which no longer exists; we remove the path ourselves, and only
 * while it is still the inode we made.
 */

import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  renameSync,
  type Stats,
  unlinkSync,
} from "node:fs";
import { connect, isIP, type Server } from "node:net";
import { dirname, join } from "node:path";
import { DaemonError } from "./errors.ts";
import type { Platform } from "./platform/index.ts";

/** Connections the kernel holds for us while we are busy; Linux cuts it at `somaxconn`. */
const BACKLOG = 4096;
const PROBE_TIMEOUT_MS = 1000;

/** A socket that accepts connections. */
export interface BoundSocket {
  readonly path: string;
  /** Remove the path, if it is still ours. Idempotent. Does not close the server. */
  remove(): void;
}

/**
 * Make the directory of the sockets, 0700, or make sure it is safe to use.
 *
 * Never changes a directory that exists.
 *
 * @throws {DaemonError} `DAEMON_DIRECTORY_UNSAFE`: it is a link or a file, belongs to somebody else,
 * or others have any right to it.
 */
export function requireSocketDirectory(directory: string): void {
  try {
    // The mode is cut by the umask, which can only take rights away.
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw unsafe(directory, `cannot be made (${codeOf(cause)})`, { cause });
  }
  const stats = lstatSync(directory);
  if (!stats.isDirectory()) throw unsafe(directory, "is not a directory");
  if (!isOurs(stats)) throw unsafe(directory, `belongs to uid ${stats.uid}`);
  if ((stats.mode & 0o077) !== 0) {
    const mode = (stats.mode & 0o7777).toString(8).padStart(4, "0");
    throw unsafe(directory, `is open to other accounts (mode ${mode})`, {
      hint: `chmod 700 ${directory}`,
    });
  }
}

/**
 * Make sure of a directory that other accounts of one group enter, and only they (G21). It is made by
 * `aivault setup agent-access`, never here: which group it is for is a decision.
 *
 * @returns The group.
 * @throws {DaemonError} `DAEMON_DIRECTORY_UNSAFE`: missing, not ours, writable by its group, open to
 * everybody, or closed to its group.
 */
export function requireSharedDirectory(directory: string): number {
  const stats = lstatSync(directory, { throwIfNoEntry: false });
  const hint = "sudo aivault setup agent-access";
  if (stats === undefined) throw unsafe(directory, "does not exist", { hint });
  if (!stats.isDirectory()) throw unsafe(directory, "is not a directory", { hint });
  if (!isOurs(stats)) throw unsafe(directory, `belongs to uid ${stats.uid}`, { hint });
  if ((stats.mode & 0o027) !== 0 || (stats.mode & 0o050) !== 0o050) {
    const mode = (stats.mode & 0o7777).toString(8).padStart(4, "0");
    throw unsafe(directory, `must have mode 2750 and has ${mode}`, { hint });
  }
  return stats.gid;
}

/**
 * Listen at `path`, replacing a dead socket of ours.
 *
 * Call it only while holding the vault's lock: that, and a refused connection, is what makes a socket
 * dead.
 *
 * @param group - Whose members may connect as well. Default: the owner alone.
 * @throws {DaemonError} `DAEMON_SOCKET_PATH_TOO_LONG`, `DAEMON_SOCKET_IN_USE`.
 */
export async function listenAt(
  server: Server,
  path: string,
  platform: Platform,
  group: number | null = null,
): Promise<BoundSocket> {
  const temporary = join(dirname(path), `.${process.pid}.${sequence++}`);
  requireLength(path, platform);
  requireLength(temporary, platform);
  await requireReplaceable(path);
  await bind(server, temporary);
  const { ino, dev } = lstatSync(temporary);
  try {
    if (group !== null) {
      chownSync(temporary, -1, group);
      chmodSync(temporary, 0o660);
    }
    renameSync(temporary, path);
  } catch (cause) {
    unlinkSync(temporary);
    throw inUse(path, `cannot be made (${codeOf(cause)})`, { cause });
  }
  return {
    path,
    remove() {
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (stats?.ino === ino && stats.dev === dev) unlinkSync(path);
    },
  };
}

let sequence = 0;

/** A loopback address to listen at, as `--listen` names it. */
export interface TcpAddress {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/**
 * Read `127.0.0.1:19790` or `[::1]:19790`.
 *
 * @param allowRemote - A development vault's override: any address of this machine.
 * @throws {DaemonError} `DAEMON_OPTION_INVALID`: malformed, a name, or not loopback.
 */
export function parseTcpAddress(
  text: string,
  allowRemote: boolean,
  flag: "--listen" | "--listen-tls" = "--listen",
): TcpAddress {
  const [, v6, v4, digits = ""] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = v6 ?? v4 ?? "";
  const port = Number(digits);
  if (isIP(host) === 0 || port > 65_535) {
    throw invalidAddress(flag, text, "is not `address:port`");
  }
  const isLoopback = host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
  if (!isLoopback && !allowRemote) {
    throw invalidAddress(
      flag,
      text,
      "is not a loopback address: this is for programs on this machine",
    );
  }
  return { host, port };
}

function invalidAddress(flag: string, text: string, problem: string): DaemonError {
  return new DaemonError("DAEMON_OPTION_INVALID", `${flag}: ${text.slice(0, 64)} ${problem}`, {
    hint: `aivaultd ${flag} 127.0.0.1:${flag === "--listen" ? 19790 : 19792}`,
  });
}

/**
 * Listen on TCP.
 *
 * @returns The address, with the port that was chosen.
 * @throws {DaemonError} `DAEMON_SOCKET_IN_USE`.
 */
export function listenOnTcp(server: Server, address: TcpAddress): Promise<TcpAddress> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error) =>
      reject(inUse(authorityOf(address), `cannot be made (${codeOf(cause)})`, { cause }));
    server.once("error", failed);
    server.listen({ ...address, backlog: BACKLOG, exclusive: true }, () => {
      server.off("error", failed);
      const bound = server.address();
      const port = bound === null || typeof bound === "string" ? address.port : bound.port;
      resolve({ host: address.host, port });
    });
  });
}

/** `127.0.0.1:19790`, `[::1]:19790`: an address as the authority of a URL. */
export function authorityOf({ host, port }: TcpAddress): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error) =>
      reject(inUse(path, `cannot be made (${codeOf(cause)})`, { cause }));
    server.once("error", failed);
    server.once("listening", () => {
      server.off("error", failed);
      resolve();
    });
    // libuv binds inside listen(), synchronously: the socket never exists with a wider mode.
    const umask = process.umask(0o177);
    try {
      server.listen({ path, backlog: BACKLOG });
    } finally {
      process.umask(umask);
    }
  });
}

async function requireReplaceable(path: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isSocket()) throw inUse(path, "is not a socket, and is left alone");
  if (!isOurs(stats)) throw inUse(path, `belongs to uid ${stats.uid}`);
  if (await isAlive(path)) {
    throw inUse(path, "is answered by another process", {
      hint: "stop that daemon, or choose another path with --socket",
    });
  }
}

/** False only when the kernel says that nobody listens; a socket too busy to answer is alive. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    const settle = (alive: boolean) => {
      probe.destroy();
      resolve(alive);
    };
    probe.setTimeout(PROBE_TIMEOUT_MS, () => settle(true));
    probe.once("connect", () => settle(true));
    probe.once("error", (error: NodeJS.ErrnoException) => {
      settle(error.code !== "ECONNREFUSED" && error.code !== "ENOENT");
    });
  });
}

function requireLength(path: string, platform: Platform): void {
  const bytes = Buffer.byteLength(path);
  if (bytes > platform.socketPathBytesMax) {
    throw new DaemonError(
      "DAEMON_SOCKET_PATH_TOO_LONG",
      `the socket path has ${bytes} bytes and the system takes ${platform.socketPathBytesMax}: ${path}`,
      { hint: "choose a shorter one with --socket or AIVAULTD_SOCKET" },
    );
  }
}

function isOurs(stats: Stats): boolean {
  return process.getuid === undefined || stats.uid === process.getuid();
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}

type Detail = { readonly hint?: string; readonly cause?: unknown };

function unsafe(directory: string, problem: string, detail: Detail = {}): DaemonError {
  return new DaemonError(
    "DAEMON_DIRECTORY_UNSAFE",
    `the directory ${directory} ${problem}`,
    detail,
  );
}

function inUse(path: string, problem: string, detail: Detail = {}): DaemonError {
  return new DaemonError("DAEMON_SOCKET_IN_USE", `the socket ${path} ${problem}`, detail);
}
