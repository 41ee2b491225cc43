/**
 * The same reading as {@link ./args.ts} by yargs, for all commands that are not run often enough for
 * its 70 ms to matter.
 */
import { checkArgs, PARSER_CONFIGURATION, type ParsedArgs, parserError } from "./args.ts";
import { type Command, flagsOf } from "./command.ts";

/**
 * Read the arguments after a command's words.
 *
 * @throws {CliError} `CLI_USAGE`
 */
export async function parseArgsWithYargs(
  command: Command,
  argv: readonly string[],
): Promise<ParsedArgs> {
  const { default: yargs } = await import("yargs");
  const parser = yargs([...argv])
    .parserConfiguration(PARSER_CONFIGURATION)
    .help(false)
    .version(false)
    .exitProcess(false)
    .string("_")
    .fail((message, error) => {
      throw parserError(error?.message ?? message, command);
    });
  for (const { name, short, kind, summary } of flagsOf(command)) {
    parser.option(name, {
      type: kind === "switch" ? "boolean" : "string",
      describe: summary,
      ...(short === undefined ? {} : { alias: short }),
      ...(kind === "switch" ? {} : { nargs: 1 }),
    });
  }
  const { _: words, $0: _, ...flags } = await parser.parseAsync();
  return checkArgs(command, { words: words.map(String), flags });
}
