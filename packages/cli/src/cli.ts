/**
 * From words to an exit status: find the command, read its arguments, run it, and say what failed.
 */
import { isAivaultError } from "@aivault/client";
import { isOn, nearest, type ParsedArgs, parseArgs, text } from "./args.ts";
import type { Command } from "./command.ts";
import { COMMANDS, findCommand } from "./commands/index.ts";
import { CliError, usageError } from "./errors.ts";
import { EXIT, exitStatusOf } from "./exit-status.ts";
import type { Environment, Output } from "./output.ts";
import { Session } from "./session.ts";

/** What a run needs from its process. */
export interface Terminal {
  readonly argv: readonly string[];
  readonly env: Environment;
  readonly out: Output;
  readonly version: string;
  /** Aborted by ^C and SIGTERM. */
  readonly signal: AbortSignal;
}

/** Run one command line. Never throws. @returns The exit status. */
export async function run(terminal: Terminal): Promise<number> {
  const { out, env, version } = terminal;
  const session = new Session(env, out, version);
  try {
    return await dispatch(terminal, session);
  } catch (error) {
    return await report(terminal, error);
  } finally {
    await session.close().catch((error: unknown) => report(terminal, error));
  }
}

async function dispatch(terminal: Terminal, session: Session): Promise<number> {
  const { out, env, signal, version } = terminal;
  const argv = globalFlagsLast(terminal.argv);
  const [first] = argv;
  if (first === "--version" || first === "-V") {
    out.answer(version);
    return EXIT.done;
  }
  if (first === undefined || first === "--help" || first === "-h" || first === "help") {
    return await help(
      terminal,
      argv.slice(1).filter((word) => !word.startsWith("-")),
    );
  }
  // What the scripts of `aivault completion` call; its words are not ours to read as flags.
  if (first === "__complete") {
    const { answerCompletion } = await import("./run/answer-completion.ts");
    return await answerCompletion(argv.slice(1), out, env);
  }
  const found = findCommand(argv);
  if (found.kind === "noun") return await nounAlone(terminal, found.noun, found.word);
  if (found.kind === "unknown") throw unknownCommand(found.word);

  const { command, words } = found;
  const args = await parse(command, argv.slice(words));
  if (isOn(args, "quiet")) out.beQuiet();
  if (isOn(args, "help")) return await help(terminal, command.words);
  const tokenFile = text(args, "token-file");
  if (tokenFile !== undefined) {
    refuseStdinTwice(args);
    const { tokenFromFile } = await import("./caller-token.ts");
    session.useToken(await tokenFromFile(tokenFile));
  }
  const act = await command.load();
  return (await act({ command, args, out, env, session, signal })) ?? EXIT.done;
}

function refuseStdinTwice(args: ParsedArgs): void {
  const readers = ["token-file", "body-file-path", "request-file"];
  const stdin = readers.filter((name) => text(args, name) === "-");
  if (stdin.length < 2) return;
  const flags = stdin.map((name) => `--${name}`).join(" and ");
  throw usageError(`${flags} cannot both read stdin`, "put one of them in a file");
}

async function parse(command: Command, argv: readonly string[]) {
  if (command.frequent === true) return parseArgs(command, argv);
  const { parseArgsWithYargs } = await import("./args-yargs.ts");
  return await parseArgsWithYargs(command, argv);
}

// `aivault --quiet status` means `aivault status --quiet`.
function globalFlagsLast(argv: readonly string[]): readonly string[] {
  const leading = argv.findIndex((word) => !["-q", "--quiet", "-h", "--help"].includes(word));
  return leading <= 0 ? argv : [...argv.slice(leading), ...argv.slice(0, leading)];
}

async function help({ out }: Terminal, words: readonly string[]): Promise<number> {
  const { commandHelp, nounHelp, overviewHelp } = await import("./help.ts");
  const width = Math.min(100, out.columns === Number.POSITIVE_INFINITY ? 100 : out.columns);
  const found = words.length === 0 ? null : findCommand(words);
  if (found?.kind === "unknown") throw unknownCommand(found.word);
  const lines =
    found === null
      ? overviewHelp(out.colors, width)
      : found.kind === "noun"
        ? nounHelp(found.noun, out.colors, width)
        : commandHelp(found.command, out.colors, width);
  for (const line of lines) out.answer(line);
  return EXIT.done;
}

async function nounAlone(
  terminal: Terminal,
  words: readonly string[],
  word: string | undefined,
): Promise<number> {
  if (word === "--help" || word === "-h") return await help(terminal, words);
  const below = COMMANDS.filter((command) => words.every((one, i) => command.words[i] === one));
  const verbs = [...new Set(below.flatMap((command) => command.words[words.length] ?? []))];
  const noun = words.join(" ");
  if (word === undefined || word.startsWith("-")) {
    throw usageError(
      `\`aivault ${noun}\` needs a verb: ${verbs.join(", ")}`,
      `see \`aivault ${noun} --help\``,
    );
  }
  const near = nearest(word, verbs);
  throw usageError(
    `\`aivault ${noun}\` has no verb \`${word}\``,
    near === null
      ? `its verbs are ${verbs.join(", ")}`
      : `did you mean \`aivault ${noun} ${near}\`?`,
  );
}

function unknownCommand(word: string): CliError {
  const near = nearest(word, [...new Set(COMMANDS.map(({ words }) => words[0]))]);
  return usageError(
    `there is no command \`${word}\``,
    near === null ? "`aivault --help` lists the commands" : `did you mean \`aivault ${near}\`?`,
  );
}

/** Say what failed and what to do next, and choose the status. A stack trace is nobody's answer. */
async function report({ out, argv }: Terminal, error: unknown): Promise<number> {
  if (isAivaultError(error) || error instanceof CliError || hasCode(error)) {
    const own = "hint" in error && typeof error.hint === "string" ? error.hint : null;
    const reason = "reason" in error && typeof error.reason === "string" ? error.reason : null;
    const { code } = error;
    const { hintFor, isOurs } = await import("./hints.ts");
    out.error(
      `${error.message} [${code}${reason === null ? "" : `: ${reason}`}]`,
      (isOurs({ code, reason }) ? null : own) ?? hintFor({ code, reason, ...calledBy(argv) }),
    );
    return exitStatusOf(error.code);
  }
  out.error(
    `unexpected failure: ${error instanceof Error ? error.message : "unknown"}`,
    "`aivault doctor` checks what usually goes wrong; please report this",
  );
  return EXIT.failed;
}

function calledBy(argv: readonly string[]): { command: string | null; capability: string | null } {
  const given = globalFlagsLast(argv);
  const found = findCommand(given);
  if (found.kind !== "command") return { command: null, capability: null };
  const { command, words } = found;
  // The word after an invocation's own is its capability, unless flags come first.
  const next = given[words];
  const isCall = command.positionals?.[0]?.completes === "capability";
  const capability = isCall && next !== undefined && !next.startsWith("-") ? next : null;
  return { command: command.words.join(" "), capability };
}

// Errors of the daemon's own package, when it runs in this process.
function hasCode(error: unknown): error is Error & { code: string } {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}
