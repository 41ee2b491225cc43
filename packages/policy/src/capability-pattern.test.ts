import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isCapabilityPattern, matchesCapability } from "./capability-pattern.ts";

describe("matchesCapability", () => {
  it.each([
    ["openai/chat", "openai/chat"],
    ["openai/*", "openai/chat"],
    ["openai/*-list", "openai/models-list"],
    ["*/chat", "openai/chat"],
    ["*", "a/b"],
    ["*", ""],
    ["*/*", "a/b"],
    ["a/*", "a/"],
    ["*a", "a"],
    ["a*", "a"],
    ["a*b*c", "abc"],
    ["a*b*c", "axbxbxc"],
    ["*b", "bb"],
    ["a**c", "abc"],
  ])("%s matches %s", (pattern, id) => {
    expect(matchesCapability(pattern, id)).toBe(true);
  });

  it.each([
    ["openai/chat", "openai/chatter"],
    ["openai/*", "openai-2/chat"],
    ["openai*", "openai/chat"],
    ["a*a/x", "a/x"],
    ["OpenAI/*", "openai/chat"],
    ["openai/chatter", "openai/chat"],
    ["penai/chat", "openai/chat"],
    ["a*", "ba"],
    ["*a", "ab"],
    ["ab*ba", "aba"],
    ["a*b", "a/b"],
    ["*/*", "a/b/c"],
    ["*/*", "ab"],
    ["**", "a/b"],
    ["a*b*b", "ab"],
    ["a*a*c", "axc"],
    ["a*c*b", "acc"],
    ["a*x*b", "ab"],
    ["", "a"],
    ["a*b/c", "a/b/c"],
  ])("G13: %s does not match %s", (pattern, id) => {
    expect(matchesCapability(pattern, id)).toBe(false);
  });

  it("agrees with a regular expression", () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[ab/*]{2,8}$/),
        fc.stringMatching(/^[ab/]{0,8}$/),
        (pattern, id) => {
          fc.pre(pattern !== "*");
          const expression = new RegExp(`^${pattern.split("*").join("[^/]*")}$`);
          expect(matchesCapability(pattern, id)).toBe(expression.test(id));
        },
      ),
    );
  });
});

describe("isCapabilityPattern", () => {
  it.each(["*", "openai/*", "a.b_c/d", "A-Z0-9", "*".repeat(8), "a".repeat(256)])(
    "takes %s",
    (pattern) => {
      expect(isCapabilityPattern(pattern)).toBe(true);
    },
  );
  it.each([
    "",
    "a b",
    "é",
    "*".repeat(9),
    "*".repeat(10),
    "\na",
    "a\nb",
    "a?",
    "a:b",
    "a".repeat(257),
    "a\n",
  ])("refuses %j", (pattern) => {
    expect(isCapabilityPattern(pattern)).toBe(false);
  });
});
