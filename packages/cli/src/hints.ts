/**
 * What to do next, for failures that do not say so themselves: the command that would change it, for an
 * operator, or what to ask one for. Nobody is left with an error alone.
 */

// `ID` gives way to the capability that was called.
const BY_REASON: Readonly<Record<string, string>> = {
  method_not_allowed:
    "`aivault capability describe ID` says what is allowed; an operator allows more with `aivault capability create`",
  path_not_allowed:
    "`aivault capability describe ID` says what is allowed; an operator allows more with `aivault capability create`",
  path_traversal: "send the path as it is meant, without `.`, `..` and encoded slashes",
  auth_header_rejected: "send the request without it: the credential is added by the daemon",
  auth_query_rejected: "send the request without it: the credential is added by the daemon",
  duplicate_header: "give the header once",
  body_mode_conflict: "give one body: --body, --body-file-path or --multipart-…",
  capability_not_granted:
    "ask the operator for a token that may: `aivault token mint --capability ID`",
  redirect_blocked:
    "an operator lets it be followed with `aivault capability policy set ID --follow-redirects`",
  secret_pinned: "a secret goes to its own provider alone; store the value anew under another name",
  file_path_not_accepted:
    "--multipart-file and --body-file-path upload a file with your own rights",
  replayed: "sign the request anew, with a nonce of its own",
  signature_invalid: "sign the request as docs/protocol.md says, with the key of the token",
};

const BY_CODE: Readonly<Record<string, string>> = {
  CLI_OUTPUT: "choose another place, or make room there",
  CLI_NOT_JSON: "`aivault invoke` prints any body",
  CLI_DAEMON_FAILED: "`aivault doctor` checks what usually goes wrong",
  CLI_SETUP_FAILED: "--dry-run shows the commands, to be run by hand",

  token_invalid:
    "ask the operator for a token (`aivault token mint`), and present it with --token-file PATH or in AIVAULT_TOKEN",
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

/** Whether our hint is better than the daemon's, which does not know that a command line asked. */
export function isOurs({ code, reason }: Pick<FailureFacts, "code" | "reason">): boolean {
  return code === "token_invalid" && reason === null;
}

/** Nothing to do: it was meant. */
const NONE = new Set(["CLI_CANCELLED", "CLIENT_ABORTED"]);

/** What a failure is about, as far as it is known. */
export interface FailureFacts {
  readonly code: string;
  readonly reason: string | null;
  /** The words of the command. */
  readonly command: string | null;
  /** The capability that it called. */
  readonly capability: string | null;
}

/** A hint for an error that has none; null for what needs none, since it was meant. */
export function hintFor({ code, reason, command, capability }: FailureFacts): string | null {
  if (NONE.has(code)) return null;
  const known = BY_REASON[reason ?? ""] ?? BY_CODE[code];
  if (known !== undefined) return known.replace(/\bID\b/, capability ?? "ID");
  return `see \`aivault ${command === null ? "" : `${command} `}--help\``;
}
