/**
 * The rules of the terminal. What was asked for goes to stdout; everything else to stderr, prefixed
 * `aivault:`. Meaning is never carried by colour alone, and colour goes only to terminals that want
 * it (`NO_COLOR`).
 */
import { createColors } from "picocolors";

/** The environment, read once by main.ts. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A place to write that may be a terminal. */
export interface Sink {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(chunk: string | Uint8Array): boolean;
  once(event: "drain" | "close", listener: () => void): unknown;
}

export type Colors = ReturnType<typeof createColors>;

export class Output {
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Colours for what goes to stdout. */
  readonly colors: Colors;
  readonly #errorColors: Colors;
  #quiet = false;

  constructor(stdout: Sink, stderr: Sink, env: Environment) {
    this.stdout = stdout;
    this.stderr = stderr;
    this.colors = createColors(wantsColor(stdout, env));
    this.#errorColors = createColors(wantsColor(stderr, env));
  }

  /** Keep notes and warnings to ourselves; errors are still said. */
  beQuiet(): void {
    this.#quiet = true;
  }

  get isQuiet(): boolean {
    return this.#quiet;
  }

  /** Whether a person reads the answer. */
  get isTerminal(): boolean {
    return this.stdout.isTTY === true;
  }

  /** Columns to lay a table out in; unlimited when it goes to a pipe or file. */
  get columns(): number {
    return this.isTerminal ? (this.stdout.columns ?? 80) : Number.POSITIVE_INFINITY;
  }

  /** The answer, or a part of it, with a newline. */
  answer(text: string): void {
    this.stdout.write(`${text}\n`);
  }

  /** The answer as JSON: two spaces, one newline, members in a fixed order. */
  json(value: unknown): void {
    this.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  }

  /** Octets of the answer as they are. Resolves when more may be written. */
  async octets(chunk: Uint8Array): Promise<void> {
    if (this.stdout.write(chunk)) return;
    await new Promise<void>((resolve) => {
      this.stdout.once("drain", resolve);
      // A reader that went away never drains.
      this.stdout.once("close", resolve);
    });
  }

  /** Something worth knowing that was not asked for. */
  note(text: string): void {
    if (!this.#quiet) this.#say(text);
  }

  /** Something that may be a mistake. */
  warn(text: string): void {
    if (!this.#quiet) this.#say(`${this.#errorColors.yellow("warning:")} ${text}`);
  }

  error(message: string, hint: string | null): void {
    this.#say(`${this.#errorColors.red("error:")} ${message}`);
    if (hint !== null) this.#say(`${this.#errorColors.cyan("hint:")} ${hint}`);
  }

  #say(text: string): void {
    this.stderr.write(`aivault: ${text}\n`);
  }
}

function wantsColor(sink: Sink, env: Environment): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = env;
  if (NO_COLOR !== undefined && NO_COLOR !== "") return false;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== "" && FORCE_COLOR !== "0") return true;
  return sink.isTTY === true && TERM !== "dumb";
}

/**
 * `text` safe to show on a terminal and in a table: control characters, which could move the cursor,
 * recolour or retitle, become `\u{…}`.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced.
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (character) => {
    return `\\u{${character.charCodeAt(0).toString(16)}}`;
  });
}
