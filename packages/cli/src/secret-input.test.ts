import { describe, expect, it } from "vitest";
import { trimNewline } from "./secret-input.ts";

describe("trimNewline", () => {
  it.each([
    ["sk\n", "sk"],
    ["sk\r\n", "sk"],
    ["sk\n\n", "sk\n"],
    ["sk\r", "sk\r"],
    ["sk", "sk"],
    ["\n", ""],
    ["", ""],
  ])("makes %j %j: one newline, and only one", (value, expected) => {
    expect(trimNewline(Buffer.from(value), false).toString()).toBe(expected);
    expect(trimNewline(Buffer.from(value), true).toString()).toBe(value);
  });
});
