/**
 * What to do next, for failures that do not say so themselves. Nobody is left with an error alone.
 */

const BY_CODE: Readonly<Record<string, string>> = {
  CLI_OUTPUT: "choose another place, or make room there",
  CLI_NOT_JSON: "`aivault invoke` prints any body",
  CLI_DAEMON_FAILED: "`aivault doctor` checks what usually goes wrong",
  CLI_SETUP_FAILED: "--dry-run shows the commands, to be run by hand",

  token_invalid: "ask the operator for a new token: `aivault token mint`",
  operator_auth_required: "`aivault operator login` opens a session",
  policy_violation: "`aivault capability describe ID` says what is allowed, and --dry-run why",
  not_found: "the `list` of the same noun shows what there is",
  capability_not_found: "`aivault capability list` shows what there is",
  credential_not_found: "`aivault credential list` shows what there is",
  credential_ambiguous: "name one with --credential; `aivault credential list` shows them",
  secret_not_found: "`aivault secrets list` shows what there is",
  conflict: "look at what is there first: `aivault status`, or the `list` of the same noun",
  request_too_large:
    "send less, or have the operator raise the limit: `aivault capability policy set`",
  response_too_large:
    "ask for less, or have the operator raise the limit: `aivault capability policy set`",
  rate_limited: "wait, or have the operator raise the limit: `aivault capability policy set`",
  vault_locked: "`aivault unlock` opens it",
  vault_unavailable: "`aivault doctor` checks what usually goes wrong",
  auth_failed:
    "`aivault secrets verify NAME` tries the key, `aivault secrets rotate NAME` replaces it",
  upstream_unreachable: "check the network from the daemon's machine, and try again",
  upstream_timeout: "try again, or give it longer with --timeout-ms",
  upstream_failed: "try again; `aivault audit --limit 5` says how far it came",
  internal:
    "`aivault doctor` checks what usually goes wrong; please report this with the request's id",

  CLIENT_DAEMON_UNREACHABLE: "`aivault doctor` checks what usually goes wrong",
  CLIENT_FILE_UNREADABLE: "check the path, and who may read it; nothing was sent",
  CLIENT_RESPONSE_BROKEN:
    "what was printed is not whole; `aivault audit --limit 5` says how far it came",
  CLIENT_TIMEOUT: "try again, or give it longer with --timeout-ms",
  CLIENT_PROTOCOL_MISMATCH: "`aivault restart` starts the daemon of this version",
};

/** Nothing to do: it was meant. */
const NONE = new Set(["CLI_CANCELLED", "CLIENT_ABORTED"]);

/**
 * A hint for an error that has none.
 *
 * @param command - Its words, when they are known; for mistakes on the command line.
 */
export function hintFor(code: string, command: string | null): string | null {
  if (NONE.has(code)) return null;
  return BY_CODE[code] ?? `see \`aivault ${command === null ? "" : `${command} `}--help\``;
}
