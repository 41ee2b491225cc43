// The short form of `pnpm fuzz`, every finding it ever had, and proof that it can find something.
import { describe, expect, it } from "vitest";
import { attempt, fuzz } from "../fuzz/engine.ts";
import { isOpen, keptInputs, knownFindings } from "../fuzz/store.ts";
import { type AnyTarget, demand } from "../fuzz/target.ts";
import { TARGETS } from "../fuzz/targets/index.ts";

const MILLIS = 800;

const GUARANTEES: Readonly<Record<string, string>> = {
  path: "G7",
  headers: "G6",
  json: "G22",
  envelope: "G22",
  redactor: "G9",
  host: "G5",
  members: "G9",
};

describe("fuzzing", () => {
  it.each(TARGETS.map((target) => [GUARANTEES[target.name], target.name, target] as const))(
    "%s: finds nothing in %s within a second, from all that was kept",
    (_guarantee, name, target) => {
      const { executions, found } = fuzz(target, keptInputs(name), MILLIS, 1);
      process.stderr.write(`fuzz: ${name}: ${executions} executions\n`);
      expect(found.filter((one) => !isOpen(one))).toEqual([]);
      expect(executions).toBeGreaterThan(target.seeds.length);
    },
    // The second is one of work: on a busy machine it takes long.
    300_000,
  );

  it.each(knownFindings().map((one) => [one.target, JSON.stringify(one.input), one] as const))(
    "once found something in %s with %s: mended, or said to be open",
    (name, _input, one) => {
      const target = TARGETS.find((other) => other.name === name);
      if (target === undefined) throw new Error(`a finding names the target ${name}`);
      // Whoever mends one takes `open` out of its file; then it may never come back.
      const { what } = attempt(target, one.input);
      expect(what === null).toBe(one.open === undefined);
    },
  );

  const control = (check: (input: string) => string): AnyTarget =>
    ({
      name: "control",
      seeds: ["/v1/files", "%2e"],
      mutate: TARGETS.find(({ name }) => name === "json")?.mutate,
      check,
    }) as AnyTarget;

  const whatIsFound = (check: (input: string) => string): readonly string[] =>
    fuzz(control(check), [], 3_000, 1).found.map(({ what }) => what);

  it("finds an oracle that does not hold, and an exception", () => {
    const found = whatIsFound((input) => {
      demand(!input.includes("null"), "there is a null");
      if (input.includes("[")) throw new TypeError("there is a bracket");
      return input;
    });
    expect(found).toContain("there is a null");
    expect(found).toContain("throws TypeError: there is a bracket");
  }, 300_000);

  it("finds time that grows faster than its input", () => {
    const found = whatIsFound((input) => {
      let pairs = 0;
      for (let i = 0; i < input.length; i++) for (let j = 0; j < i; j++) pairs += i ^ j;
      return String(pairs > 0);
    });
    expect(found.join()).toMatch(/takes more than/);
  }, 300_000);
});
