/**
 * Words to a command and its arguments, by yargs-parser. This is the frequent path: it loads
 * nothing else. {@link ./args-yargs.ts} reads the same declarations with yargs.
 */
import yargsParser from "yargs-parser";
import { type Command, type Flag, flagsOf } from "./command.ts";
import { usageError } from "./errors.ts";

export interface ParsedArgs {
  readonly positionals: Readonly<Record<string, string>>;
  readonly flags: Readonly<Record<string, string | boolean | number | readonly string[]>>;
}

/** What a parser found, before it is checked against the declarations. */
export interface RawArgs {
  readonly words: readonly string[];
  readonly flags: Readonly<Record<string, unknown>>;
}

/** Both parsers run with this: nothing is guessed, coerced, negated, expanded or split. */
export const PARSER_CONFIGURATION = {
  "boolean-negation": false,
  "camel-case-expansion": false,
  "dot-notation": false,
  "greedy-arrays": false,
  "parse-numbers": false,
  "parse-positional-numbers": false,
  "strip-aliased": true,
} as const;

/**
 * Read the arguments after a command's words.
 *
 * @throws {CliError} `CLI_USAGE`
 */
export function parseArgs(command: Command, argv: readonly string[]): ParsedArgs {
  const flags = flagsOf(command);
  const valued = flags.filter(({ kind }) => kind !== "switch").map(({ name }) => name);
  const { argv: parsed, error } = yargsParser.detailed([...argv], {
    configuration: PARSER_CONFIGURATION,
    boolean: flags.filter(({ kind }) => kind === "switch").map(({ name }) => name),
    string: ["_", ...valued],
    narg: Object.fromEntries(valued.map((name) => [name, 1])),
    alias: Object.fromEntries(
      flags.map(({ name, short }) => [name, short === undefined ? [] : [short]]),
    ),
  });
  if (error !== null) throw parserError(error.message, command);
  const { _: words, ...rest } = parsed;
  return checkArgs(command, { words: words.map(String), flags: rest });
}

/** The parser's complaint in our words. */
export function parserError(message: string, command: Command): Error {
  const missing = /Not enough arguments following: (.+)$/.exec(message)?.[1];
  return usageError(
    missing === undefined ? lowerFirst(message) : `--${missing} needs a value`,
    `\`aivault ${command.words.join(" ")} --help\` lists the flags; a value that begins with a dash is written --flag=value`,
  );
}

/**
 * Check what a parser found against the command's declarations.
 *
 * @throws {CliError} `CLI_USAGE`: unknown, missing, repeated, conflicting, or of the wrong kind.
 */
export function checkArgs(command: Command, raw: RawArgs): ParsedArgs {
  const name = command.words.join(" ");
  const hint = `see \`aivault ${name} --help\``;
  const known = new Map(flagsOf(command).map((flag) => [flag.name, flag]));
  const flags: Record<string, string | boolean | number | readonly string[]> = {};
  for (const [given, value] of Object.entries(raw.flags)) {
    if (value === undefined) continue;
    const flag = known.get(given);
    if (flag === undefined) {
      throw usageError(
        `\`aivault ${name}\` has no flag ${dashed(given)}`,
        suggestion(given, known) ?? hint,
      );
    }
    flags[given] = flagValue(flag, value);
  }
  const positionals = positionalValues(command, raw.words, hint);
  // Asking for help is never wrong.
  if (flags["help"] === true) return { positionals, flags };

  for (const flag of known.values()) {
    if (flags[flag.name] === undefined) {
      if (flag.required) throw usageError(`\`aivault ${name}\` needs --${flag.name}`, hint);
      continue;
    }
    const clash = flag.conflicts?.find((other) => flags[other] !== undefined);
    if (clash !== undefined)
      throw usageError(`--${flag.name} and --${clash} exclude each other`, hint);
  }
  const missing = command.positionals?.find((p) => p.required && positionals[p.name] === undefined);
  if (missing !== undefined) throw usageError(`\`aivault ${name}\` needs a ${missing.name}`, hint);
  return { positionals, flags };
}

function flagValue(flag: Flag, value: unknown): string | boolean | number | readonly string[] {
  const values = (Array.isArray(value) ? value : [value]) as unknown[];
  const last = values.at(-1);
  if (flag.kind === "switch") return last === true;
  if (values.some((one) => typeof one !== "string"))
    throw usageError(`--${flag.name} needs a value`);
  if (flag.kind === "list") return values as string[];
  if (values.length > 1) throw usageError(`--${flag.name} is given ${values.length} times`);
  const text = last as string;
  if (flag.choices !== undefined && !flag.choices.includes(text)) {
    throw usageError(`--${flag.name} is one of ${flag.choices.join(", ")}`);
  }
  return flag.kind === "count" ? countValue(flag, text) : text;
}

function countValue(flag: Flag, text: string): number {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(count >= (flag.min ?? 0))) {
    throw usageError(`--${flag.name} is a whole number, at least ${flag.min ?? 0}`);
  }
  return count;
}

function positionalValues(
  command: Command,
  words: readonly string[],
  hint: string,
): Record<string, string> {
  const declared = command.positionals ?? [];
  const extra = words[declared.length];
  if (extra !== undefined) throw usageError(`unexpected argument \`${extra}\``, hint);
  const values: Record<string, string> = {};
  for (const [index, { name, choices }] of declared.entries()) {
    const word = words[index];
    if (word === undefined) continue;
    if (word === "") throw usageError(`the ${name} is empty`, hint);
    if (choices !== undefined && !choices.includes(word)) {
      throw usageError(`the ${name} is one of ${choices.join(", ")}`);
    }
    values[name] = word;
  }
  return values;
}

function suggestion(given: string, known: ReadonlyMap<string, Flag>): string | null {
  const near = nearest(given, [...known.keys()]);
  return near === null ? null : `did you mean --${near}?`;
}

/** The candidate within two edits of `word`, or null. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let bestEdits = Math.min(3, word.length);
  for (const candidate of candidates) {
    const edits = editDistance(word, candidate);
    if (edits < bestEdits) [best, bestEdits] = [candidate, edits];
  }
  return best;
}

// Levenshtein, one row at a time; the words are short.
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

function dashed(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** The value of a `text` flag, or undefined. */
export function text(args: ParsedArgs, name: string): string | undefined {
  const value = args.flags[name];
  return typeof value === "string" ? value : undefined;
}

/** The values of a `list` flag, in order; empty when it is not given. */
export function list(args: ParsedArgs, name: string): readonly string[] {
  const value = args.flags[name];
  return Array.isArray(value) ? (value as readonly string[]) : [];
}

/** The value of a `count` flag, or undefined. */
export function count(args: ParsedArgs, name: string): number | undefined {
  const value = args.flags[name];
  return typeof value === "number" ? value : undefined;
}

/** Whether a switch is on. */
export function isOn(args: ParsedArgs, name: string): boolean {
  return args.flags[name] === true;
}

/** Whether the answer is wanted as JSON. */
export function wantsJson(args: ParsedArgs): boolean {
  return isOn(args, "json") || isOn(args, "verbose");
}
