/**
 * Help as text, made from the declarations.
 */
import { type Command, type Flag, flagsOf } from "./command.ts";
import { COMMAND_GROUPS, COMMANDS } from "./commands/index.ts";
import type { Colors } from "./output.ts";
import { wrap } from "./wrap.ts";

/** `aivault --help`. */
export function overviewHelp(colors: Colors, width: number): readonly string[] {
  const column = Math.max(...COMMANDS.map((command) => usageOf(command).length)) + 4;
  return [
    `${colors.bold("aivault")}: store secrets, and let code use them without holding them`,
    "",
    ...COMMAND_GROUPS.flatMap(({ title, commands }) => [
      colors.bold(title),
      ...commands.flatMap((command) => row(usageOf(command), command.summary, column, width)),
      "",
    ]),
    "`aivault COMMAND --help` explains one; `aivault --version` prints the version.",
  ];
}

/** `aivault secrets --help`: the verbs of one noun. */
export function nounHelp(
  words: readonly string[],
  colors: Colors,
  width: number,
): readonly string[] {
  const commands = COMMANDS.filter((command) =>
    words.every((word, index) => command.words[index] === word),
  );
  const noun = words.join(" ");
  const column = Math.max(...commands.map((command) => usageOf(command).length)) + 4;
  return [
    colors.bold(`aivault ${noun}`),
    ...commands.flatMap((command) => row(usageOf(command), command.summary, column, width)),
    "",
    `\`aivault ${noun} VERB --help\` explains one.`,
  ];
}

/** `aivault secrets create --help`. */
export function commandHelp(command: Command, colors: Colors, width: number): readonly string[] {
  const { summary, details = [], positionals = [], examples = [], aliases = [] } = command;
  const flags = flagsOf(command);
  const column = Math.min(32, Math.max(...flags.map((flag) => flagText(flag).length), 8) + 4);
  return [
    `${colors.bold("aivault")} ${usageOf(command)} [flags]`,
    "",
    ...wrap(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`, width),
    ...details.flatMap((paragraph) => ["", ...wrap(paragraph, width)]),
    "",
    ...(positionals.length > 0
      ? [
          colors.bold("Arguments"),
          ...positionals.flatMap((p) => row(p.name.toUpperCase(), p.summary, column, width)),
          "",
        ]
      : []),
    colors.bold("Flags"),
    ...flags.flatMap((flag) => row(flagText(flag), flagSummary(flag), column, width)),
    ...(aliases.length > 0
      ? ["", `${colors.bold("Also")} ${aliases.map((words) => words.join(" ")).join(", ")}`]
      : []),
    ...(examples.length > 0 ? ["", colors.bold("Examples")] : []),
    ...examples.flatMap(({ title, line }) => [`  # ${title}`, `  ${line}`]),
  ];
}

/** The words of a command with its arguments: `secrets rotate [SECRET]`. */
export function usageOf({ words, positionals = [] }: Command): string {
  const args = positionals.map(({ name, required }) =>
    required ? name.toUpperCase() : `[${name.toUpperCase()}]`,
  );
  return [...words, ...args].join(" ");
}

/** A flag as it is written: `-H, --header HEADER`. */
export function flagText({ name, short, kind, value }: Flag): string {
  const dashed = short === undefined ? `--${name}` : `-${short}, --${name}`;
  return kind === "switch" ? dashed : `${dashed} ${value ?? name.toUpperCase()}`;
}

/** What a flag does, with what the declaration adds to it. */
export function flagSummary(flag: Flag): string {
  const notes = [
    ...(flag.required ? ["required"] : []),
    ...(flag.kind === "list" ? ["may be repeated"] : []),
    ...(flag.choices === undefined ? [] : [`one of ${flag.choices.join(", ")}`]),
  ];
  return notes.length === 0 ? flag.summary : `${flag.summary} (${notes.join("; ")})`;
}

function row(left: string, right: string, column: number, width: number): readonly string[] {
  const indent = "  ";
  const lines = wrap(right, Math.max(24, width - column - indent.length));
  const first = `${indent}${left.padEnd(column)}${lines[0] ?? ""}`;
  const fits = left.length + 2 <= column;
  const rest = (fits ? lines.slice(1) : lines).map((line) => indent + " ".repeat(column) + line);
  return fits ? [first.trimEnd(), ...rest] : [indent + left, ...rest];
}
