import { describe, expect, it } from "vitest";
import {
  allows,
  managedPathConflict,
  matchPath,
  type PathRule,
  parsePathRule,
} from "./path-rule.ts";

const rule = (match: PathRule["match"], path: string, methods = ["GET"]): PathRule => ({
  methods,
  match,
  path,
});
const denied = (reason: string) =>
  expect.objectContaining({ ok: false, code: "policy_violation", reason });

describe("matchPath", () => {
  it("G7: matches nothing that does not begin with a slash", () => {
    for (const match of ["prefix", "exact", "pattern"] as const) {
      expect(matchPath({ match, path: "/{id}" }, "xabc")).toBe(false);
      expect(matchPath({ match, path: "x{id}" }, "/abc")).toBe(false);
      expect(matchPath({ match, path: "/a" }, "")).toBe(false);
    }
  });

  it.each([
    ["prefix", "/user", "/user", true],
    ["prefix", "/user", "/user/", true],
    ["prefix", "/user", "/user/keys", true],
    ["prefix", "/user", "/users", false],
    ["prefix", "/user", "/user.json", false],
    ["prefix", "/user", "/user;x", false],
    ["prefix", "/user", "/User", false],
    ["prefix", "/user", "/use", false],
    ["prefix", "/api/chat.", "/api/chat.postMessage", true],
    ["prefix", "/api/chat.", "/api/chats", false],
    ["prefix", "/v1/places:", "/v1/places:search", true],
    ["prefix", "/v3/", "/v3/x", true],
    ["prefix", "/v3/", "/v3", false],
    ["prefix", "/", "/anything", true],
    ["prefix", "", "/anything", false],
    ["exact", "/me", "/me", true],
    ["exact", "/me", "/me/", false],
    ["exact", "/me", "/me/x", false],
    ["pattern", "/repos/{owner}/{repo}/issues", "/repos/a/b/issues", true],
    ["pattern", "/repos/{owner}/{repo}/issues", "/repos/a/b/issues/1", false],
    ["pattern", "/repos/{owner}/{repo}/issues", "/repos/a/issues", false],
    ["pattern", "/repos/{owner}/{repo}", "/repos//b", false],
    ["pattern", "/repos/{owner}", "/repos/", false],
    ["pattern", "/models/{m}:generate", "/models/x:generate", true],
    ["pattern", "/models/{m}:generate", "/models/:generate", false],
    ["pattern", "/models/{m}:generate", "/models/x:delete", false],
    ["pattern", "/a{x}a", "/aa", false],
    ["pattern", "/a{x}a", "/aba", true],
    ["pattern", "/calls/{sid}.json", "/calls/1.json", true],
    ["pattern", "/r/{o}/contents/{path+}", "/r/a/contents/x", true],
    ["pattern", "/r/{o}/contents/{path+}", "/r/a/contents/x/y/z.txt", true],
    ["pattern", "/r/{o}/contents/{path+}", "/r/a/contents", false],
    ["pattern", "/r/{o}/contents/{path+}", "/r/a/contents/", false],
    ["pattern", "/r/{o}/contents/{path+}", "/r/a/contents//x", false],
    ["pattern", "/r/{o}/contents/{path+}", "/r/a/b/contents/x", false],
  ] as const)("G7: %s %s and %s: %s", (match, path, given, expected) => {
    expect(matchPath({ match, path }, given)).toBe(expected);
  });

  it("matches nothing with a rule it does not understand", () => {
    expect(matchPath({ match: "glob" as "exact", path: "/a" }, "/a")).toBe(false);
  });

  it("admits an encoded slash only where the rule says so", () => {
    const pattern = rule("pattern", "/projects/{id}/issues");
    expect(matchPath(pattern, "/projects/a%2Fb/issues")).toBe(false);
    expect(matchPath({ ...pattern, encodedSlash: true }, "/projects/a%2Fb/issues")).toBe(true);
    expect(matchPath(rule("prefix", "/"), "/projects/a%2Fb")).toBe(false);
  });
});

describe("parsePathRule", () => {
  it("puts the path in canonical form", () => {
    expect(parsePathRule(rule("prefix", "/%61/b"))).toEqual({
      ok: true,
      value: rule("prefix", "/a/b"),
    });
    const pattern = rule("pattern", "/a/{b}.json");
    expect(parsePathRule(pattern)).toEqual({ ok: true, value: pattern });
  });

  it.each([
    ["an empty path", rule("prefix", "")],
    ["a path without a slash", rule("exact", "a")],
    ["a query", rule("exact", "/a?b")],
    ["an empty query", rule("exact", "/a?")],
    ["a dot segment", rule("prefix", "/a/../b")],
    ["no method", rule("prefix", "/a", [])],
    ["an unknown match", rule("glob" as "exact", "/a")],
    ["two placeholders in a segment", rule("pattern", "/{a}{b}")],
    ["an open placeholder", rule("pattern", "/{a")],
    ["a placeholder of many segments before the last", rule("pattern", "/{a+}/b")],
    ["a placeholder of many segments with text", rule("pattern", "/x{a+}")],
    ["a placeholder without a name", rule("pattern", "/{}")],
    ["braces in a prefix", rule("prefix", "/{a}")],
    ["a needless escape in a pattern", rule("pattern", "/%61/{b}")],
  ])("refuses %s", (_, bad) => {
    expect(parsePathRule(bad).ok).toBe(false);
  });
});

describe("allows", () => {
  const rules = [
    rule("exact", "/v1/models"),
    rule("prefix", "/v1/chat", ["POST"]),
    { ...rule("exact", "/search"), query: { required: { mode: "safe" } } },
  ];

  it("names the rule that admits the request", () => {
    expect(allows(rules, "GET", "/v1/models")).toEqual({ ok: true, value: 0 });
    expect(allows(rules, "POST", "/v1/chat/x")).toEqual({ ok: true, value: 1 });
    expect(allows(rules, "GET", "/search", "mode=safe")).toEqual({ ok: true, value: 2 });
  });

  it("says which methods or paths there are", () => {
    const method = allows(rules, "DELETE", "/v1/chat/x");
    expect(method).toEqual(denied("method_not_allowed"));
    expect(!method.ok && method.message).toContain("POST");
    const path = allows(rules, "GET", "/v2");
    expect(path).toEqual(denied("path_not_allowed"));
    expect(!path.ok && path.message).toContain("/v1/models");
  });

  it("does not match a rule with a query constraint when the query is not given", () => {
    expect(allows(rules, "GET", "/search")).toEqual(denied("path_not_allowed"));
    expect(allows(rules, "GET", "/search", "")).toEqual(denied("path_not_allowed"));
  });

  it("allows nothing without rules", () => {
    expect(allows([], "GET", "/")).toEqual(denied("path_not_allowed"));
  });
});

describe("managedPathConflict", () => {
  it("G6: refuses a path that begins as the credential's does", () => {
    const template = "/bot{{secret}}";
    expect(managedPathConflict("/bot1:a/getMe", template)).toEqual(denied("path_not_allowed"));
    expect(managedPathConflict("/BOT1/getMe", template).ok).toBe(false);
    expect(managedPathConflict("/sendMessage", template).ok).toBe(true);
    expect(managedPathConflict("/anything", "/{{secret}}").ok).toBe(true);
  });
});

// Found by changing path-rule.ts and seeing which change no test noticed (docs/testing.md).
describe("what decides about a path", () => {
  it.each([
    ["pattern", "xv1", "/v1"],
    ["pattern", "/{id}", "/a/"],
    ["pattern", "/{id}/", "/a"],
    ["pattern", "/a", "/a/"],
    ["pattern", "/a/", "/a"],
    ["pattern", "/v{id}", "/1v"],
    ["pattern", "/{id}.json", "/.json"],
    ["pattern", "/{id", "/xx{id"],
    ["pattern", "/{id", "/id"],
    ["prefix", "v1", "/v1"],
    ["exact", "/v1", "/v1/"],
  ] as const)("G7: %s %s does not match %s", (match, pattern, path) => {
    expect(matchPath({ match, path: pattern }, path)).toBe(false);
  });

  it.each([
    ["pattern", "/v{id}", "/v1"],
    ["pattern", "/{tenant}/x", "/t/x"],
    ["pattern", "/repos/{owner}/{path+}", "/repos/o/a"],
    ["pattern", "/repos/{owner}/{path+}", "/repos/o/a/b"],
  ] as const)("%s %s matches %s", (match, path, request) => {
    expect(parsePathRule(rule(match, path)).ok).toBe(true);
    expect(matchPath({ match, path }, request)).toBe(true);
  });

  it.each(["/{a+}/b", "{path+}", "/x{path+}", "/{path+}x", "/{+}", "/{1+}", "/{p+}{q}"])(
    "refuses the pattern %s: only the last segment may stand for several, by itself",
    (path) => {
      expect(parsePathRule(rule("pattern", path)).ok).toBe(false);
    },
  );

  it.each(["/{path+}", "/{p+}", "/a/{p_2+}"])("accepts the pattern %s", (path) => {
    expect(parsePathRule(rule("pattern", path))).toEqual({
      ok: true,
      value: rule("pattern", path),
    });
  });

  it.each(["/../{id}", "/a%2fb/{id}", "//{id}", "/a b/{id}", "/%61/{id}"])(
    "refuses the pattern %s, whose text is no canonical path",
    (path) => {
      expect(parsePathRule(rule("pattern", path)).ok).toBe(false);
    },
  );

  it("names the query, and not the method, when a rule for the method failed by its query", () => {
    const constrained = { ...rule("exact", "/a"), query: { required: { x: "1" } } };
    const rules = [rule("exact", "/a", ["POST"]), constrained];
    expect(allows(rules, "GET", "/a", "x=2")).toEqual(denied("path_not_allowed"));
    expect(allows(rules, "GET", "/a", "x=1")).toEqual({ ok: true, value: 1 });
  });
});
