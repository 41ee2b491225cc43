import {
  allows,
  managedQueryConflict,
  matchPath,
  type PathRule,
  parsePathRule,
  parseTarget,
} from "@aivault/policy";
import { corpusCases, short } from "../corpora.ts";
import { mutateText } from "../mutate.ts";
import { demand, kindOf, type Target } from "../target.ts";

/** A path as a caller writes it, and the rule it is held against. */
interface Input {
  readonly path: string;
  readonly rule: PathRule;
}

const TOKENS = [
  ..."/ // . .. ... ; ;x= ? # % %2f %2F %5c %2e %252e %00 %0a %20 + & = [ ] [] \\ @ : ~ * ' ,".split(
    " ",
  ),
  ..."%c0%ae %e2%80%8b %ef%bc%8f %e3%80%82 %EF%BC%8E %cc%81 %f0%9f%9a%80 %ed%a0%80 \u2024 \uff0f".split(
    " ",
  ),
  ..."/v1/files /../ /./ /..;/ key= key[]= api_key access_token= {id}".split(" "),
];

const RULES = [
  ...["/", "/v1", "/v1/files", "/api/chat.", "/v1/models:", "/v1/files/"].map((path) =>
    rule("prefix", path),
  ),
  ...["/v1/files", "/v1/a%20b"].map((path) => rule("exact", path)),
  ...["/v1/{id}", "/v1/files/{id}/content", "/v1/{model}:generate", "/repos/{owner}/{path+}"].map(
    (path) => rule("pattern", path),
  ),
];

function rule(match: PathRule["match"], path: string): PathRule {
  return { methods: ["GET"], match, path };
}

/** What a credential in the query is named here. */
const MANAGED = ["key", "api_key"];

/** Path building: what is sent lies inside the rule, for whoever reads it. */
export const pathTarget: Target<Input> = {
  name: "path",
  seeds: short(corpusCases("path").map(({ input }) => input.path)).flatMap((path, at) => [
    { path, rule: RULES[at % RULES.length] as PathRule },
    { path, rule: rule("prefix", corpusCases("path")[at]?.input.prefixes?.[0] ?? "/") },
  ]),
  mutate(random, { path, rule: given }, pool) {
    const paths = [random.pick(pool).path, random.pick(pool).path];
    const changed = random.chance(0.9) ? mutateText(random, path, paths, TOKENS) : path;
    const text = random.chance(0.5) && !changed.startsWith("/") ? `/${changed}` : changed;
    return {
      path: random.chance(0.2) ? given.path + text : text,
      rule: random.chance(0.3)
        ? { ...random.pick(RULES), ...(random.chance(0.3) ? { encodedSlash: true } : {}) }
        : random.chance(0.05)
          ? { ...given, path: mutateText(random, given.path, paths, TOKENS) }
          : given,
    };
  },
  check({ path: raw, rule: stated }) {
    const parsedRule = parsePathRule(stated);
    if (!parsedRule.ok) return `rule: ${kindOf(parsedRule.message)}`;
    const again = parsePathRule(parsedRule.value);
    demand(again.ok && again.value.path === parsedRule.value.path, "a rule is not a fixed point");
    const { encodedSlash = false } = parsedRule.value;
    const target = parseTarget(raw, { encodedSlash });
    if (!target.ok) return kindOf(target.message);
    const { path, query } = target.value;
    demand(/^\/(?!\/)[\x21-\x7e]*$/.test(path), "sends something other than printable ASCII");
    const repeated = parseTarget(raw.includes("?") ? `${path}?${query}` : path, { encodedSlash });
    demand(
      repeated.ok && repeated.value.path === path && repeated.value.query === query,
      "the canonical form is not a fixed point",
    );
    const url = new URL(`https://host.example${path}?${query}`);
    demand(url.host === "host.example", "a URL parser reads another host");
    demand(url.pathname === path, "a URL parser reads another path");
    demand(url.hash === "", "a URL parser reads a fragment");
    const conflict = managedQueryConflict(query, MANAGED);
    if (conflict === null) {
      for (const name of url.searchParams.keys()) {
        demand(!MANAGED.includes(name.trim().toLowerCase()), "a managed parameter passes");
      }
    }
    const allowed = allows([parsedRule.value], "GET", path, query);
    demand(allowed.ok === matchPath(parsedRule.value, path), "two answers about one path");
    if (!allowed.ok) return `no: ${conflict === null}`;
    for (const seen of readings(path)) {
      demand(
        lies(seen, parsedRule.value),
        `a server that reads ${JSON.stringify(seen)} leaves the rule`,
      );
    }
    return `yes: ${parsedRule.value.match} ${conflict === null} ${path.includes("%")} ${query !== ""}`;
  },
};

/** What servers make of a path: decoded or not, `\` as `/`, without parameters, dots resolved. */
function readings(path: string): readonly string[] {
  const decoded = decodeURIComponent(path);
  const forms = [path, decoded, decoded.normalize("NFKC"), decoded.replaceAll("\\", "/")];
  return [...new Set(forms.flatMap((form) => [resolve(form, false), resolve(form, true)]))];
}

function resolve(path: string, cutsParameters: boolean): string {
  const out: string[] = [];
  for (const raw of path.split("/").slice(1)) {
    const name = cutsParameters ? (raw.split(";", 1)[0] as string) : raw;
    const bare = name.replaceAll(/[\s\p{Cc}\p{Default_Ignorable_Code_Point}]/gu, "");
    if (bare === "..") out.pop();
    else if (bare !== ".") out.push(name);
  }
  return `/${out.join("/")}`;
}

/** Whether a reading is under the literal beginning of a rule, on a boundary. */
function lies(seen: string, { match, path }: PathRule): boolean {
  const literal = match === "pattern" ? path.replace(/[^/]*\{.*$/s, "") : path;
  const decoded = decodeURIComponent(literal);
  for (const start of [literal, decoded, resolve(decoded, true)]) {
    if (seen === start || /[/.:]$/.test(start)) {
      if (seen.startsWith(start)) return true;
    } else if (seen.startsWith(`${start}/`) || seen.startsWith(`${start};`)) return true;
  }
  return false;
}
