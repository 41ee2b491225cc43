import { describe, expect, it } from "vitest";
import { checkEscapedSegment, checkPlainSegment } from "./segment.ts";

const check = (segment: string, encodedSlash = false) => checkEscapedSegment(segment, encodedSlash);
const traversal = expect.objectContaining({ reason: "path_traversal" });
const invalid = expect.objectContaining({ code: "invalid_request" });
/** A segment of escapes, of the UTF-8 of a text. */
const escaped = (text: string) =>
  [...new TextEncoder().encode(text)]
    .map((byte) => `%${byte.toString(16).padStart(2, "0").toUpperCase()}`)
    .join("");

describe("checkEscapedSegment", () => {
  it.each([
    "100%25",
    "100%25x",
    "100%255x",
    "100%255",
    "%25u1x",
    "%25u004",
    "%25u004x",
    ".a%20b",
    "a%20.",
    "..a%20",
    ".%20a.",
    "a%3B..",
    "%E2%80%8Ba",
  ])("lets %s be", (segment) => {
    expect(check(segment)).toBeNull();
    expect(check(segment, true)).toBeNull();
  });

  it.each([
    "%2541",
    "%25zz%2541",
    "%25u0041",
    "%25U0041",
    "a%5Cb",
    ".%20",
    "%20.",
    "..%3Ba",
    ".%E2%80%8B.",
    ".%E2%80%8B%E2%80%8B%20.",
    "%E3%80%82",
    "%EF%BC%8E%EF%BC%8E",
    "%E2%80%A5",
    escaped("a／b"),
    escaped("a⁄b"),
    escaped("a℀b"),
    escaped("a％41"),
    escaped("a＼b"),
  ])("G7: refuses %s", (segment) => {
    expect(check(segment)).toEqual(traversal);
    expect(check(segment, true)).toEqual(traversal);
  });

  it("G7: takes an encoded slash only where it is asked to, and one between two names", () => {
    expect(check("a%2Fb")).toEqual(traversal);
    expect(check("a%2Fb", true)).toBeNull();
    for (const segment of [
      "%2Fa",
      "a%2F",
      "a%2F%2Fb",
      "a%2F..",
      "..%2Fa",
      "a%2F.%2Fb",
      "a%2F..%3Bx",
    ]) {
      expect(check(segment, true)).toEqual(traversal);
    }
  });

  it("counts combining marks, up to thirty on one letter", () => {
    expect(check(escaped("e\u0301"))).toBeNull();
    expect(check(escaped(`e${"\u0316".repeat(30)}`))).toBeNull();
    expect(check(escaped(`e${"\u0316".repeat(31)}`))).toEqual(invalid);
  });

  it("refuses controls, and bytes that are no text", () => {
    for (const segment of ["%00", "a%0Ab", "%7F", "%C2%85", "%FF", "%C0%AE", "%ED%A0%80"]) {
      expect(check(segment)).toEqual(invalid);
    }
  });
});

describe("checkPlainSegment", () => {
  it.each([
    ["/a", true],
    ["/.a", true],
    ["/a.", true],
    ["/...a", true],
    ["/a;..", true],
    ["/.", false],
    ["/..", false],
    ["/...", false],
    ["/.;a", false],
    ["/..;", false],
  ])("G7: of %s alone says %s", (path, fine) => {
    const segments: [string, number, number][] = [
      [path, 1, path.length],
      [`${path}/x`, 1, path.length],
      [`/x${path}`, 3, path.length + 2],
    ];
    for (const [whole, start, end] of segments) {
      expect(checkPlainSegment(whole, start, end)).toEqual(fine ? null : traversal);
    }
  });
});
