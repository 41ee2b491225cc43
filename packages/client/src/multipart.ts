/**
 * Writing `multipart/form-data` (RFC 7578) as a stream: nothing is held in memory but one chunk.
 */
import { AivaultError } from "./errors.ts";

export interface Part {
  readonly name: string;
  readonly filename?: string | undefined;
  readonly contentType?: string | undefined;
  readonly body: string | Uint8Array | AsyncIterable<Uint8Array>;
}

/** A streamed form and the content type that announces it. */
export interface Multipart {
  readonly contentType: string;
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * Encode `parts` in order.
 *
 * @param boundary - 1 to 70 characters of RFC 2046 §5.1.1. It must be unpredictable: whoever wrote a
 * file could otherwise end its part and begin another.
 * @throws {AivaultError} `invalid_request`: a name that cannot be written in a part's header.
 */
export function multipart(parts: readonly Part[], boundary: string): Multipart {
  const heads = parts.map((part) => encoder.encode(partHead(part, boundary)));
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: encode(parts, heads, boundary),
  };
}

const encoder = new TextEncoder();

async function* encode(
  parts: readonly Part[],
  heads: readonly Uint8Array[],
  boundary: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const [index, part] of parts.entries()) {
    yield heads[index] as Uint8Array;
    if (typeof part.body === "string") yield encoder.encode(part.body);
    else if (part.body instanceof Uint8Array) yield part.body;
    else yield* part.body;
    yield encoder.encode("\r\n");
  }
  yield encoder.encode(`--${boundary}--\r\n`);
}

function partHead(part: Part, boundary: string): string {
  // The file's real name travels in the envelope; here it only marks the part as a file.
  const filename = part.filename === undefined ? "" : `; filename="${plain(part.filename)}"`;
  const type =
    part.contentType === undefined
      ? ""
      : `Content-Type: ${line("content type", part.contentType)}\r\n`;
  const name = quotable("field", part.name);
  return `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${filename}\r\n${type}\r\n`;
}

// Refused and not escaped: browsers, servers and proxies disagree on the escapes, and a name that one
// of them reads differently is how a part gets smuggled.
function quotable(what: string, value: string): string {
  if (/["\\]/.test(value)) throw unfit(what);
  return line(what, value);
}

function plain(filename: string): string {
  return /^[\w.\- ]{1,100}$/.test(filename) ? filename : "file";
}

function line(what: string, value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused.
  if (/[\u0000-\u001f\u007f]/.test(value)) throw unfit(what);
  return value;
}

function unfit(what: string): AivaultError {
  return new AivaultError(
    "invalid_request",
    `a multipart ${what} may not contain quotes, backslashes or control characters`,
  );
}
