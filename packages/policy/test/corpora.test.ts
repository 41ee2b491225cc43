import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type Outcome, PURE_SETS, readCorpus, runPure } from "./corpora-runner.ts";

// Another folder of the same shape can be named; the counts then are its own.
const { AIVAULT_CORPORA } = process.env;
const folder = AIVAULT_CORPORA ?? fileURLToPath(new URL("../../../corpora", import.meta.url));
const GUARANTEES = { path: "G7", ssrf: "G5", headers: "G6", envelopes: "G22" } as const;

describe("the attack corpora", () => {
  for (const set of PURE_SETS) {
    it(`${GUARANTEES[set]}: refuses every attack of the set ${set} and no good request`, () => {
      if (!existsSync(`${folder}/${set}.json`)) {
        process.stderr.write(`corpora: ${folder} has no set ${set}; nothing was tested\n`);
        return;
      }
      const cases = readCorpus(folder, set);
      const outcomes = cases.map((testCase) => runPure(set, testCase));
      const run = outcomes.filter((outcome): outcome is Outcome => outcome !== null);
      const failures = run.filter(({ verdict }) => verdict !== "passed");
      const count = (verdict: Outcome["verdict"]): number =>
        run.filter((outcome) => outcome.verdict === verdict).length;
      process.stdout.write(
        `corpora ${set}: ${cases.length} cases, ${run.length} run here; attacks let through ` +
          `${count("attack let through")}, good requests refused ${count("good request refused")}, ` +
          `side conditions broken ${count("side condition")}\n`,
      );
      expect(failures).toEqual([]);
      expect(run.length).toBeGreaterThan(0);
    });
  }
});
