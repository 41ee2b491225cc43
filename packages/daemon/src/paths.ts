/** Where a vault, its key and its sockets live. Pure: reads the environment it is given, no files. */

import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { DaemonError } from "./errors.ts";

/** Absolute paths of one vault and of the daemon that serves it. */
export interface VaultPaths {
  /** The vault directory: `$AIVAULT_DIR` or `~/.aivault/data/vault`. */
  readonly root: string;
  /** The root was not moved by `AIVAULT_DIR`. */
  readonly isDefault: boolean;
  /** `<root>/vault.json`; exists exactly when there is a vault. */
  readonly configFile: string;
  /** Where the file key provider keeps the KEK unless told otherwise. */
  readonly keyFile: string;
  /** The directory of the sockets when no path is given. */
  readonly runDir: string;
  /** The caller socket. */
  readonly socket: string;
  /** The operator socket, always in the directory of the caller socket. */
  readonly operatorSocket: string;
  /** The certificate of the TLS listener, beside the directory of the sockets. */
  readonly tlsDir: string;
  /** Where a daemon shared with other accounts listens. */
  readonly sharedSocket: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Find the vault and its sockets.
 *
 * @param env - `AIVAULT_DIR` moves the vault, its key and its sockets together; `AIVAULTD_SOCKET`
 * moves the sockets; `AIVAULTD_SHARED_SOCKET` the shared one; `HOME` is the home directory. A blank
 * value counts as unset; a relative path is taken from the working directory.
 * @param platform - As `process.platform` names it.
 */
export function resolvePaths(env: Environment, platform: string): VaultPaths {
  const home = pathOf(env, "HOME") ?? homedir();
  const base = join(home, ".aivault");
  const override = pathOf(env, "AIVAULT_DIR");
  const root = override ?? join(base, "data", "vault");
  const runDir = join(override ?? base, "run");
  const socket = pathOf(env, "AIVAULTD_SOCKET") ?? join(runDir, "aivaultd.sock");
  return {
    root,
    isDefault: override === null,
    configFile: join(root, "vault.json"),
    keyFile: override === null ? join(base, "keys", "kek.key") : join(root, "kek.key"),
    runDir,
    socket,
    operatorSocket: operatorSocketOf(socket),
    tlsDir: join(override ?? base, "tls"),
    sharedSocket: pathOf(env, "AIVAULTD_SHARED_SOCKET") ?? defaultSharedSocket(platform),
  };
}

/** The operator socket that belongs to a caller socket: `x.sock` becomes `x.operator.sock`. */
export function operatorSocketOf(socket: string): string {
  const stem = socket.endsWith(".sock") ? socket.slice(0, -".sock".length) : socket;
  return `${stem}.operator.sock`;
}

/** These paths with another caller socket, and the operator socket that goes with it. */
export function withSocket(paths: VaultPaths, socket: string): VaultPaths {
  const absolute = resolve(socket);
  return {
    ...paths,
    runDir: dirname(absolute),
    socket: absolute,
    operatorSocket: operatorSocketOf(absolute),
  };
}

function defaultSharedSocket(platform: string): string {
  return platform === "darwin"
    ? "/Users/Shared/aivault/run/aivaultd.sock"
    : "/var/run/aivault/aivaultd.sock";
}

function pathOf(env: Environment, name: string): string | null {
  const value = env[name];
  if (value === undefined || value.trim() === "") return null;
  if (value.includes("\0")) {
    throw new DaemonError("DAEMON_OPTION_INVALID", `${name} contains a NUL byte`);
  }
  return resolve(value);
}
