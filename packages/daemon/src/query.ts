/** The query of a target, read strictly: a name twice is a mistake, not a list. */

import type * as z from "zod";
import { parseWith } from "./body.ts";
import { Problem } from "./problem.ts";

/** @throws {Problem} `invalid_request`. */
export function parseQuery<T>(query: string, schema: z.ZodType<T>): T {
  const members = Object.create(null) as Record<string, string>;
  for (const [name, value] of new URLSearchParams(query)) {
    if (name in members) throw new Problem("invalid_request", "a query parameter occurs twice");
    members[name] = value;
  }
  return parseWith(schema, members, "the query");
}
