/** Why `aivaultd` did not start, or a vault was not made. One class, a closed set of codes. */

export type DaemonErrorCode =
  /** Another daemon serves this vault. */
  | "DAEMON_ALREADY_RUNNING"
  /** Something else answers at the socket path, or the path is not a socket of ours. */
  | "DAEMON_SOCKET_IN_USE"
  /** The path does not fit the system's `sockaddr_un`. */
  | "DAEMON_SOCKET_PATH_TOO_LONG"
  /** A directory is not ours, is a link, or others may write to or enter it. */
  | "DAEMON_DIRECTORY_UNSAFE"
  /** A variable is set that may not influence this process (G24). */
  | "DAEMON_ENVIRONMENT_REFUSED"
  /** A flag or option is unknown, repeated or malformed. */
  | "DAEMON_OPTION_INVALID"
  /** There is no vault at the root. */
  | "DAEMON_VAULT_MISSING"
  /** There is a vault, or a key, where one was to be made. */
  | "DAEMON_VAULT_EXISTS";

/**
 * The error this package throws for conditions an operator can meet while starting or initialising.
 *
 * `message` and `hint` may be shown to the operator: they carry paths, names of variables and pids,
 * never a value. Errors of the vault (`VAULT_…`) pass through unchanged.
 */
export class DaemonError extends Error {
  override readonly name = "DaemonError";
  readonly code: DaemonErrorCode;
  /** What to do next; null when the message says it. */
  readonly hint: string | null;

  constructor(
    code: DaemonErrorCode,
    message: string,
    options?: { hint?: string | undefined; cause?: unknown },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options?.hint ?? null;
  }
}

/** Like `instanceof`, but also true for an error from a second loaded copy of this package. */
export function isDaemonError(value: unknown): value is DaemonError {
  return value instanceof Error && value.name === "DaemonError" && "code" in value;
}
