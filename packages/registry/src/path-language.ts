/**
 * What paths a rule stands for, and whether two rules have a request in common. The broker matches real
 * requests with `@aivault/policy`; this is for judging definitions, where both agree by test.
 */

import type { HttpMethod, PathRule } from "./provider.ts";

/** One segment: literal text, or text around a gap (`pre{…}post`). */
interface Segment {
  readonly pre: string;
  readonly post: string;
  /** Fewest characters in the gap; null for literal text. */
  readonly gap: number | null;
}

interface PathLanguage {
  readonly segments: readonly Segment[];
  /** True when the path may go on with `/` and anything. */
  readonly open: boolean;
}

function segmentOf(text: string, match: PathRule["match"]): Segment {
  const gap = match === "pattern" ? /^([^{}]*)\{[a-z_]+\}([^{}]*)$/.exec(text) : null;
  return gap === null
    ? { pre: text, post: "", gap: null }
    : { pre: gap[1] ?? "", post: gap[2] ?? "", gap: 1 };
}

function languageOf(rule: Pick<PathRule, "match" | "path">): PathLanguage {
  const segments = rule.path
    .slice(1)
    .split("/")
    .map((text) => segmentOf(text, rule.match));
  const last = segments.at(-1);
  if (rule.match !== "prefix") {
    const tail = rule.match === "pattern" && /^\{[a-z_]+\+\}$/.test(last?.pre ?? "");
    if (!tail) return { segments, open: false };
    return { segments: [...segments.slice(0, -1), { pre: "", post: "", gap: 1 }], open: true };
  }
  if (last !== undefined && /(?:^|[.:])$/.test(last.pre)) {
    // The prefix ends in `/`, `.` or `:`, so its last segment may go on.
    return { segments: [...segments.slice(0, -1), { ...last, gap: 0 }], open: true };
  }
  return { segments, open: true };
}

function segmentHolds(segment: Segment, text: string): boolean {
  if (segment.gap === null) return segment.pre === text;
  return (
    text.length >= segment.pre.length + segment.gap + segment.post.length &&
    text.startsWith(segment.pre) &&
    text.endsWith(segment.post)
  );
}

function segmentsMeet(a: Segment, b: Segment): boolean {
  if (a.gap === null) return segmentHolds(b, a.pre);
  if (b.gap === null) return segmentHolds(a, b.pre);
  return (
    (a.pre.startsWith(b.pre) || b.pre.startsWith(a.pre)) &&
    (a.post.endsWith(b.post) || b.post.endsWith(a.post))
  );
}

/** A HEAD goes where a GET does: RFC 9110 section 9.3.2. */
function methodsOf({ methods }: PathRule): readonly HttpMethod[] {
  return methods.includes("GET") && !methods.includes("HEAD") ? [...methods, "HEAD"] : methods;
}

/** Tells whether a rule admits a method and a path (no query); its query constraint is not looked at. */
export function ruleAdmits(rule: PathRule, method: HttpMethod, path: string): boolean {
  if (!methodsOf(rule).includes(method)) return false;
  const { segments, open } = languageOf(rule);
  const actual = path.slice(1).split("/");
  if (actual.length < segments.length || (actual.length > segments.length && !open)) return false;
  return segments.every((segment, i) => segmentHolds(segment, actual[i] ?? ""));
}

/** Tells whether query constraints keep two rules apart. */
function queriesExclude(a: PathRule, b: PathRule): boolean {
  return [
    [a, b],
    [b, a],
  ].some(([one, other]) =>
    Object.entries(one?.query?.required ?? {}).some(([name, value]) => {
      const required = other?.query?.required?.[name];
      return (
        (required !== undefined && required !== value) ||
        (other?.query?.forbidden?.includes(name) ?? false) ||
        (other?.query?.allowed !== undefined &&
          required === undefined &&
          !other.query.allowed.includes(name))
      );
    }),
  );
}

/** Tells whether some request satisfies both rules; may say so of a few pairs that never meet. */
export function rulesOverlap(a: PathRule, b: PathRule): boolean {
  const methods = methodsOf(b);
  if (!methodsOf(a).some((method) => methods.includes(method)) || queriesExclude(a, b))
    return false;
  const one = languageOf(a);
  const other = languageOf(b);
  const shared = Math.min(one.segments.length, other.segments.length);
  for (let i = 0; i < shared; i++) {
    const left = one.segments[i];
    const right = other.segments[i];
    if (left !== undefined && right !== undefined && !segmentsMeet(left, right)) return false;
  }
  if (one.segments.length === other.segments.length) return true;
  return one.segments.length < other.segments.length ? one.open : other.open;
}
