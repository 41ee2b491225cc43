/**
 * packages/cli/man/*.1, made from the declarations: one page of all, and one for each first word. A test
 * keeps the files equal to this. The language is man(7), which every roff understands.
 */
import { type Command, type Flag, flagsOf, GLOBAL_FLAGS } from "./command.ts";
import { COMMAND_GROUPS, COMMANDS } from "./commands/index.ts";
import { flagSummary, usageOf } from "./help.ts";
import { ENVIRONMENT, EXIT_STATUS } from "./reference.ts";

/** A manual page. */
export interface ManualPage {
  /** File name: `aivault-secrets.1`. */
  readonly file: string;
  readonly text: string;
}

/** Every page, `aivault.1` first. */
export function manualPages(): readonly ManualPage[] {
  const nouns = [...new Set(COMMANDS.map(({ words }) => words[0]))];
  return [overview(nouns), ...nouns.map(nounPage)];
}

const PURPOSE = "store secrets, and let code use them without holding them";

function overview(nouns: readonly string[]): ManualPage {
  return page("aivault", [
    ".SH NAME",
    `aivault \\- ${escaped(PURPOSE)}`,
    ".SH SYNOPSIS",
    ".B aivault",
    ".I command",
    ".RI [ flags ]",
    ".SH DESCRIPTION",
    ...paragraph(
      "Keeps the keys of APIs in an encrypted vault, and uses them on behalf of programs that never hold them. What was asked for goes to stdout; everything else to stderr, prefixed `aivault:`. No command prints a secret value.",
    ),
    ".SH COMMANDS",
    ...COMMAND_GROUPS.flatMap(({ title, commands }) => [
      `.SS ${escaped(title)}`,
      ...commands.flatMap((command) => tagged(bold(usageOf(command)), command.summary)),
    ]),
    ".SH OPTIONS",
    ...GLOBAL_FLAGS.flatMap((flag) => tagged(flagTag(flag), flagSummary(flag))),
    ...common(),
    ".SH SEE ALSO",
    nouns.map((noun) => `.BR aivault\\-${escaped(noun)} (1)`).join(" ,\n"),
  ]);
}

function nounPage(noun: string): ManualPage {
  const commands = COMMANDS.filter(({ words }) => words[0] === noun);
  const [only, second] = commands;
  const purpose =
    only !== undefined && second === undefined
      ? only.summary
      : commands.map(({ words, summary }) => (words.length === 1 ? summary : words[1])).join(", ");
  return page(`aivault-${noun}`, [
    ".SH NAME",
    `aivault\\-${escaped(noun)} \\- ${escaped(purpose)}`,
    ".SH SYNOPSIS",
    ...commands.flatMap((command, index) => [
      ...(index === 0 ? [] : [".br"]),
      `.B aivault ${escaped(usageOf(command))}`,
      ".RI [ flags ]",
    ]),
    ".SH DESCRIPTION",
    ...commands.flatMap(commandLines),
    ...common(),
    ".SH SEE ALSO",
    ".BR aivault (1)",
  ]);
}

function commandLines(command: Command): readonly string[] {
  const { summary, details = [], positionals = [], aliases = [], examples = [] } = command;
  const flags = flagsOf(command).filter((flag) => !GLOBAL_FLAGS.includes(flag));
  return [
    `.SS aivault ${escaped(command.words.join(" "))}`,
    ...paragraph(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`),
    ...(aliases.length === 0
      ? []
      : paragraph(`Also ${aliases.map((words) => `\`${words.join(" ")}\``).join(", ")}.`)),
    ...details.flatMap((text) => paragraph(text)),
    ...positionals.flatMap(({ name, summary: what }) =>
      tagged(`.I ${escaped(name.toUpperCase())}`, what),
    ),
    ...flags.flatMap((flag) => tagged(flagTag(flag), flagSummary(flag))),
    ...examples.flatMap(({ title, line }) => [
      ".PP",
      `${text(title)}:`,
      ".PP",
      ".RS 4",
      ".nf",
      escaped(line),
      ".fi",
      ".RE",
    ]),
  ];
}

function common(): readonly string[] {
  return [
    ".SH EXIT STATUS",
    ...EXIT_STATUS.flatMap(([status, means]) => tagged(bold(String(status)), means)),
    ".SH ENVIRONMENT",
    ...ENVIRONMENT.flatMap(([name, effect]) => tagged(bold(name), effect)),
  ];
}

function page(name: string, lines: readonly string[]): ManualPage {
  // No date: a page changes when a command does, and at no other time.
  const title = `.TH ${escaped(name.toUpperCase())} 1 "" "aivault" "aivault manual"`;
  const made = '.\\" Made from packages/cli/src/commands by packages/cli/test/manual.test.ts.';
  return { file: `${name}.1`, text: `${[made, title, ...lines].join("\n")}\n` };
}

function paragraph(prose: string): readonly string[] {
  return [".PP", text(prose)];
}

function tagged(tag: string, prose: string): readonly string[] {
  return [".TP", tag, text(prose)];
}

function bold(words: string): string {
  return `.B ${escaped(words)}`;
}

function flagTag({ name, short, kind, value }: Flag): string {
  const dashed = `${short === undefined ? "" : `\\-${short}, `}\\-\\-${escaped(name)}`;
  return kind === "switch"
    ? `.B ${dashed}`
    : `.BI "${dashed} " ${escaped(value ?? name.toUpperCase())}`;
}

/** Prose: what stands in backticks is bold. */
function text(prose: string): string {
  const parts = prose.split("`").map((part, index) => {
    return index % 2 === 0 ? escaped(part) : `\\fB${escaped(part)}\\fR`;
  });
  const line = parts.join("");
  // A line that begins with a dot or a quote would be a request.
  return /^[.']/.test(line) ? `\\&${line}` : line;
}

// What roff would read otherwise, or typeset as something that cannot be pasted into a shell.
const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\e",
  "-": "\\-",
  "'": "\\(aq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
  '"': "\\(dq",
};

function escaped(plain: string): string {
  return plain.replace(/[\\\-'`^~"]/g, (character) => ESCAPES[character] ?? character);
}
