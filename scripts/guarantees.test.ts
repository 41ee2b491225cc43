import { describe, expect, it } from "vitest";
import { findUnshown, guaranteesOf, parseGuarantees } from "./guarantees.mjs";

const row = (number: number, status: string, shownBy = "") =>
  `| G${number} | theft | Nothing leaks. | ${status} | ${shownBy} |`;

/** A table in which every guarantee is planned, but for `rows`. */
function table(...rows: string[]): string {
  const claimed = new Set(rows.map((text) => /G\d+/.exec(text)?.[0]));
  const others = Array.from({ length: 24 }, (_, index) => index + 1)
    .filter((number) => !claimed.has(`G${number}`))
    .map((number) => row(number, "planned"));
  return ["# Threat model", "| | against | guarantee |", "| --- | --- |", ...rows, ...others].join(
    "\n",
  );
}

const test = (title: string, status = "passed") => ({
  file: "packages/x/src/a.test.ts",
  title,
  status,
});

describe("guaranteesOf", () => {
  it.each<[string, number[]]>([
    ["G3: no value is printed", [3]],
    ["G3, G18: no value is printed", [3, 18]],
    ["says G3: in the middle", []],
    ["G3 without a colon", []],
    ["V3: an invariant", []],
  ])("reads %j", (title, numbers) => {
    expect(guaranteesOf(title)).toEqual(numbers);
  });
});

describe("findUnshown", () => {
  const problems = (markdown: string, tests: ReturnType<typeof test>[]) =>
    findUnshown(parseGuarantees(markdown), tests);

  it("accepts a table in which every claim has a test that passed", () => {
    const markdown = table(row(3, "held", "`src/a.test.ts`"), row(9, "partly"));
    expect(problems(markdown, [test("G3, G9: nothing leaks")])).toEqual([]);
  });

  it.each<[string, string, ReturnType<typeof test>[]]>([
    ["has no test", row(3, "held"), [test("G4: another")]],
    ["has only a test that failed", row(3, "held"), [test("G3: one", "failed")]],
    ["has only a test that was skipped", row(3, "partly"), [test("G3: one", "skipped")]],
    ["names a file without such a test", row(3, "held", "`b.test.ts`"), [test("G3: one")]],
    ["has a status nobody defined", row(3, "STATUS"), []],
    ["stands twice", `${row(3, "planned")}\n${row(3, "planned")}`, []],
  ])("G17: complains of a guarantee that %s", (_, text, tests) => {
    expect(problems(table(text), tests)).toEqual([expect.stringMatching(/^G3 /)]);
  });

  it("G17: complains of a guarantee that the table leaves out", () => {
    const markdown = table().replace(/^.*\bG24\b.*$/m, "");
    expect(problems(markdown, [])).toEqual([expect.stringMatching(/^G24 /)]);
  });
});
