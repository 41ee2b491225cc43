/**
 * Putting look-alikes where the values of a `.env` file were: programs that check what a key looks like
 * go on working, and nothing is there to be stolen.
 */
import type { EnvEntry } from "./env-file.ts";

/** Stands for a value that no provider's shape is known for. */
export const PLAIN_PLACEHOLDER = "stored-in-aivault";

/**
 * `file` with the values of some names replaced; every other octet is as it was.
 *
 * @param entries - Of this very file.
 * @param placeholders - By name.
 * @returns A new buffer; both are the caller's to wipe.
 */
export function withPlaceholders(
  file: Buffer,
  entries: readonly EnvEntry[],
  placeholders: ReadonlyMap<string, string>,
): Buffer {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const { name, start, end } of entries) {
    const placeholder = placeholders.get(name);
    if (placeholder === undefined) continue;
    parts.push(file.subarray(at, start), Buffer.from(written(placeholder, file[start])));
    at = end;
  }
  parts.push(file.subarray(at));
  return Buffer.concat(parts);
}

const QUOTES = ['"', "'", "`"];

// In the quotes that the value had, so that a reviewer sees one change; others where those would end early.
function written(text: string, first: number | undefined): string {
  const had = String.fromCharCode(first ?? 0);
  const plain = /^[\w./:@%+=-]*$/.test(text);
  if (!QUOTES.includes(had) && plain) return text;
  const quote = [had, ...QUOTES].find(
    (mark) =>
      QUOTES.includes(mark) && !text.includes(mark) && !(mark === '"' && text.includes("\\")),
  );
  return quote === undefined ? PLAIN_PLACEHOLDER : `${quote}${text}${quote}`;
}
