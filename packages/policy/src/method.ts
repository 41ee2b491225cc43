import { accept, forbid, invalid, listChoices, quote, type Result } from "./result.ts";

/** The methods aivault forwards. CONNECT and TRACE are deliberately absent (RFC 9110 §9.3.6, §9.3.8). */
export type HttpMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS";

/** Every {@link HttpMethod}, in the order messages list them. */
export const HTTP_METHODS: readonly HttpMethod[] = [
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
];

const BY_NAME: ReadonlyMap<string, HttpMethod> = new Map(HTTP_METHODS.map((name) => [name, name]));
const METHOD_CHARS_MAX = 32;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/**
 * Read a method.
 *
 * @param text - As the caller wrote it; ASCII case is folded to upper-case, nothing is trimmed.
 * @returns `invalid_request` for what is not an RFC 9110 token, `method_not_allowed` for a token outside
 * the closed set.
 */
export function parseMethod(text: string): Result<HttpMethod> {
  const known = BY_NAME.get(text);
  if (known !== undefined) return accept(known);
  if (text.length === 0) return invalid("the method is empty");
  if (text.length > METHOD_CHARS_MAX || !TOKEN.test(text)) {
    return invalid(`${quote(text)} is not an HTTP method`);
  }
  // ASCII only, checked above: Unicode case mapping cannot turn a foreign letter into a known method.
  const folded = BY_NAME.get(text.toUpperCase());
  if (folded !== undefined) return accept(folded);
  return forbid(
    "method_not_allowed",
    `the method ${quote(text)} is never forwarded; known methods: ${listChoices(HTTP_METHODS)}`,
  );
}

/**
 * Tell whether a rule with these methods admits a method.
 *
 * HEAD is admitted where GET is: RFC 9110 section 9.3.2 makes it a GET whose content stays away, so whoever may
 * GET learns nothing by it, and clients that ask for a length first need no rule of their own.
 */
export function admitsMethod(methods: readonly string[], method: string): boolean {
  return methods.includes(method) || (method === "HEAD" && methods.includes("GET"));
}
