import { describe, expect, it } from "vitest";
import { parseTarget } from "./target.ts";

const read = (raw: string, options = {}) => {
  const target = parseTarget(raw, options);
  return target.ok ? target.value : target;
};
const traversal = expect.objectContaining({ code: "policy_violation", reason: "path_traversal" });
const invalid = expect.objectContaining({ code: "invalid_request" });

describe("parseTarget", () => {
  it("splits at the first question mark and keeps the query as it is", () => {
    expect(read("/a/b?x=%2f..&y=a+b?#".slice(0, -1))).toEqual({
      path: "/a/b",
      query: "x=%2f..&y=a+b?",
    });
    expect(read("/a?")).toEqual({ path: "/a", query: "" });
  });

  it.each([
    ["/%63ompletions", "/completions"],
    ["/a%2eb", "/a.b"],
    ["/%7euser", "/~user"],
    ["/caf%c3%a9", "/caf%C3%A9"],
    ["/a%3ab", "/a%3Ab"],
    ["/100%25", "/100%25"],
    ["/x;v=1/y", "/x;v=1/y"],
    // Full-width letters: compatibility mapping changes them, and no separator comes of it.
    ["/%EF%BD%81%EF%BD%82", "/%EF%BD%81%EF%BD%82"],
    ["/a//b/", "/a//b/"],
    ["/..foo/foo../a..b/...x", "/..foo/foo../a..b/...x"],
  ])("writes %s as %s", (raw, path) => {
    expect(read(raw)).toEqual({ path, query: "" });
  });

  it.each([
    "/a/../b",
    "/a/..",
    "/./a",
    "/a/%2e%2E/b",
    "/a/.%2e;x=1/b",
    "/a/..;/b",
    "/a/..%3bx/b",
    "/a/.../b",
    "/a/%20../b",
    "/a/..%C2%A0/b",
    "/a/.%E2%80%8B./b",
    "/a/%EF%BC%8E%EF%BC%8E/b",
    "/a/%E2%80%A5/b",
    "/a/%EF%BD%A1%E3%80%82/b",
    "/a/..%EF%BC%9B/b",
    "/a%2fb",
    "/a%5Cb",
    "/a%E2%88%95b",
    "/a%EF%BC%8Fb",
    "/a%E2%84%80b",
    "/a/%252e%252e/b",
    "/a/%25%32%65",
    "/a%2541",
    "/a%25u2215b",
    "/a/%EF%BC%852e",
  ])("G7: refuses %s, which some server reads as another path", (raw) => {
    expect(read(raw)).toEqual(traversal);
  });

  it.each([
    "",
    "a",
    "*",
    "//a",
    "https://h/a",
    " /a",
    "/a b",
    "/a\tb",
    "/a\r\nHost: b",
    "/a\u0000",
    "/a\\b",
    "/é",
    "/a|b",
    "/a#b",
    "/a[b]",
    "/a%",
    "/a%2",
    "/a%g0",
    "/a%+1",
    "/a%00",
    "/a%0a",
    "/a%7f",
    "/a%c2%85",
    "/a%c0%af",
    "/a%ed%a0%80",
    "/a%ff",
    "/a?%",
    "/a?x=%c3%28",
    "/a?x= ",
    "/a?x=é",
    "/a?x#y",
    "/a?x=<",
  ])("refuses %j, which is not a path", (raw) => {
    expect(read(raw)).toEqual(invalid);
  });

  it("accepts what a query may hold", () => {
    const query = "q=../../etc&u=//h&x[]=1&f=%0D%0A&p=%252e&&=&flag&n=%00";
    expect(read(`/a?${query}`)).toEqual({ path: "/a", query });
  });

  it("refuses more than 65,536 characters", () => {
    expect(parseTarget(`/${"a".repeat(65_535)}`).ok).toBe(true);
    expect(read(`/${"a".repeat(65_536)}`)).toMatchObject({ code: "request_too_large" });
  });

  it("accepts an encoded slash only when asked, and checks what it separates", () => {
    const options = { encodedSlash: true };
    expect(read("/projects/a%2fb/issues", options)).toEqual({
      path: "/projects/a%2Fb/issues",
      query: "",
    });
    for (const raw of ["/a%2f..%2fb", "/a%2F%2e", "/%2fa", "/a%2f", "/a%2f%2fb", "/a%2f..;x%2fb"]) {
      expect(read(raw, options)).toEqual(traversal);
    }
    expect(read("/a%5cb", options)).toEqual(traversal);
  });
});

// Found by changing target.ts and seeing which change no test noticed (docs/testing.md).
describe("what decides about a target", () => {
  it.each(["/a?%c0%ae", "/a?x=%ff", "/a?x=%ed%a0%80", "/a?%e2%82", "/a?x=%80"])(
    "is that the bytes of the query are UTF-8: %s",
    (raw) => {
      expect(read(raw)).toEqual(invalid);
    },
  );

  it.each([
    "/%zz",
    "/a%2",
    "/a%",
    "/a?%zz",
    "/a?x=%2",
    "/\u00e9",
    "/\u007f",
    "/a?\u0080",
    "/a?\u007f",
  ])("is that it has no malformed escape and nothing beyond ASCII: %j", (raw) => {
    expect(read(raw)).toEqual(invalid);
  });
});
