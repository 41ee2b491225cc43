// @ts-check
// Which of our commands a piece of shell would run, and whether each exists with the flags it is given.
// For what our documents show and a test cannot run: what needs root, macOS or another machine.
import { readFileSync } from "node:fs";
import { COMMANDS } from "@aivault/cli";

/** Flags of `aivaultd` as its `--help` has them, and whether each takes a value. */
const DAEMON_FLAGS = new Map(
  [
    ...readFileSync(
      new URL("../../packages/daemon/src/options.ts", import.meta.url),
      "utf8",
    ).matchAll(/^ {2}(--[a-z-]+)( [A-Z]+)?/gm),
  ].map(([, name = "", value]) => [name, value !== undefined]),
);

const GLOBAL_SWITCHES = ["help", "quiet"];
const GLOBAL_SHORT = ["h", "q"];

/**
 * The words of a piece of shell, as lists of one command each. Quotes are taken off; what is between
 * them stays one word. Substitutions in a word stay as they are, and are read once more by themselves.
 *
 * @param {string} code
 * @returns {string[][]}
 */
export function shellCommands(code) {
  /** @type {string[][]} */
  const commands = [[]];
  /** @type {string | null} */
  let word = null;
  const flush = () => {
    if (word !== null) commands.at(-1)?.push(word);
    word = null;
  };
  const next = () => {
    flush();
    if (commands.at(-1)?.length !== 0) commands.push([]);
  };
  const text = withoutHereDocuments(code);
  for (let i = 0; i < text.length; i += 1) {
    const character = text.charAt(i);
    if (character === "\\") {
      i += 1;
      if (text[i] !== "\n") word = (word ?? "") + text.charAt(i);
    } else if (character === "'" || character === '"') {
      const end = closing(text, i);
      const quoted = text.slice(i + 1, end);
      word = (word ?? "") + (character === '"' ? quoted.replace(/\\(["\\$`])/g, "$1") : quoted);
      i = end;
    } else if (character === "#" && word === null) {
      const end = text.indexOf("\n", i);
      i = (end < 0 ? text.length : end) - 1;
    } else if (character === "$" && text[i + 1] === "(") {
      word ??= "";
      next();
      i += 1;
    } else if ("\n;|&()".includes(character)) {
      next();
    } else if (character === " " || character === "\t") {
      flush();
    } else {
      word = (word ?? "") + character;
    }
  }
  next();
  return commands.filter(({ length }) => length > 0);
}

/** @param {string} text @param {number} start - Of the opening quote. */
function closing(text, start) {
  const quote = text.charAt(start);
  for (let i = start + 1; i < text.length; i += 1) {
    if (quote === '"' && text[i] === "\\") i += 1;
    else if (text[i] === quote) return i;
  }
  throw new Error(`a quote is not closed: ${text.slice(start, start + 40)}`);
}

/** @param {string} code */
function withoutHereDocuments(code) {
  return code.replace(/<<-?\s*(['"]?)(\w+)\1(.*)\n[\s\S]*?\n\2(?=\n|$)/g, "$3");
}

/**
 * What is wrong with our commands in a piece of shell.
 *
 * @param {string} code
 * @returns {string[]} One sentence each; none when all is well.
 */
export function faultsOf(code) {
  return shellCommands(code).flatMap((words) => {
    const at = words.findIndex((word) => /(^|\/)aivaultd?$/.test(word));
    if (at < 0 || !startsCommand(words.slice(0, at))) return [];
    const rest = withoutRedirections(words.slice(at + 1));
    return words[at]?.endsWith("d") ? daemonFaults(rest) : commandFaults(rest);
  });
}

/** @param {readonly string[]} words */
function withoutRedirections(words) {
  return words.filter(
    (word, index) => !/^[0-9]*[<>]/.test(word) && !/^[0-9]*[<>]+$/.test(words[index - 1] ?? ""),
  );
}

// `VAR=value`, and programs that run what follows them.
/** @param {readonly string[]} before */
function startsCommand(before) {
  return before.every(
    (word, index) =>
      /^\w+=/.test(word) ||
      ["sudo", "exec", "env", "time", "nohup", "do", "then", "!"].includes(word) ||
      (before[0] === "sudo" && (word.startsWith("-") || before[index - 1] === "-u")),
  );
}

/** @param {readonly string[]} words */
function daemonFaults(words) {
  /** @type {string[]} */
  const faults = [];
  for (let i = 0; i < words.length; i += 1) {
    const [name = "", attached] = (words[i] ?? "").split("=");
    const takesValue = DAEMON_FLAGS.get(name);
    if (takesValue === undefined) faults.push(`aivaultd has no \`${name}\``);
    else if (takesValue && attached === undefined) i += 1;
  }
  return faults;
}

/** @param {readonly string[]} words */
function commandFaults(words) {
  if (words.length === 0 || ["--help", "--version"].includes(words[0] ?? "")) return [];
  const command = commandOf(words);
  if (command === null) return [`there is no \`aivault ${words.join(" ")}\``];
  const { flags = [], positionals = [] } = command.command;
  const rest = words.slice(command.length);
  /** @type {string[]} */
  const faults = [];
  const name = `aivault ${command.command.words.join(" ")}`;
  let free = 0;
  for (let i = 0; i < rest.length; i += 1) {
    const word = rest[i] ?? "";
    if (!/^-./.test(word)) {
      free += 1;
      continue;
    }
    const [, long, short, attached] = /^(?:--([a-z-]+)|-([a-zA-Z]))(=.*)?$/.exec(word) ?? [];
    const flag = flags.find((one) => (long ? one.name === long : one.short === short));
    if (GLOBAL_SWITCHES.includes(long ?? "") || GLOBAL_SHORT.includes(short ?? "")) continue;
    if (flag === undefined) return [...faults, `\`${name}\` has no \`${word}\``];
    if (flag.kind === "switch") continue;
    const value = attached === undefined ? rest[++i] : attached.slice(1);
    if (value === undefined) faults.push(`\`${name}\`: \`${word}\` has no value`);
    else if (flag.choices !== undefined && !isOneOf(flag.choices, value)) {
      faults.push(`\`${name}\`: \`${value}\` is not one of ${flag.choices.join(", ")}`);
    }
  }
  if (free > positionals.length) faults.push(`\`${name}\` does not take ${free} words`);
  return faults;
}

// A placeholder, or a variable of the shell, is a value.
/** @param {readonly string[]} choices @param {string} value */
function isOneOf(choices, value) {
  return choices.includes(value) || value.startsWith("$") || /^[A-Z_]+$/.test(value);
}

/**
 * The command with the longest name among those that `words` begin with.
 *
 * @param {readonly string[]} words
 */
function commandOf(words) {
  /** @type {{ command: (typeof COMMANDS)[number]; length: number } | null} */
  let best = null;
  for (const command of COMMANDS) {
    for (const name of [command.words, ...(command.aliases ?? [])]) {
      const fits = name.every((word, index) => words[index] === word);
      if (fits && name.length > (best?.length ?? 0)) best = { command, length: name.length };
    }
  }
  return best;
}
