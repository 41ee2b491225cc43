/**
 * A secret value on its way in: from the terminal without echo, from stdin, from a file, or, with a
 * warning, from the command line. Values are octets, lent to a callback and wiped after it; only
 * `--value` puts one into a string, which JavaScript cannot wipe.
 */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { isOn, text } from "./args.ts";
import type { Context } from "./context.ts";
import { CliError, usageError } from "./errors.ts";

// Private keys and service account files are a few kilobytes. This keeps /dev/zero from being one.
const VALUE_BYTES_MAX = 1024 * 1024;

/** What kind of secret is asked for. */
export interface SecretKind {
  /**
   * The flag that has it in clear, where there still is one; `-stdin` and `-file` are appended for the
   * other two.
   */
  readonly flag: string;
  /** What messages call it. Default: the flag. */
  readonly what?: string;
  /** Ask twice on the terminal: nobody can look up what was mistyped. */
  readonly twice?: true;
  /** An empty one is an answer too. */
  readonly optional?: true;
}

/**
 * Obtain a secret the way the flags say, lend it to `use`, and wipe it.
 *
 * @param question - What the terminal asks, when it is asked.
 * @throws {CliError} `CLI_USAGE`: no way was named and there is no terminal; `CLI_INPUT`: empty, too
 * long, unreadable, or typed in two ways; `CLI_CANCELLED`.
 */
export async function useSecretInput<T>(
  context: Context,
  question: string,
  kind: SecretKind,
  use: (value: Uint8Array) => Promise<T>,
): Promise<T> {
  const value = await readSecret(context, question, kind);
  try {
    if (value.length === 0 && kind.optional !== true) {
      throw new CliError("CLI_INPUT", `the ${nameOf(kind)} is empty; nothing was changed`);
    }
    return await use(value);
  } finally {
    value.fill(0);
  }
}

async function readSecret(
  { args, out }: Context,
  question: string,
  kind: SecretKind,
): Promise<Buffer> {
  const { flag, twice } = kind;
  const what = nameOf(kind);
  const literal = text(args, flag);
  if (literal !== undefined) {
    out.warn(
      `the shell's history and the process list may keep this ${what}; leave out --${flag} to be asked`,
    );
    return Buffer.from(literal, "utf8");
  }
  const keepNewline = isOn(args, "keep-newline");
  const path = text(args, `${flag}-file`);
  if (path !== undefined) return trimNewline(await readFileOctets(path), keepNewline);
  if (isOn(args, `${flag}-stdin`)) return trimNewline(await readAll(process.stdin), keepNewline);
  if (process.stdin.isTTY !== true) {
    throw usageError(
      `there is no terminal to ask for the ${what}`,
      `give it with --${flag}-stdin or --${flag}-file`,
    );
  }
  return await askOnTerminal(question, what, twice === true);
}

function nameOf({ flag, what }: SecretKind): string {
  return what ?? flag;
}

/** Whether one of the flags of `kind` is given. */
export function namesSecretInput({ args }: Context, { flag }: SecretKind): boolean {
  return [flag, `${flag}-stdin`, `${flag}-file`].some((name) => args.flags[name] !== undefined);
}

async function askOnTerminal(question: string, what: string, twice: boolean): Promise<Buffer> {
  const { promptHidden, withTerminal } = await import("./prompt.ts");
  return await withTerminal(async (terminal) => {
    const ask = (text: string) => promptHidden(text, process.stdin, terminal, VALUE_BYTES_MAX);
    const first = await ask(question);
    if (!twice) return first;
    const second = await ask("once more:");
    const same = first.equals(second);
    second.fill(0);
    if (same) return first;
    first.fill(0);
    throw new CliError("CLI_INPUT", `the two are not the same ${what}; nothing was changed`);
  });
}

/** The value without the one `\n` or `\r\n` that editors and `echo` add. Wipes what it leaves out. */
export function trimNewline(value: Buffer, keep: boolean): Buffer {
  if (keep || value.at(-1) !== 0x0a) return value;
  return value.subarray(0, value.at(-2) === 0x0d ? -2 : -1);
}

async function readFileOctets(path: string): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      throw inputError(path, error);
    },
  );
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new CliError("CLI_INPUT", `\`${path}\` is not a regular file`);
    if (stat.size > VALUE_BYTES_MAX) throw tooLong();
    return await file.readFile();
  } finally {
    await file.close();
  }
}

async function readAll(input: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of input as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > VALUE_BYTES_MAX) throw tooLong();
    }
    return Buffer.concat(chunks);
  } finally {
    for (const chunk of chunks) chunk.fill(0);
  }
}

function tooLong(): CliError {
  return new CliError("CLI_INPUT", `a value has at most ${VALUE_BYTES_MAX} bytes`);
}

/** A file that could not be read, with the reason in words. */
export function inputError(path: string, cause: unknown): CliError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const reasons: Record<string, string> = { ENOENT: "no such file", EACCES: "permission denied" };
  return new CliError(
    "CLI_INPUT",
    `cannot read \`${path}\`: ${reasons[code] ?? code}`,
    code === "EACCES" ? "check who may read it" : "check the path",
    cause,
  );
}
