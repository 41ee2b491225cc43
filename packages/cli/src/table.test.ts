import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { counted, table } from "./table.ts";

const columns = [{ title: "name" }, { title: "what", flexible: true as const }];

describe("table", () => {
  it("aligns columns and leaves no trailing blanks", () => {
    expect(
      table(
        columns,
        [
          ["a", "first"],
          ["long-name", ""],
        ],
        80,
      ),
    ).toEqual(["NAME       WHAT", "a          first", "long-name"]);
  });

  it("cuts flexible columns first, and says so with an ellipsis", () => {
    expect(table(columns, [["long-name", "a description of some length"]], 24)).toEqual([
      "NAME       WHAT",
      "long-name  a descriptio…",
    ]);
  });

  it("cuts nothing for a pipe", () => {
    const long = "x".repeat(500);
    expect(table(columns, [["n", long]], Number.POSITIVE_INFINITY)[1]).toContain(long);
  });

  it("shows control characters instead of obeying them", () => {
    const [, row] = table(columns, [["\u001b[31mred", "a\nb"]], 80);
    expect(row).toBe("\\u{1b}[31mred  a\\u{a}b");
  });

  it("puts cells below each other where they do not fit side by side", () => {
    expect(table(columns, [["long-name", "a description"]], 12)).toEqual([
      "long-name",
      "  what: a d…",
    ]);
  });

  it("fits whatever it is given, down to eight columns each", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string(), fc.string())),
        fc.integer({ min: 18, max: 120 }),
        (rows, width) => {
          for (const line of table(columns, rows, width))
            expect(line.length).toBeLessThanOrEqual(width);
        },
      ),
    );
  });
});

describe("counted", () => {
  it("has plurals that are words", () => {
    expect([
      counted(1, "secret"),
      counted(2, "secret"),
      counted(0, "capability", "capabilities"),
    ]).toEqual(["1 secret", "2 secrets", "0 capabilities"]);
  });
});
