import { describe, expect, it } from "vitest";
import { ruleAdmits, rulesOverlap } from "./path-language.ts";
import type { PathRule } from "./provider.ts";

const rule = (match: PathRule["match"], path: string, query?: PathRule["query"]): PathRule => ({
  methods: ["GET"],
  match,
  path,
  ...(query === undefined ? {} : { query }),
});

describe("ruleAdmits", () => {
  it.each([
    ["prefix", "/v1/files", ["/v1/files", "/v1/files/", "/v1/files/a/b"], ["/v1/files2", "/v1"]],
    ["prefix", "/api/views.", ["/api/views.open", "/api/views.", "/api/views.x/y"], ["/api/views"]],
    ["prefix", "/v1/p:", ["/v1/p:search"], ["/v1/p", "/v1/px"]],
    ["prefix", "/a/", ["/a/", "/a/b", "/a/b/c"], ["/a", "/ab"]],
    ["prefix", "/", ["/", "/a", "/a/b"], []],
    ["exact", "/graphql", ["/graphql"], ["/graphql/", "/graphqlx", "/graphql/x"]],
    ["exact", "/", ["/"], ["/a"]],
    ["pattern", "/a/{id}", ["/a/b", "/a/b:c"], ["/a", "/a/", "/a/b/c", "/a/b/"]],
    ["pattern", "/m/{m}:run", ["/m/x:run", "/m/x:y:run"], ["/m/:run", "/m/x:walk", "/m/x:run/"]],
    ["pattern", "/s/{id}.json", ["/s/1.json"], ["/s/.json", "/s/1.xml"]],
    ["pattern", "/r/{o}/c/{path+}", ["/r/o/c/a", "/r/o/c/a/b/c"], ["/r/o/c", "/r/o/c/", "/r//c/a"]],
  ] as const)("matches the %s %s", (match, path, admitted, refused) => {
    for (const actual of admitted) expect(ruleAdmits(rule(match, path), "GET", actual)).toBe(true);
    for (const actual of refused) expect(ruleAdmits(rule(match, path), "GET", actual)).toBe(false);
    for (const actual of admitted)
      expect(ruleAdmits(rule(match, path), "POST", actual)).toBe(false);
  });
});

describe("rulesOverlap", () => {
  it.each([
    [rule("prefix", "/a"), rule("exact", "/a/b"), true],
    [rule("prefix", "/a"), rule("exact", "/ab"), false],
    [rule("prefix", "/a"), rule("prefix", "/a/b/c"), true],
    [rule("prefix", "/x."), rule("exact", "/x.y"), true],
    [rule("prefix", "/x."), rule("exact", "/x"), false],
    [rule("pattern", "/a/{id}"), rule("exact", "/a/b"), true],
    [rule("pattern", "/a/{id}"), rule("exact", "/a/b/c"), false],
    [rule("pattern", "/a/{id}:run"), rule("pattern", "/a/{id}:walk"), false],
    [rule("pattern", "/a/{id}:run"), rule("pattern", "/a/{id}"), true],
    [rule("pattern", "/a/{id}/x"), rule("pattern", "/a/b/{id}"), true],
    [rule("pattern", "/a/b/{path+}"), rule("exact", "/a/b/c/d"), true],
    [rule("pattern", "/a/b/{path+}"), rule("exact", "/a/b"), false],
    [
      rule("exact", "/a", { required: { m: "1" } }),
      rule("exact", "/a", { forbidden: ["m"] }),
      false,
    ],
    [rule("exact", "/a", { required: { m: "1" } }), rule("exact", "/a"), true],
    [rule("exact", "/a", { required: { m: "1" } }), rule("exact", "/a", { allowed: [] }), false],
  ])("case %#", (a, b, expected) => {
    expect(rulesOverlap(a, b)).toBe(expected);
    expect(rulesOverlap(b, a)).toBe(expected);
  });

  it("sees no overlap between rules for different methods", () => {
    expect(rulesOverlap(rule("prefix", "/a"), { ...rule("prefix", "/a"), methods: ["POST"] })).toBe(
      false,
    );
  });
});
