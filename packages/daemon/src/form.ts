/** Forms of known parts, read into memory: what an operator sends that is not JSON alone. */

import { collect } from "./body.ts";
import type { Exchange } from "./exchange.ts";
import { isMultipart, readMultipart } from "./multipart.ts";
import { Problem } from "./problem.ts";

/** A part that a form may have. */
export interface FormPart {
  readonly name: string;
  readonly bytesMax: number;
  /** Absent, it is not in the map. Default false. */
  readonly optional?: boolean;
}

/**
 * Read a `multipart/form-data` body of these parts, in this order, and lend their octets.
 *
 * G23: every part is wiped when `use` has settled, whether or not it holds anything secret.
 *
 * @throws {Problem} `invalid_request`: another part, another order, one missing, one too many.
 */
export async function withForm<T>(
  exchange: Exchange,
  expected: readonly FormPart[],
  use: (parts: ReadonlyMap<string, Uint8Array>) => Promise<T>,
): Promise<T> {
  if (!isMultipart(exchange.request)) {
    throw new Problem("invalid_request", "the content type must be multipart/form-data");
  }
  exchange.continueBody();
  const reader = readMultipart(exchange.request, exchange.body);
  const parts = new Map<string, Uint8Array>();
  try {
    let place = 0;
    for (let part = await reader.next(); part !== null; part = await reader.next()) {
      while (expected[place] !== undefined && expected[place]?.name !== part.name) {
        if (expected[place]?.optional !== true) throw wrongParts(expected);
        place += 1;
      }
      const known = expected[place];
      if (known === undefined) throw wrongParts(expected);
      parts.set(known.name, await collect(part.body, known.bytesMax));
      place += 1;
    }
    if (expected.slice(place).some(({ optional }) => optional !== true)) throw wrongParts(expected);
    return await use(parts);
  } finally {
    for (const octets of parts.values()) octets.fill(0);
    reader.close();
  }
}

/** A part that is not optional. */
export function partOf(parts: ReadonlyMap<string, Uint8Array>, name: string): Uint8Array {
  const octets = parts.get(name);
  if (octets === undefined) throw new RangeError(`the form has no part \`${name}\``);
  return octets;
}

function wrongParts(expected: readonly FormPart[]): Problem {
  const names = expected.map(({ name, optional }) => `\`${name}\`${optional ? " (optional)" : ""}`);
  return new Problem("invalid_request", `the parts must be, in this order: ${names.join(", ")}`);
}
