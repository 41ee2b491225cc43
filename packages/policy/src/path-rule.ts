import { admitsMethod, type HttpMethod } from "./method.ts";
import { type QueryConstraint, satisfiesQuery } from "./query.ts";
import { accept, forbid, invalid, listChoices, quote, type Result } from "./result.ts";
import { parseTarget } from "./target.ts";

/** How {@link PathRule.path} is compared. */
export type PathMatch = "prefix" | "exact" | "pattern";

/** One path rule of a capability; a request must satisfy at least one rule completely. */
export interface PathRule {
  readonly methods: readonly string[];
  /**
   * - `prefix`: the path itself, or the path followed by `/` and anything. A prefix that ends in `/`,
   *   `.` or `:` matches any continuation (Slack's `/api/chat.`).
   * - `exact`: the path and nothing else.
   * - `pattern`: segment by segment, where `{name}` stands for one or more characters other than `/`. A
   *   segment has at most one, and may have literal text around it (`{model}:generateContent`). The last
   *   segment may be `{name+}`: one or more segments, the first of them not empty.
   */
  readonly match: PathMatch;
  readonly path: string;
  readonly query?: QueryConstraint;
  /** The rule also admits `%2F` inside a segment; see {@link TargetOptions}. Default false. */
  readonly encodedSlash?: boolean;
}

/**
 * Check a rule as an operator or a registry entry states it.
 *
 * @returns The rule, with its path in canonical form. An empty path is refused: allowing everything is
 * said with `/`.
 */
export function parsePathRule<R extends PathRule>(rule: R): Result<R> {
  if (!MATCHES.includes(rule.match)) return invalid(`${quote(rule.match)} is not a way to match`);
  if (rule.methods.length === 0) return invalid(`the rule ${quote(rule.path)} names no method`);
  if (rule.path === "") return invalid("a rule has an empty path; `/` means every path");
  if (rule.match !== "pattern") {
    const target = parseTarget(rule.path);
    if (!target.ok) return target;
    if (rule.path.includes("?")) return invalid(`the rule ${quote(rule.path)} contains a query`);
    return accept({ ...rule, path: target.value.path });
  }
  const segments = rule.path.split("/");
  for (const [index, segment] of segments.entries()) {
    const isRest = index > 0 && index === segments.length - 1 && REST_SEGMENT.test(segment);
    if (!isRest && !PATTERN_SEGMENT.test(segment)) {
      return invalid(`the segment ${quote(segment)} of a pattern is not text around one {name}`);
    }
  }
  // The literal text must be canonical already: with a placeholder in it, nothing can be moved.
  const literal = rule.path.replaceAll(PLACEHOLDER, "x");
  const target = parseTarget(literal);
  if (!target.ok) return target;
  if (target.value.path !== literal) {
    return invalid(`the pattern ${quote(rule.path)} is percent-encoded where it need not be`);
  }
  return accept(rule);
}

const MATCHES: readonly string[] = ["prefix", "exact", "pattern"];
const PATTERN_SEGMENT = /^[^{}]*(?:\{[A-Za-z][A-Za-z0-9_]*\}[^{}]*)?$/;
const REST_SEGMENT = /^\{[A-Za-z][A-Za-z0-9_]*\+\}$/;
const PLACEHOLDER = /\{[A-Za-z][A-Za-z0-9_]*\+?\}/g;

/**
 * Whether a rule's path matches a request's.
 *
 * G7: on segment boundaries, case-sensitively, and on the string that will be sent. A rule that is not
 * understood matches nothing.
 *
 * @param path - {@link Target.path}.
 */
export function matchPath(
  rule: { readonly match: PathMatch; readonly path: string; readonly encodedSlash?: boolean },
  path: string,
): boolean {
  if (rule.path.charCodeAt(0) !== SLASH || path.charCodeAt(0) !== SLASH) return false;
  if (rule.encodedSlash !== true && path.includes("%2F")) return false;
  switch (rule.match) {
    case "exact":
      return path === rule.path;
    case "prefix":
      return matchPrefix(rule.path, path);
    case "pattern":
      return matchPattern(rule.path, path);
    default:
      return false;
  }
}

const SLASH = 0x2f;

function matchPrefix(prefix: string, path: string): boolean {
  if (!path.startsWith(prefix)) return false;
  if (path.length === prefix.length) return true;
  // Without the boundary `/user` would admit `/users`.
  return prefix.endsWith("/") || prefix.endsWith(".") || prefix.endsWith(":")
    ? true
    : path.charCodeAt(prefix.length) === SLASH;
}

function matchPattern(pattern: string, path: string): boolean {
  let p = 1;
  let s = 1;
  for (;;) {
    const patternEnd = segmentEnd(pattern, p);
    const end = segmentEnd(path, s);
    const last = patternEnd === pattern.length;
    // `{name+}` takes all that is left, provided that something is.
    if (last && pattern.endsWith("+}")) return end > s;
    if (!matchSegment(pattern.slice(p, patternEnd), path.slice(s, end))) return false;
    if (last || end === path.length) return last && end === path.length;
    p = patternEnd + 1;
    s = end + 1;
  }
}

function segmentEnd(path: string, start: number): number {
  const slash = path.indexOf("/", start);
  return slash === -1 ? path.length : slash;
}

function matchSegment(pattern: string, segment: string): boolean {
  const open = pattern.indexOf("{");
  if (open === -1) return pattern === segment;
  const close = pattern.indexOf("}", open);
  if (close === -1) return false;
  const before = pattern.slice(0, open);
  const after = pattern.slice(close + 1);
  return (
    segment.length > before.length + after.length &&
    segment.startsWith(before) &&
    segment.endsWith(after)
  );
}

/**
 * Find the rule that admits a request.
 *
 * @param rules - In the operator's order. None admits nothing.
 * @param method - From {@link parseMethod}.
 * @param path - {@link Target.path}.
 * @param query - {@link Target.query}. A rule with a query constraint never matches without it.
 * @returns The index of the first rule that is satisfied completely; otherwise `path_not_allowed`, or
 * `method_not_allowed` when another method would have been admitted for this path.
 */
export function allows(
  rules: readonly PathRule[],
  method: HttpMethod,
  path: string,
  query?: string,
): Result<number> {
  let methods: string[] | null = null;
  let queryRefused = false;
  for (const [index, rule] of rules.entries()) {
    if (!matchPath(rule, path)) continue;
    if (!admitsMethod(rule.methods, method)) {
      methods ??= [];
      for (const name of rule.methods) if (!methods.includes(name)) methods.push(name);
      continue;
    }
    if (rule.query !== undefined && (query === undefined || !satisfiesQuery(rule.query, query))) {
      queryRefused = true;
      continue;
    }
    return accept(index);
  }
  if (queryRefused) {
    return forbid(
      "path_not_allowed",
      `the query does not satisfy the rule for ${quote(path)}; see the capability's description`,
    );
  }
  if (methods !== null) {
    return forbid(
      "method_not_allowed",
      `${method} is not allowed for ${quote(path)}; allowed: ${listChoices(methods)}`,
    );
  }
  return forbid(
    "path_not_allowed",
    `${quote(path)} is outside the capability; allowed: ${listChoices(rules.map(describeRule))}`,
  );
}

function describeRule(rule: PathRule): string {
  return rule.match === "prefix" && !rule.path.endsWith("/") ? `${rule.path}[/…]` : rule.path;
}

/**
 * Refuse a caller's path that begins like the part a `path` credential puts in front (`/bot…`).
 *
 * The rule's own path decides first; this keeps a capability with a wide rule from letting a caller put
 * its own credential there (G6).
 *
 * @param path - {@link Target.path}.
 * @param template - The credential's, for example `/bot{{secret}}`.
 */
export function managedPathConflict(path: string, template: string): Result<null> {
  const fixed = (template.split("{{", 1)[0] as string).toLowerCase();
  if (fixed.length > 1 && path.toLowerCase().startsWith(fixed)) {
    return forbid(
      "path_not_allowed",
      `the path begins with ${quote(fixed)}, which the credential adds itself; leave it out`,
    );
  }
  return accept(null);
}
