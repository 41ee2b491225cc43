import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  allows,
  HTTP_METHODS,
  hostMatches,
  matchPath,
  type PathRule,
  parseEnvelopeText,
  parseHost,
  parseHostPattern,
  parseMethod,
  parsePathRule,
  parseStrictJson,
  parseTarget,
  requestHeaders,
} from "../src/index.ts";

const RUNS = { numRuns: 3_000 };

// Pieces that matter to path parsers, so that random strings reach beyond the first check.
const piece = fc.constantFrom(
  ..."/ /a /ab a b .. . %2e %2E %2f %5c \\ ; ;x=1 ? # // : %25 25 2e %c3%a9 %c0%ae %EF%BC%8E".split(
    " ",
  ),
  ..."%00 %20 + & = [ ] ~ %7e %41 é \u2024 %E2%80%8B %E3%80%82 \t / v1 chat completions".split(" "),
  " ",
);
const path = fc.oneof(
  fc.array(piece, { maxLength: 14 }).map((pieces) => `/${pieces.join("")}`),
  fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join("")),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.webPath(),
);

const segment = fc.constantFrom("v1", "chat", "a", "ab", "completions", "{id}", "{id}.json", "x:y");
const rule = fc
  .record({
    methods: fc.subarray([...HTTP_METHODS], { minLength: 1 }),
    match: fc.constantFrom("prefix", "exact", "pattern"),
    path: fc.array(segment, { minLength: 0, maxLength: 3 }).map((parts) => `/${parts.join("/")}`),
    encodedSlash: fc.boolean(),
  })
  .map((made) => parsePathRule(made as PathRule))
  .filter((parsed) => parsed.ok)
  .map((parsed) => parsed.value);

/** What a server makes of a path that decodes, reads backslashes as slashes, and resolves dots. */
function resolved(wire: string): string {
  const out: string[] = [];
  for (const raw of decodeURIComponent(wire).normalize("NFKC").replaceAll("\\", "/").split("/")) {
    const name = (raw.split(";")[0] ?? "").replace(
      /[\s\p{Cc}\p{Default_Ignorable_Code_Point}]/gu,
      "",
    );
    if (name === "..") out.pop();
    else if (name !== "." && name !== "") out.push(raw);
  }
  return `/${out.join("/")}`;
}

describe("parseTarget", () => {
  it("G7: refuses a path or gives its canonical form, which is a fixed point", () => {
    fc.assert(
      fc.property(path, fc.boolean(), (raw, encodedSlash) => {
        const target = parseTarget(raw, { encodedSlash });
        if (!target.ok) return;
        const { path: canonical, query } = target.value;
        expect(canonical).toMatch(/^\/(?!\/)[\x21-\x7e]*$/);
        const again = raw.includes("?") ? `${canonical}?${query}` : canonical;
        expect(parseTarget(again, { encodedSlash })).toEqual(target);
      }),
      RUNS,
    );
  });

  it("G7: what is sent lies inside the prefix, also for a server that decodes and resolves", () => {
    fc.assert(
      fc.property(path, fc.constantFrom("/v1", "/v1/chat", "/a"), (raw, prefix) => {
        for (const text of [raw, `${prefix}${raw}`]) {
          const target = parseTarget(text);
          if (!target.ok || !matchPath({ match: "prefix", path: prefix }, target.value.path))
            continue;
          const seen = resolved(target.value.path);
          expect(seen === prefix || seen.startsWith(`${prefix}/`)).toBe(true);
        }
      }),
      RUNS,
    );
  });

  it("never throws, and refuses in words that are safe to print", () => {
    fc.assert(
      fc.property(fc.oneof(path, fc.string({ unit: "binary" })), (raw) => {
        const target = parseTarget(raw);
        if (!target.ok) expect(target.message).toMatch(/^[ -~…]{1,300}$/);
      }),
      RUNS,
    );
  });
});

describe("allows", () => {
  it("G7: admits a request only if the rule it names matches", () => {
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 4 }),
        fc.constantFrom(...HTTP_METHODS),
        path,
        (rules, method, raw) => {
          const target = parseTarget(raw);
          if (!target.ok) return;
          const allowed = allows(rules, method, target.value.path, target.value.query);
          if (!allowed.ok) return;
          const named = rules[allowed.value];
          expect(named !== undefined && matchPath(named, target.value.path)).toBe(true);
          // A HEAD is a GET without the content.
          const names = method === "HEAD" ? ["HEAD", "GET"] : [method];
          expect(named?.methods.some((name) => names.includes(name))).toBe(true);
        },
      ),
      RUNS,
    );
  });

  it("never turns a refusal into permission when a restriction is added", () => {
    const constraint = fc.record(
      {
        required: fc.dictionary(fc.constantFrom("a", "b"), fc.constantFrom("1", "2")),
        forbidden: fc.array(fc.constantFrom("a", "key")),
        allowed: fc.array(fc.constantFrom("a", "b", "c")),
      },
      { requiredKeys: [] },
    );
    const query = fc
      .array(fc.constantFrom("a=1", "b=2", "a", "key=1", "c=3", "%61=1", ";"), { maxLength: 4 })
      .map((pairs) => pairs.join("&"));
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(...HTTP_METHODS),
        path,
        query,
        fc.nat(),
        constraint,
        (rules, method, raw, text, which, query_) => {
          const target = parseTarget(raw);
          if (!target.ok) return;
          const ask = (list: readonly PathRule[]) =>
            allows(list, method, target.value.path, text).ok;
          if (ask(rules)) return;
          const index = which % rules.length;
          const chosen = rules[index] as PathRule;
          const replace = (narrowed: PathRule) =>
            rules.map((old, i) => (i === index ? narrowed : old));
          expect(ask(rules.filter((_, i) => i !== index))).toBe(false);
          expect(ask(replace({ ...chosen, methods: chosen.methods.slice(1) }))).toBe(false);
          expect(ask(replace({ ...chosen, query: query_ }))).toBe(false);
          expect(ask(replace({ ...chosen, encodedSlash: false }))).toBe(false);
          expect(ask(replace({ ...chosen, match: "exact" }))).toBe(false);
          expect(ask(replace({ ...chosen, path: `${chosen.path}/more` }))).toBe(false);
        },
      ),
      RUNS,
    );
  });
});

describe("requestHeaders", () => {
  const name = fc.oneof(
    fc.constantFrom(
      ..."Authorization x_api_key Cookie Host Connection X-Acme accept x.acme".split(" "),
    ),
    fc.string({ unit: "binary", maxLength: 12 }),
  );
  const header = fc.record({ name, value: fc.string({ unit: "binary", maxLength: 20 }) });

  it("G6: passes only clean lines, each name once, and none that is managed", () => {
    fc.assert(
      fc.property(fc.array(header, { maxLength: 5 }), (headers) => {
        const decided = requestHeaders(headers, { managed: ["x-acme"] });
        if (!decided.ok) return;
        const names = decided.value.map((passed) => passed.name.replace(/[._]/g, "-"));
        expect(new Set(names).size).toBe(names.length);
        for (const managed of ["x-acme", "authorization", "x-api-key", "cookie", "host"]) {
          expect(names).not.toContain(managed);
        }
        for (const passed of decided.value) {
          expect(passed.name).toMatch(/^[!#$%&'*+.^_`|~0-9a-z-]+$/);
          expect(passed.value).not.toMatch(/[^\t -~\u00a0-\u00ff]|^[ \t]|[ \t]$/);
        }
      }),
      RUNS,
    );
  });

  it("refuses more when more is managed", () => {
    fc.assert(
      fc.property(
        fc.array(header, { maxLength: 4 }),
        fc.array(name, { maxLength: 3 }),
        (headers, managed) => {
          if (requestHeaders(headers, { managed: [] }).ok) return;
          expect(requestHeaders(headers, { managed }).ok).toBe(false);
        },
      ),
      RUNS,
    );
  });
});

describe("hosts", () => {
  it("G5: a host is a fixed point, and covered only by its own name or a wildcard above it", () => {
    const label = fc.constantFrom(
      "api",
      "a",
      "xn--bcher-kva",
      "com",
      "evil",
      "1",
      "-",
      "",
      "*",
      "A",
    );
    const host = fc.oneof(
      fc.array(label, { maxLength: 5 }).map((labels) => labels.join(".")),
      fc.domain(),
      fc.string({ unit: "binary", maxLength: 20 }),
    );
    fc.assert(
      fc.property(host, host, (text, other) => {
        const parsed = parseHost(text);
        if (parsed.ok) {
          expect(parseHost(parsed.value)).toEqual(parsed);
          // The WHATWG parser is the one thing a host must survive unchanged.
          expect(new URL(`https://${parsed.value}/`).host).toBe(parsed.value);
        }
        const pattern = parseHostPattern(other);
        if (!pattern.ok || !hostMatches(pattern.value, text)) return;
        const lower = text.toLowerCase();
        const { host: covered, wildcard } = pattern.value;
        expect(wildcard ? lower.endsWith(`.${covered}`) : lower === covered).toBe(true);
      }),
      RUNS,
    );
  });
});

describe("parseStrictJson", () => {
  it("reads what JSON.stringify writes, and agrees with JSON.parse on whatever it accepts", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        const parsed = parseStrictJson(Buffer.from(text));
        const plain: unknown = JSON.parse(text);
        if (parsed.ok) expect(JSON.parse(JSON.stringify(parsed.value))).toEqual(plain);
        else expect(parsed.message).toMatch(/__proto__|half a character/);
      }),
      RUNS,
    );
  });

  it("accepts no text that JSON.parse refuses", () => {
    const token = fc.constantFrom(
      ...'{ } [ ] , : "a" "b" 1 -0 1e5 true null "\\u0041" " \\ 01 .5 //'.split(" "),
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 9 }), (tokens) => {
        const text = tokens.join("");
        if (parseStrictJson(Buffer.from(text)).ok) expect(() => JSON.parse(text)).not.toThrow();
      }),
      RUNS,
    );
  });
});

describe("totality", () => {
  it("never throws on any bytes or method", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60 }),
        fc.string({ unit: "binary" }),
        (bytes, text) => {
          parseEnvelopeText(bytes);
          parseMethod(text);
          parseHostPattern(text);
        },
      ),
      RUNS,
    );
  });
});
