/**
 * What a command is. Commands are declared once, as data; both parsers, the help, the completion,
 * docs/cli.md and the contract test read the same declarations.
 */
import type { Context } from "./context.ts";

export interface Flag {
  /** Without dashes. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** `text` takes one value and may be given once; `list` may be repeated; `count` is a whole number. */
  readonly kind: "switch" | "text" | "list" | "count";
  /** What the value is called in help. */
  readonly value?: string;
  /** A sentence fragment, lowercase, no period. */
  readonly summary: string;
  readonly choices?: readonly string[];
  readonly required?: true;
  /** Flags that may not be given together with this one. */
  readonly conflicts?: readonly string[];
  /** Smallest value of a `count`; default 0. */
  readonly min?: number;
  /** What a completion offers besides `choices`. */
  readonly completes?: "file" | "capability" | "credential" | "secret" | "provider" | "token";
}

export interface Positional {
  readonly name: string;
  readonly summary: string;
  readonly required: boolean;
  readonly choices?: readonly string[];
  readonly completes?: Flag["completes"];
}

export interface Example {
  readonly title: string;
  readonly line: string;
  /** Lines of shell that docs/cli.md has before it, so that it can be run as it stands there. */
  readonly before?: readonly string[];
  /** How docs/cli.md is to be run there: `terminal, types TEXT`, or `skip, REASON`. Default: as it is. */
  readonly run?: string;
}

export interface Command {
  /** The words that name it: `["secrets", "create"]`. */
  readonly words: readonly [string, ...string[]];
  /** Other spellings, each complete: `["md"]`, `["capability", "call"]`. */
  readonly aliases?: readonly (readonly [string, ...string[]])[];
  /** One line, lowercase, no period. */
  readonly summary: string;
  /** Paragraphs for its own help. */
  readonly details?: readonly string[];
  readonly positionals?: readonly Positional[];
  readonly flags?: readonly Flag[];
  readonly examples?: readonly Example[];
  /** Parsed without loading yargs, which costs more than all else at start. */
  readonly frequent?: true;
  /** Loads the implementation, and only that of this command. */
  readonly load: () => Promise<Run>;
}

/** Carry out a command. @returns The exit status; nothing is 0. */
export type Run = (context: Context) => Promise<number | undefined> | Promise<void>;

/** Flags that every command takes. */
export const GLOBAL_FLAGS: readonly Flag[] = [
  { name: "help", short: "h", kind: "switch", summary: "show this help" },
  { name: "quiet", short: "q", kind: "switch", summary: "no notes and warnings on stderr" },
];

/** The flags of commands whose answer has a JSON form. */
export const JSON_FLAGS: readonly Flag[] = [
  { name: "json", kind: "switch", summary: "answer as JSON" },
  { name: "verbose", short: "v", kind: "switch", summary: "the same as --json" },
];

/** Of commands that a caller runs: the token it was given. */
export const TOKEN_FLAG: Flag = {
  name: "token-file",
  kind: "text",
  value: "PATH",
  summary: "present the caller token in a file, or on stdin with `-`; default: AIVAULT_TOKEN",
  completes: "file",
};

/** All flags of a command, the global ones last. */
export function flagsOf(command: Command): readonly Flag[] {
  return [...(command.flags ?? []), ...GLOBAL_FLAGS];
}
