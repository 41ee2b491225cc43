import { decodePercent } from "./percent.ts";
import { type Denial, forbid, quote } from "./result.ts";

/** What a rule demands of a request's query. Names and values are compared after percent-decoding. */
export interface QueryConstraint {
  /** Parameters that must be present exactly once, with exactly this value. */
  readonly required?: Readonly<Record<string, string>>;
  /** Parameters that must not be present, in any disguise. */
  readonly forbidden?: readonly string[];
  /** The only parameters that may be present, besides the required ones. */
  readonly allowed?: readonly string[];
}

/** A parameter, decoded. */
export type QueryPair = readonly [name: string, value: string];

/**
 * The parameters of a query, decoded as HTML forms do (`+` is a space), in order.
 *
 * @param query - {@link Target.query}. Empty pairs (`&&`) are left out.
 */
export function queryPairs(query: string): readonly QueryPair[] {
  const pairs: QueryPair[] = [];
  for (const pair of query.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    pairs.push(
      equals === -1
        ? [decodeForm(pair), ""]
        : [decodeForm(pair.slice(0, equals)), decodeForm(pair.slice(equals + 1))],
    );
  }
  return pairs;
}

/**
 * Parameters that are a credential wherever they appear: OAuth bearer tokens (RFC 6750 §2.3) and the
 * signing families of AWS and Google. A caller may not send them, whichever credential is used.
 */
export const AUTH_QUERY_NAMES: readonly string[] = [
  "access_token",
  "oauth_token",
  "oauth_signature",
  "x-amz-algorithm",
  "x-amz-credential",
  "x-amz-security-token",
  "x-amz-signature",
  "x-goog-algorithm",
  "x-goog-credential",
  "x-goog-signature",
];

const PLAIN_NAME = /^[a-z0-9_-]*$/;
const INVISIBLE = /[\p{Cc}\p{Default_Ignorable_Code_Point}]+/gu;

const AUTH_QUERY_KEYS: ReadonlySet<string> = new Set(AUTH_QUERY_NAMES.map(nameKey));

/**
 * Refuse a query that carries a parameter the credential manages, in any disguise (G6): other case,
 * percent-encoding, `name[]`, `name[0]`, `;` as separator, white space or controls around or inside, and
 * `.`, `[` or space where the name has `_` (PHP).
 *
 * @param query - {@link Target.query}.
 * @param managed - Parameter names the credential adds, and further names the provider takes a
 * credential in. {@link AUTH_QUERY_NAMES} are always included.
 * @returns `auth_query_rejected`, or null.
 */
export function managedQueryConflict(query: string, managed: readonly string[]): Denial | null {
  if (query === "") return null;
  const keys = managed.length === 0 ? NO_KEYS : new Set(managed.map(nameKey));
  for (const pair of query.split(/[&;]/)) {
    const equals = pair.indexOf("=");
    const name = equals === -1 ? pair : pair.slice(0, equals);
    for (const key of nameKeys(name)) {
      if (keys.has(key) || AUTH_QUERY_KEYS.has(key)) {
        return forbid(
          "auth_query_rejected",
          `the query parameter ${quote(key)} carries a credential; the broker adds it, leave it out`,
        );
      }
    }
  }
  return null;
}

const NO_KEYS: ReadonlySet<string> = new Set();
const DECODES_MAX = 3;

/** Every name a server could make of a parameter name, in comparable form. */
function nameKeys(raw: string): readonly string[] {
  if (PLAIN_NAME.test(raw)) return [raw];
  const keys: string[] = [];
  let name: string | null = raw;
  // More than once: a gateway in front of the provider may have decoded already.
  for (let i = 0; i < DECODES_MAX && name !== null; i++) {
    const decoded: string | null = i === 0 ? decodeForm(name) : decodeAgain(name);
    if (decoded === null) break;
    const trimmed = decoded.replace(/^\?+/, "");
    keys.push(nameKey(trimmed), nameKey(trimmed.split("[", 1)[0] as string));
    name = decoded.includes("%") ? decoded : null;
  }
  return keys;
}

function nameKey(name: string): string {
  if (PLAIN_NAME.test(name)) return name;
  return name
    .normalize("NFKC")
    .replace(INVISIBLE, "")
    .trim()
    .toLowerCase()
    .replace(/[.[\s]/g, "_");
}

function decodeAgain(name: string): string | null {
  return /%(?![0-9A-Fa-f]{2})/.test(name) ? null : decodePercent(name);
}

/** Decode one name or value of a query that {@link parseTarget} accepted. */
function decodeForm(text: string): string {
  // The bytes were checked to be UTF-8 as a whole; cut apart at `&` and `=` they may not be.
  return decodePercent(text.replaceAll("+", " ")) ?? text;
}

/**
 * Whether a query satisfies a rule's constraint.
 *
 * @param query - {@link Target.query}.
 */
export function satisfiesQuery(constraint: QueryConstraint, query: string): boolean {
  const pairs = queryPairs(query);
  const required = Object.entries(constraint.required ?? {});
  // Every name that a server may see, also one that splits at semicolons or decodes twice.
  const seen = query.split(/[&;]/).map((pair) => nameKeys(pair.split("=", 1)[0] as string));
  for (const [name, value] of required) {
    const given = pairs.filter(([other]) => other === name);
    const key = nameKey(name);
    const times = seen.filter((keys) => keys.includes(key)).length;
    if (times !== 1 || given[0]?.[1] !== value) return false;
  }
  if (constraint.forbidden !== undefined) {
    const forbidden = new Set(constraint.forbidden.map(nameKey));
    if (seen.some((keys) => keys.some((key) => forbidden.has(key)))) return false;
  }
  if (constraint.allowed !== undefined) {
    const allowed = new Set([...constraint.allowed, ...required.map(([name]) => name)]);
    // A semicolon would let a server that splits there see names that were not compared.
    if (query.includes(";") || pairs.some(([name]) => !allowed.has(name))) return false;
  }
  return true;
}
