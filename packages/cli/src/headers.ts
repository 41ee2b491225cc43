/**
 * `Name: value` and NAME=VALUE, as people write headers and fields.
 */
import type { WireHeader } from "@aivault/client";
import { usageError } from "./errors.ts";

// RFC 9110 §5.6.2.
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/**
 * Read one `--header`. Neither `:` nor `=` can be in a name, so the first of them ends it.
 *
 * @throws {CliError} `CLI_USAGE`
 */
export function parseHeader(text: string): WireHeader {
  const at = text.search(/[:=]/);
  const name = at < 0 ? text : text.slice(0, at).trimEnd();
  if (at < 0 || !TOKEN.test(name)) {
    throw usageError("a header is written 'Name: value' or NAME=VALUE");
  }
  const value = text.slice(at + 1);
  return { name, value: text[at] === ":" ? value.trim() : value };
}

/**
 * Read one `NAME=VALUE`; the value may contain `=`.
 *
 * @throws {CliError} `CLI_USAGE`. The message does not repeat the text: it may hold a value.
 */
export function parsePair(flag: string, text: string): readonly [name: string, value: string] {
  const at = text.indexOf("=");
  if (at < 1) throw usageError(`--${flag} takes NAME=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}
