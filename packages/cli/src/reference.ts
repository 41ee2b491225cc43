/**
 * docs/cli.md, made from the declarations. A test keeps the file equal to this.
 */
import { type Example, flagsOf } from "./command.ts";
import { COMMAND_GROUPS } from "./commands/index.ts";
import { flagSummary, flagText, usageOf } from "./help.ts";

/** The whole document. */
export function cliReference(): string {
  return [
    HEAD,
    ...COMMAND_GROUPS.flatMap(({ title, commands }) => [
      `## ${title}`,
      ...commands.flatMap((command) => commandLines(command)),
    ]),
    TAIL,
  ].join("\n\n");
}

function commandLines(
  command: (typeof COMMAND_GROUPS)[number]["commands"][number],
): readonly string[] {
  const { words, summary, details = [], positionals = [], examples = [], aliases = [] } = command;
  const flags = flagsOf(command).filter(({ name }) => name !== "help" && name !== "quiet");
  return [
    `### ${words.join(" ")}`,
    `\`aivault ${usageOf(command)}\``,
    `${sentence(summary)}${aliases.length === 0 ? "" : ` Also ${aliases.map((alias) => `\`${alias.join(" ")}\``).join(", ")}.`}`,
    ...details,
    ...(positionals.length + flags.length === 0
      ? []
      : [
          [
            "| | |",
            "| --- | --- |",
            ...positionals.map(
              ({ name, summary: what }) => `| \`${name.toUpperCase()}\` | ${cell(what)} |`,
            ),
            ...flags.map((flag) => `| \`${flagText(flag)}\` | ${cell(flagSummary(flag))} |`),
          ].join("\n"),
        ]),
    ...examples.map(exampleBlock),
  ];
}

// e2e/docs.e2e.ts runs every block as the comment above it says.
function exampleBlock({ title, line, before = [], run }: Example): string {
  const annotation = run === undefined ? "<!-- run -->" : `<!-- run: ${run} -->`;
  return [annotation, "```sh", `# ${title}`, ...before, line, "```"].join("\n");
}

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("{{", "`{{").replaceAll("}}", "}}`");
}

/** What each exit status means. */
export const EXIT_STATUS: readonly (readonly [status: number, means: string])[] = [
  [0, "done; also when the provider answered with an error, unless `--fail` is given"],
  [1, "failed"],
  [2, "the command line, or the request on it, cannot be what was meant"],
  [3, "denied by policy"],
  [4, "the vault is locked"],
  [5, "the daemon cannot be reached, and nothing was sent"],
  [130, "cancelled"],
];

/** Variables that every command heeds. */
export const ENVIRONMENT: readonly (readonly [name: string, effect: string])[] = [
  ["AIVAULT_DIR", "the vault's directory; its sockets are then in `run` below it"],
  ["AIVAULTD_SOCKET", "the daemon's caller socket; the operator socket is beside it"],
  ["AIVAULTD_SHARED_SOCKET", "the caller socket to try when one's own does not answer"],
  ["AIVAULTD_AUTOSTART=0", "never start a daemon"],
  ["AIVAULTD_AUTOSTART_ONCE=1", "a daemon that is started ends after one call"],
  ["AIVAULTD_DISABLE=1", "run without a daemon, in the command's own process"],
  ["NO_COLOR, FORCE_COLOR", "no colours; colours also in a pipe"],
];

const HEAD = `# Command line

<!-- Made from packages/cli/src/commands by packages/cli/test/reference.test.ts; run that with \`-u\`. -->

\`aivault <noun> <verb>\`. What was asked for goes to stdout; everything else to stderr, prefixed
\`aivault:\`. Errors are \`aivault: error: …\` with a stable code in brackets and, when there is something
to do, \`aivault: hint: …\`. No command prints a secret value.

Every command takes \`--help\` and \`--quiet\` (\`-q\`: no notes and warnings). Lists and \`status\` are for
people unless \`--json\` or \`-v\` is given, and so are \`doctor\` and \`setup\`; all other commands answer in
JSON when stdout is not a terminal. JSON gains members and loses none. \`NO_COLOR\` is honoured.

## Exit status

| status | means |
| --- | --- |
${EXIT_STATUS.map(([status, means]) => `| ${status} | ${means} |`).join("\n")}`;

const TAIL = `## Environment

| variable | effect |
| --- | --- |
${ENVIRONMENT.map(([name, effect]) => `| ${name.replace(/[^, ]+/g, "`$&`").replaceAll("`,`", "`,")} | ${effect} |`).join("\n")}

A daemon that is started gets \`HOME\`, \`PATH\`, the locale, and variables that begin with \`AIVAULT\`; no
proxy, CA or Node option of whoever starts it. It writes to \`aivaultd.log\` beside its socket.
`;
