import { describe, expect, it } from "vitest";
import { parseHeader, parsePair } from "./headers.ts";

describe("parseHeader", () => {
  it.each([
    ["X-A: b", "X-A", "b"],
    ["X-A:b", "X-A", "b"],
    ["X-A=b", "X-A", "b"],
    ["X-A = b", "X-A", " b"],
    ["X-A: b=c:d", "X-A", "b=c:d"],
    ["x-a=http://h/", "x-a", "http://h/"],
    ["X-A:", "X-A", ""],
    ["X-A=", "X-A", ""],
  ])("reads %j", (text, name, value) => {
    expect(parseHeader(text)).toEqual({ name, value });
  });

  it.each(["X-A", "", ": b", "=b", "X A: b", "X-Ä: b", "a\r\nb: c"])("refuses %j", (text) => {
    expect(() => parseHeader(text)).toThrow(expect.objectContaining({ code: "CLI_USAGE" }));
  });
});

describe("parsePair", () => {
  it("splits at the first =", () => {
    expect(parsePair("entry", "A=b=c")).toEqual(["A", "b=c"]);
  });

  it("does not repeat what it refuses", () => {
    expect(() => parsePair("entry", "sk-canary")).toThrow(/^(?!.*canary)/);
  });
});
