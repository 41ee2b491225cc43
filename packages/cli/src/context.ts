/**
 * What a command runs with: its arguments, the terminal, and the way to the daemon.
 */
import type { ParsedArgs } from "./args.ts";
import type { Command } from "./command.ts";
import type { Environment, Output } from "./output.ts";
import type { Session } from "./session.ts";

export interface Context {
  readonly command: Command;
  readonly args: ParsedArgs;
  readonly out: Output;
  readonly env: Environment;
  readonly session: Session;
  /** Aborted by ^C and SIGTERM. */
  readonly signal: AbortSignal;
}
