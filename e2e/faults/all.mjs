// The long form of every script here, one after another; hours on a small machine.
//
//   pnpm faults [--only disks,writers] [--core DIR] [--results FILE]
//
// Every fault that was put in is one test. The last line is `N passed, N failed`. A script that cannot
// run on this machine is named, and the exit status is 77 unless another one failed.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { makeTemporary } from "./shim.mjs";

const CANNOT_RUN = 77;

/** Shortest first, so that what is wrong shows early. */
const SCRIPTS = {
  disks: ["disks.mjs"],
  writers: ["writers.mjs", "--operations", "10000"],
  seeded: ["seeded.mjs"],
  damage: ["damage.mjs", "--full"],
  powercut: ["powercut.mjs", "--cuts", "1000"],
  enumerate: ["enumerate.mjs", "--full", "--stop-at", "1000"],
};
// seeded.mjs builds its cores itself.
const BUILDS_ITS_OWN = new Set(["seeded"]);

// What a script wrote down: a row for each fault, or for many of one kind with their number.
function tally(file) {
  const counts = { passed: 0, failed: 0 };
  if (!fs.existsSync(file)) return counts;
  for (const line of fs.readFileSync(file, "utf8").split("\n").filter(Boolean)) {
    const row = JSON.parse(line);
    if (row.test === "damage" && row.runs === undefined) continue;
    const failed = row.bad ?? (row.verdict === "ok" ? 0 : 1);
    const runs = row.test === "damage" ? row.runs : 1;
    counts.failed += failed;
    counts.passed += runs - failed;
  }
  return counts;
}

function main() {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      core: { type: "string" },
      results: { type: "string" },
    },
  });
  const names = values.only?.split(",") ?? Object.keys(SCRIPTS);
  const directory = makeTemporary("all-faults");
  const total = { passed: 0, failed: 0 };
  const missing = [];
  try {
    for (const name of names) {
      const [script, ...args] = SCRIPTS[name] ?? [];
      if (!script) throw new Error(`there is no ${name}; there are ${Object.keys(SCRIPTS)}`);
      const results = path.join(directory, `${name}.jsonl`);
      const core = values.core && !BUILDS_ITS_OWN.has(name) ? ["--core", values.core] : [];
      console.log(`\n${script} ${args.join(" ")}`);
      const file = path.join(import.meta.dirname, script);
      const run = spawnSync(process.execPath, [file, ...args, ...core, "--results", results], {
        stdio: "inherit",
      });
      const counts = tally(results);
      if (values.results && fs.existsSync(results)) {
        fs.appendFileSync(values.results, fs.readFileSync(results));
      }
      if (run.status === CANNOT_RUN) missing.push(name);
      // A harness that broke has found nothing out.
      else if (run.status !== 0 && counts.failed === 0) counts.failed = 1;
      total.passed += counts.passed;
      total.failed += counts.failed;
      console.log(`${name}: ${counts.passed} passed, ${counts.failed} failed`);
    }
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
  if (missing.length > 0) console.error(`\nNOT RUN on this machine: ${missing.join(", ")}`);
  console.log(`\n${total.passed} passed, ${total.failed} failed`);
  return total.failed > 0 ? 1 : missing.length > 0 ? CANNOT_RUN : 0;
}

process.exitCode = main();
