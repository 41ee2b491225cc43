/** `aivaultd` as a function: open the vault, build the broker, listen on two sockets. */

import type { Writable } from "node:stream";
import type { VaultPaths } from "./paths.ts";

/** What a daemon is started with. Nothing else is read from the process. */
export interface DaemonOptions {
  readonly paths: VaultPaths;
  /** Caller socket instead of `paths.socket`; the operator socket follows it unless given. */
  readonly socket?: string;
  readonly operatorSocket?: string;
  /** Serve one connection to the caller socket that asks for more than health, then close. */
  readonly once?: boolean;
  /** Read once: development overrides and the environment key provider. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where diagnostics go; default stderr; false for none. */
  readonly log?: Writable | false;
  /** Reported in `health` and `status`. */
  readonly version: string;
}

/** A running daemon. Disposing of it is {@link Daemon.close}. */
export interface Daemon extends AsyncDisposable {
  /** Absolute path of the caller socket. */
  readonly socket: string;
  /** Absolute path of the operator socket. */
  readonly operatorSocket: string;
  /** Resolves when the daemon has closed, for whatever reason. */
  readonly closed: Promise<void>;
  /** Stop accepting, finish or cut running requests at 10 s, flush the audit log, remove the sockets. */
  close(): Promise<void>;
}

export function startDaemon(_options: DaemonOptions): Promise<Daemon> {
  return Promise.reject(new Error("not yet"));
}
