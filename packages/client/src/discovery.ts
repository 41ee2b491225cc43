/**
 * Where the daemon listens: the environment in, candidate socket paths out. No I/O.
 */
import { join, resolve } from "node:path";

/** The environment, as `process.env` has it. Read once, by whoever creates a client. */
export type Environment = Readonly<Record<string, string | undefined>>;

const SHARED_SOCKETS: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  darwin: "/Users/Shared/aivault/run/aivaultd.sock",
  linux: "/var/run/aivault/aivaultd.sock",
};

export interface DiscoveryOptions {
  /** Wins over everything else. */
  readonly socket?: string | undefined;
  readonly env: Environment;
  /** The home directory, for when neither variable is set. */
  readonly home: string;
  readonly platform: NodeJS.Platform;
}

/**
 * The sockets to try, in order. The next one is tried only when a connection to the one before it
 * could not be made at all, so that no request is ever sent twice.
 *
 * Option, else `AIVAULTD_SOCKET`, else the vault's own; the machine's shared socket comes last, and
 * not at all when `AIVAULT_DIR` names a vault (unless `AIVAULTD_SHARED_SOCKET` asks for it).
 */
export function callerSockets(options: DiscoveryOptions): readonly [string, ...string[]] {
  const { env } = options;
  const { AIVAULTD_SOCKET, AIVAULTD_SHARED_SOCKET, AIVAULT_DIR } = env;
  const explicit = options.socket ?? pathOf(AIVAULTD_SOCKET);
  if (explicit !== undefined) return [explicit];
  const own = join(runDirectory(options), "aivaultd.sock");
  const shared = pathOf(AIVAULTD_SHARED_SOCKET);
  if (shared !== undefined) return [own, shared];
  const usual = SHARED_SOCKETS[options.platform];
  if (pathOf(AIVAULT_DIR) !== undefined || usual === undefined) return [own];
  return [own, usual];
}

/**
 * The operator socket: option, else beside `AIVAULTD_SOCKET`, else the vault's own. There is no
 * shared one (G21).
 */
export function operatorSocket(options: DiscoveryOptions): string {
  if (options.socket !== undefined) return options.socket;
  const { AIVAULTD_SOCKET } = options.env;
  const caller = pathOf(AIVAULTD_SOCKET);
  if (caller !== undefined) return operatorSocketBeside(caller);
  return join(runDirectory(options), "aivaultd.operator.sock");
}

/** The operator socket that belongs to the caller socket at `caller`: `x.sock` to `x.operator.sock`. */
export function operatorSocketBeside(caller: string): string {
  const stem = caller.endsWith(".sock") ? caller.slice(0, -".sock".length) : caller;
  return `${stem}.operator.sock`;
}

function runDirectory({ env, home }: DiscoveryOptions): string {
  const { AIVAULT_DIR } = env;
  const root = pathOf(AIVAULT_DIR);
  return root === undefined ? join(home, ".aivault", "run") : join(root, "run");
}

function pathOf(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === "" ? undefined : resolve(value);
}
