/**
 * Reading `.env` files as octets, the way dotenv and shells agree on: `NAME=VALUE`, `export`,
 * comments, single quotes as they are, double quotes with `\n`, `\"` and `\\`, both over several lines.
 */
import { CliError } from "./errors.ts";

export interface EnvEntry {
  readonly name: string;
  /** A copy; the caller wipes it. */
  readonly value: Buffer;
  /** Where it is written in the file, its quotes included: from this octet to before the other. */
  readonly start: number;
  readonly end: number;
}

const LF = 0x0a;
const QUOTE = { single: 0x27, double: 0x22, backtick: 0x60 };
const BACKSLASH = 0x5c;
const HASH = 0x23;

/**
 * The entries of a file, in order.
 *
 * @throws {CliError} `CLI_INPUT`, naming the line and never its text: it may hold a value.
 */
export function parseEnvFile(file: Buffer): readonly EnvEntry[] {
  const entries: EnvEntry[] = [];
  let at = file.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf])) ? 3 : 0;
  while (at < file.length) {
    const end = lineEnd(file, at);
    const head = /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)[ \t]*=[ \t]*/.exec(
      headText(file, at, end),
    )?.[0];
    if (head === undefined) {
      if (!/^\s*(#.*)?$/.test(headText(file, at, end))) throw badLine(file, at);
      at = end + 1;
      continue;
    }
    const name = head.replace(/^\s*(?:export\s+)?/, "").replace(/[ \t]*=[ \t]*$/, "");
    const start = at + head.length;
    const quote = file[start];
    const isQuoted = Object.values(QUOTE).some((mark) => mark === quote);
    const read = isQuoted ? quotedValue(file, start, quote as number) : bareValue(file, start, end);
    entries.push({ name, value: read.value, start, end: read.end });
    at = lineEnd(file, read.end) + 1;
  }
  return entries;
}

// Only up to the `=`: the rest of the line may be a value, which must not become a string.
function headText(file: Buffer, at: number, end: number): string {
  const equals = file.indexOf(0x3d, at);
  const until = equals >= 0 && equals < end ? equals + 1 : end;
  let stop = until;
  while (stop < end && (file[stop] === 0x20 || file[stop] === 0x09)) stop += 1;
  return file.toString("latin1", at, stop);
}

function bareValue(file: Buffer, start: number, end: number): { value: Buffer; end: number } {
  let stop = end;
  for (let i = start; i < end; i += 1) {
    // A comment begins after white space; `#` inside a value is part of it.
    if (file[i] === HASH && (i === start || isBlank(file[i - 1]))) {
      stop = i;
      break;
    }
  }
  while (stop > start && isBlank(file[stop - 1])) stop -= 1;
  return { value: Buffer.from(file.subarray(start, stop)), end: stop };
}

function quotedValue(file: Buffer, start: number, quote: number): { value: Buffer; end: number } {
  const value = Buffer.alloc(file.length - start);
  let length = 0;
  for (let i = start + 1; i < file.length; i += 1) {
    const byte = file[i] as number;
    if (byte === quote) {
      const end = lineEnd(file, i);
      if (!/^\s*(#.*)?$/.test(file.toString("latin1", i + 1, end))) break;
      const copy = Buffer.from(value.subarray(0, length));
      value.fill(0);
      return { value: copy, end: i + 1 };
    }
    const escaped =
      byte === BACKSLASH && quote === QUOTE.double ? ESCAPES.get(file[i + 1] ?? 0) : undefined;
    value[length] = escaped ?? byte;
    length += 1;
    if (escaped !== undefined) i += 1;
  }
  value.fill(0);
  throw badLine(file, start);
}

const ESCAPES = new Map([
  [0x6e, LF],
  [0x72, 0x0d],
  [0x74, 0x09],
  [QUOTE.double, QUOTE.double],
  [BACKSLASH, BACKSLASH],
]);

function lineEnd(file: Buffer, from: number): number {
  const end = file.indexOf(LF, from);
  return end < 0 ? file.length : end;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d;
}

function badLine(file: Buffer, at: number): CliError {
  let line = 1;
  for (let i = 0; i < at; i += 1) if (file[i] === LF) line += 1;
  return new CliError("CLI_INPUT", `line ${line} is not NAME=VALUE; nothing was stored`);
}
