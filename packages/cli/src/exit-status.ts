/**
 * Error code to exit status: one table. docs/cli.md has it for people.
 */

export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  denied: 3,
  locked: 4,
  unreachable: 5,
  /** 128 + SIGINT, as shells report it. */
  interrupted: 130,
} as const;

const BY_CODE: Readonly<Record<string, number>> = {
  CLI_USAGE: EXIT.usage,
  CLI_CONFIRMATION_NEEDED: EXIT.usage,
  invalid_request: EXIT.usage,

  policy_violation: EXIT.denied,
  token_invalid: EXIT.denied,
  operator_auth_required: EXIT.denied,
  rate_limited: EXIT.denied,

  vault_locked: EXIT.locked,
  VAULT_LOCKED: EXIT.locked,

  CLIENT_DAEMON_UNREACHABLE: EXIT.unreachable,
  CLI_DAEMON_FAILED: EXIT.unreachable,

  CLIENT_ABORTED: EXIT.interrupted,
  CLI_CANCELLED: EXIT.interrupted,
};

/** The status of a failure with this code; 1 for all that the table does not name. */
export function exitStatusOf(code: string): number {
  return BY_CODE[code] ?? EXIT.failed;
}
