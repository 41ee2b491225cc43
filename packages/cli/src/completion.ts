/**
 * What could come next on a command line. Names come from the daemon, if one runs; completion never
 * starts one, asks anything, or fails.
 */
import { type Command, type Flag, flagsOf, type Positional } from "./command.ts";
import { COMMANDS, findCommand } from "./commands/index.ts";

export interface Candidate {
  readonly word: string;
  readonly summary: string;
}

/** What names there are of a kind; empty when nobody can say. */
export type Names = (
  kind: Exclude<NonNullable<Flag["completes"]>, "file">,
) => Promise<readonly Candidate[]>;

/**
 * Candidates for the last of `words`, which may be empty.
 *
 * @param words - After `aivault`, the last one being typed.
 * @returns Candidates that begin with it, or `file` where a path is wanted.
 */
export async function complete(
  words: readonly string[],
  names: Names,
): Promise<readonly Candidate[] | "file"> {
  const typed = words.at(-1) ?? "";
  // Bash takes `--flag=value` for three words, the others for one.
  const before = words.slice(0, -1).filter((word) => word !== "=");
  if (typed === "=") return await complete([...before, ""], names);
  const [, flag, value] = /^(--[^=]+)=(.*)$/s.exec(typed) ?? [];
  if (flag !== undefined && value !== undefined) {
    const values = await complete([...before, flag, value], names);
    // Shells complete paths as words, not as ends of one.
    if (values === "file") return [];
    return values.map(({ word, summary }) => ({ word: `${flag}=${word}`, summary }));
  }
  const found = findCommand(before);
  const candidates =
    found.kind === "command"
      ? await afterCommand(found.command, before.slice(found.words), typed, names)
      : [];
  if (candidates === "file") return "file";
  const more = [...commandWords(before), ...candidates];
  return more.filter(({ word }) => word.startsWith(typed));
}

// The words of commands that continue `before`: `aivault sec`, and also `verify` after `audit`.
function commandWords(before: readonly string[]): readonly Candidate[] {
  const next = new Map<string, string>();
  for (const { words, summary } of COMMANDS) {
    const word = words[before.length];
    if (word === undefined || !before.every((given, index) => words[index] === given)) continue;
    const isLast = words.length === before.length + 1;
    if (isLast || !next.has(word)) next.set(word, isLast ? summary : `${word} …`);
  }
  return [...next].map(([word, summary]) => ({ word, summary }));
}

async function afterCommand(
  command: Command,
  given: readonly string[],
  typed: string,
  names: Names,
): Promise<readonly Candidate[] | "file"> {
  const flags = flagsOf(command);
  const previous = given.at(-1);
  const pending = flags.find(
    ({ name, short, kind }) =>
      kind !== "switch" && (previous === `--${name}` || previous === `-${short}`),
  );
  if (pending !== undefined) return await valuesOf(pending, names);
  if (typed.startsWith("-")) {
    return flags
      .filter(({ name, kind }) => kind === "list" || !given.includes(`--${name}`))
      .map(({ name, summary }) => ({ word: `--${name}`, summary }));
  }
  const position = countWords(flags, given);
  const positional = command.positionals?.[position];
  return positional === undefined ? [] : await valuesOf(positional, names);
}

async function valuesOf(
  { choices, completes }: Pick<Flag | Positional, "choices" | "completes">,
  names: Names,
): Promise<readonly Candidate[] | "file"> {
  if (choices !== undefined) return choices.map((word) => ({ word, summary: "" }));
  if (completes === undefined) return [];
  return completes === "file" ? "file" : await names(completes);
}

function countWords(flags: readonly Flag[], given: readonly string[]): number {
  let words = 0;
  for (let i = 0; i < given.length; i += 1) {
    const word = given[i] as string;
    if (!word.startsWith("-")) words += 1;
    else if (
      flags.some(
        ({ name, short, kind }) =>
          kind !== "switch" && (word === `--${name}` || word === `-${short}`),
      )
    ) {
      i += 1;
    }
  }
  return words;
}
