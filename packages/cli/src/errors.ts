/**
 * Failures of the command line itself. What the daemon refuses arrives as `AivaultError`.
 */

/**
 * - `CLI_USAGE`: the command line, or a value on it, cannot be what was meant.
 * - `CLI_INPUT`: a file or stream of input cannot be used.
 * - `CLI_CANCELLED`: the person said no, or pressed ^C.
 * - `CLI_VAULT_MISSING`, `CLI_VAULT_EXISTS`: there is no vault, or there is one already.
 * - `CLI_DAEMON_FAILED`: `aivaultd` was started and died.
 * - `CLI_NOT_JSON`: the provider's answer is not what the command promises to print.
 * - `CLI_NOT_AVAILABLE`: the daemon does not offer this.
 * - `CLI_CONFIRMATION_NEEDED`: it destroys something, and nobody could be asked whether that is meant.
 * - `CLI_SETUP_FAILED`: the system refused a step of a setup command.
 * - `CLI_OUTPUT`: a file of output cannot be written.
 */
export type CliErrorCode =
  | "CLI_USAGE"
  | "CLI_INPUT"
  | "CLI_CANCELLED"
  | "CLI_VAULT_MISSING"
  | "CLI_VAULT_EXISTS"
  | "CLI_DAEMON_FAILED"
  | "CLI_NOT_JSON"
  | "CLI_NOT_AVAILABLE"
  | "CLI_CONFIRMATION_NEEDED"
  | "CLI_SETUP_FAILED"
  | "CLI_OUTPUT";

/** A condition that ends a command with a message, a hint, and the status of its code. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: CliErrorCode;
  readonly hint: string | null;

  constructor(code: CliErrorCode, message: string, hint: string | null = null, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
  }
}

/** A mistake on the command line. */
export function usageError(message: string, hint: string | null = null): CliError {
  return new CliError("CLI_USAGE", message, hint);
}
