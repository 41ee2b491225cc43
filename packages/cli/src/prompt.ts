/**
 * Questions to the person at the terminal.
 *
 * A hidden answer is read here, octet by octet into a buffer that is wiped, because a line editor
 * would leave the value in strings that cannot be. Nothing is echoed, not even a mark per character:
 * the length of a key is nobody's business.
 */
import { createWriteStream } from "node:fs";
import type { Writable } from "node:stream";
import type { ReadStream } from "node:tty";
import { CliError } from "./errors.ts";

const CTRL_C = 0x03;
const CTRL_D = 0x04;
const BACKSPACE = 0x08;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;
const CTRL_U = 0x15;
const ESCAPE = 0x1b;
const DELETE = 0x7f;

// Bracketed paste: the terminal marks what is pasted, so that a key of many lines arrives whole and
// its lines do not end up as commands in the shell.
const PASTE_ON = "\u001b[?2004h";
const PASTE_OFF = "\u001b[?2004l";
const PASTE_BEGIN = "[200~";
const PASTE_END = "[201~";

/**
 * Ask for a value without showing it.
 *
 * @returns The octets typed or pasted, without the return. The caller wipes them.
 * @throws {CliError} `CLI_CANCELLED` on ^C, or ^D with nothing typed; `CLI_INPUT` when it is too long,
 * or when several lines come from a terminal that does not mark a paste.
 */
export async function promptHidden(
  question: string,
  input: ReadStream,
  output: Writable,
  bytesMax: number,
): Promise<Buffer> {
  const reader = new HiddenReader(bytesMax);
  // Echo ends before the question appears: whoever answers at once is not faster than we are.
  input.setRawMode(true);
  input.resume();
  output.write(`${question} ${PASTE_ON}`);
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      input.on("data", (chunk: Buffer) => {
        try {
          const value = reader.push(chunk);
          if (value !== null) resolve(value);
        } catch (error) {
          reject(error as Error);
        } finally {
          chunk.fill(0);
        }
      });
      input.once("end", () => reject(cancelled()));
    });
  } finally {
    reader.wipe();
    input.removeAllListeners("data");
    input.setRawMode(false);
    input.pause();
    output.write(`${PASTE_OFF}\n`);
  }
}

/** Lend the terminal to write questions to: stderr, or what is behind it when it is redirected. */
export async function withTerminal<T>(use: (terminal: Writable) => Promise<T>): Promise<T> {
  if (process.stderr.isTTY === true) return await use(process.stderr);
  const terminal = createWriteStream("/dev/tty");
  try {
    return await use(terminal);
  } finally {
    await new Promise<void>((resolve) => terminal.end(() => resolve()));
  }
}

/** What keys do while a hidden value is typed. */
export class HiddenReader {
  #buffer: Buffer;
  #length = 0;
  /** An escape sequence that has begun, without its escape; null outside one. */
  #escape: string | null = null;
  #pasting = false;

  constructor(bytesMax: number) {
    this.#buffer = Buffer.alloc(bytesMax);
  }

  /** @returns The value when `chunk` completes it, else null. The chunk is not kept. */
  push(chunk: Uint8Array): Buffer | null {
    for (const [index, byte] of chunk.entries()) {
      if (this.#key(byte) === "done") {
        // \r\n is one return. More than that, unmarked, is a paste whose rest would be lost.
        const rest = chunk.subarray(index + 1);
        if (rest.some((next) => next !== LINE_FEED)) throw severalLines();
        return Buffer.from(this.#buffer.subarray(0, this.#length));
      }
    }
    return null;
  }

  wipe(): void {
    this.#buffer.fill(0);
  }

  #key(byte: number): "done" | undefined {
    if (this.#escape !== null) return void this.#escapeKey(byte);
    if (byte === ESCAPE) {
      this.#escape = "";
      return undefined;
    }
    if (this.#pasting) return void this.#append(byte === RETURN ? LINE_FEED : byte);
    switch (byte) {
      case CTRL_C:
        throw cancelled();
      case CTRL_D:
        if (this.#length === 0) throw cancelled();
        return "done";
      case RETURN:
      case LINE_FEED:
        return "done";
      case CTRL_U:
        this.#erase(this.#length);
        return undefined;
      case BACKSPACE:
      case DELETE:
        this.#erase(this.#lastCharacterBytes());
        return undefined;
      default:
        // Other control keys are slips; no key or passphrase is typed with them.
        return byte < 0x20 ? undefined : void this.#append(byte);
    }
  }

  // Arrow keys and the like are swallowed; the two paste marks switch.
  #escapeKey(byte: number): void {
    this.#escape += String.fromCharCode(byte);
    const sequence = this.#escape as string;
    if (sequence === PASTE_BEGIN) this.#pasting = true;
    if (sequence === PASTE_END) this.#pasting = false;
    const introducer = sequence === "[" || sequence === "O";
    const complete = !introducer && byte >= 0x40 && byte <= 0x7e;
    if (complete || sequence.length > 16) this.#escape = null;
  }

  #append(byte: number): void {
    if (this.#length === this.#buffer.length) {
      throw new CliError("CLI_INPUT", `a value has at most ${this.#buffer.length} bytes`);
    }
    this.#buffer[this.#length] = byte;
    this.#length += 1;
  }

  #erase(bytes: number): void {
    this.#buffer.fill(0, this.#length - bytes, this.#length);
    this.#length -= bytes;
  }

  #lastCharacterBytes(): number {
    let bytes = 0;
    while (bytes < this.#length) {
      bytes += 1;
      // UTF-8: 10xxxxxx continues a character.
      if (((this.#buffer[this.#length - bytes] as number) & 0xc0) !== 0x80) break;
    }
    return bytes;
  }
}

/**
 * Ask for a yes or no; no is the default.
 *
 * @param options.signal - Takes the question back.
 * @param options.yes - Yes is the default.
 *
 * @throws {CliError} `CLI_CANCELLED` on ^C.
 */
export async function confirm(
  question: string,
  options: { readonly signal?: AbortSignal; readonly yes?: boolean } = {},
): Promise<boolean> {
  const prompts = await import("@clack/prompts");
  const answer = await prompts.confirm({
    message: question,
    initialValue: options.yes === true,
    output: process.stderr,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  if (prompts.isCancel(answer)) throw cancelled();
  return answer;
}

/** One of the things to choose from. */
export interface Option<T> {
  readonly value: T;
  readonly label: string;
  readonly hint?: string;
}

/**
 * Ask for one of `options`; the first is the default.
 *
 * @param how.searchable - For long lists: typing narrows them.
 * @throws {CliError} `CLI_CANCELLED` on ^C.
 */
export async function choose<T extends string>(
  question: string,
  options: readonly Option<T>[],
  how: { readonly searchable?: boolean } = {},
): Promise<T> {
  const prompts = await import("@clack/prompts");
  const asked = { message: question, maxItems: 8, output: process.stderr };
  const all = options.map((option) => ({ ...option, value: option.value as string }));
  const answer =
    how.searchable === true
      ? await prompts.autocomplete<string>({
          ...asked,
          options() {
            return ranked(all, this.userInput);
          },
          filter: () => true,
        })
      : await prompts.select<string>({ ...asked, options: all });
  if (prompts.isCancel(answer) || answer === undefined) throw cancelled();
  return answer as T;
}

/** Those that match what is typed: what is called so, then what begins so, then what contains it. */
export function ranked<T extends Option<string>>(options: readonly T[], typed: string): T[] {
  const wanted = typed.trim().toLowerCase();
  const rank = ({ value, label }: T): number => {
    const names = [value.toLowerCase(), label.toLowerCase()];
    if (names.includes(wanted)) return 0;
    if (names.some((name) => name.startsWith(wanted))) return 1;
    return names.some((name) => name.includes(wanted)) ? 2 : 3;
  };
  return options
    .map((option) => ({ option, rank: rank(option) }))
    .filter((entry) => entry.rank < 3)
    .sort((a, b) => a.rank - b.rank)
    .map(({ option }) => option);
}

function cancelled(): CliError {
  return new CliError("CLI_CANCELLED", "cancelled; nothing was changed");
}

function severalLines(): CliError {
  return new CliError(
    "CLI_INPUT",
    "the value has several lines, and this terminal does not say which belong to it",
    "give it with --value-file or --value-stdin",
  );
}
