import { describe, expect, it } from "vitest";
import { HiddenReader, ranked } from "./prompt.ts";

const typed = (...chunks: (string | Buffer)[]) => {
  const reader = new HiddenReader(64);
  let value: Buffer | null = null;
  for (const chunk of chunks) value = reader.push(Buffer.from(chunk as string)) ?? value;
  return value?.toString("utf8") ?? null;
};

describe("a hidden prompt", () => {
  it.each<[string, string[], string | null]>([
    ["returns what was typed at the return key", ["s", "k", "-1", "\r"], "sk-1"],
    ["takes a line feed for a return", ["sk\n"], "sk"],
    ["takes \\r\\n for one return", ["sk\r\n"], "sk"],
    ["waits for the return", ["sk"], null],
    ["erases a character, also one of several octets", ["aé\u007f\u007fb\r"], "b"],
    ["erases nothing when there is nothing", ["\u007f\u007fa\r"], "a"],
    ["erases the line with ^U", ["wrong\u0015right\r"], "right"],
    ["swallows arrow and function keys", ["a\u001b[A\u001b[1;5C\u001bOPb\r"], "ab"],
    ["swallows other control keys", ["a\u0001\tb\r"], "ab"],
    [
      "keeps the lines of a marked paste",
      ["\u001b[200~-----BEGIN\rx\ry\u001b[201~", "\r"],
      "-----BEGIN\nx\ny",
    ],
    ["takes a paste in pieces", ["\u001b[20", "0~a\r", "b\u001b[201", "~\r"], "a\nb"],
    ["ends at ^D after something typed", ["a\u0004"], "a"],
    ["returns an empty answer as such", ["\r"], ""],
  ])("%s", (_, chunks, expected) => {
    expect(typed(...chunks)).toBe(expected);
  });

  it.each([
    ["^C", "abc\u0003"],
    ["^D at once", "\u0004"],
  ])("is cancelled by %s", (_, keys) => {
    expect(() => typed(keys)).toThrow(expect.objectContaining({ code: "CLI_CANCELLED" }));
  });

  it("refuses an unmarked paste of several lines instead of storing the first", () => {
    expect(() => typed("line one\rline two\r")).toThrow(
      expect.objectContaining({ code: "CLI_INPUT" }),
    );
  });

  it("refuses more than fits", () => {
    expect(() => typed("x".repeat(65))).toThrow(expect.objectContaining({ code: "CLI_INPUT" }));
  });
});

describe("ranked", () => {
  it("puts what is called so before what begins so, and that before what contains it", () => {
    const options = ["Azure OpenAI", "OpenAI", "OpenRouter", "Slack"].map((label) => ({
      value: label.toLowerCase().replace(" ", "-"),
      label,
    }));
    const labels = (typed: string) => ranked(options, typed).map(({ label }) => label);
    expect(labels("openai")).toEqual(["OpenAI", "Azure OpenAI"]);
    expect(labels("Open")).toEqual(["OpenAI", "OpenRouter", "Azure OpenAI"]);
    expect(labels("")).toHaveLength(4);
    expect(labels("nobody")).toEqual([]);
  });
});
