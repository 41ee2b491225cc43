// @ts-check
// Everything CI runs, in order: `pnpm check`, or `pnpm check lint graph` for some of it. Ends with
// one line, `N passed, N failed`, in which every step and every test counts, and fails if any did.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { delimiter, resolve } from "node:path";
import { checkGraphRules } from "./graph-control.mjs";
import { checkGuarantees } from "./guarantees.mjs";
import { checkInvariants } from "./invariants.mjs";
import { checkPackages } from "./pack-check.mjs";
import { readTestReport, TEST_REPORTS } from "./test-report.mjs";
import { checkTrackedFiles } from "./tracked-files.mjs";

/**
 * @typedef {object} Outcome
 * @property {boolean} ok
 * @property {string} detail - One line; or, when it failed, as many as it takes.
 * @property {number} [passed] - Tests, where the step runs tests.
 * @property {number} [failed]
 * @property {readonly string[]} [failures] - Which tests, said again at the end.
 *
 * @typedef {object} Step
 * @property {string} name
 * @property {string} title
 * @property {() => Outcome | Promise<Outcome>} run
 * @property {readonly string[]} [needs] - Steps without which this one would only fail as well.
 */

/**
 * Runs a tool. A tool that is content has nothing to say; one that is not is heard in full.
 * @param {readonly string[]} command
 * @returns {Outcome}
 */
function tool(...command) {
  const [name = "", ...args] = command;
  const { status, error, stdout, stderr } = spawnSync(name, args, {
    encoding: "utf8",
    shell: process.platform === "win32",
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error) return { ok: false, detail: `${name}: ${error.message}` };
  return { ok: status === 0, detail: status === 0 ? "" : `${stdout}${stderr}`.trimEnd() };
}

/** @param {...(() => Outcome)} tools @returns {Outcome} */
function inTurn(...tools) {
  for (const run of tools) {
    const outcome = run();
    if (!outcome.ok) return outcome;
  }
  return { ok: true, detail: "" };
}

/** @param {"unit" | "e2e"} project @returns {Outcome} */
function tests(project) {
  const report = TEST_REPORTS[project];
  rmSync(report, { force: true });
  const run = spawnSync(
    "vitest",
    [
      ...["run", "--project", project, "--passWithNoTests"],
      ...["--reporter=default", "--reporter=json", `--outputFile.json=${report}`],
    ],
    { stdio: "inherit", shell: process.platform === "win32" },
  );
  if (!existsSync(report)) {
    return run.status === 0
      ? { ok: true, detail: "no tests yet" }
      : { ok: false, detail: `vitest ended with ${run.status} and left no report` };
  }
  const { passed, failed, skipped, tests } = readTestReport(report);
  const failures = tests
    .filter(({ status }) => status === "failed")
    .map(({ file, title, message }) => `${file}: ${title}: ${message ?? ""}`);
  const detail = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
  return { ok: run.status === 0 && failed === 0, detail, passed, failed, failures };
}

/** @type {readonly Step[]} */
const STEPS = [
  {
    name: "lint",
    title: "style and lint",
    run: () => tool("biome", "check", "--error-on-warnings", "--diagnostic-level=warn", "."),
  },
  {
    name: "build",
    title: "build",
    run: () => tool("node", "scripts/turbo.mjs", "run", "build"),
  },
  {
    name: "typecheck",
    title: "types",
    run: () =>
      inTurn(
        () => tool("node", "scripts/turbo.mjs", "run", "typecheck"),
        () => tool("tsc", "-p", "tsconfig.json"),
      ),
  },
  {
    name: "graph",
    title: "package graph",
    run: () => tool("node", "scripts/depcruise.mjs"),
  },
  {
    name: "graph-control",
    title: "package graph: deliberate violations are found",
    run: checkGraphRules,
  },
  { name: "dead", title: "dead code and unused dependencies", run: () => tool("knip") },
  { name: "invariants", title: "every invariant is cited where it holds", run: checkInvariants },
  { name: "tracked", title: "tracked files name no machine", run: checkTrackedFiles },
  { name: "unit", title: "unit tests", run: () => tests("unit") },
  { name: "e2e", title: "end-to-end tests", run: () => tests("e2e"), needs: ["build"] },
  {
    name: "pack",
    title: "packages install and run from tarballs",
    run: checkPackages,
    needs: ["build"],
  },
  {
    name: "guarantees",
    title: "every guarantee that is claimed has a test",
    run: () => checkGuarantees(Object.values(TEST_REPORTS).filter((path) => existsSync(path))),
  },
];

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !STEPS.some((step) => step.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `no step \`${unknown.join(" ")}\`: ${STEPS.map((s) => s.name).join(", ")}\n`,
  );
  process.exit(2);
}

// Tools are found also when this was not started through pnpm.
process.env["PATH"] = [resolve("node_modules", ".bin"), process.env["PATH"]].join(delimiter);
mkdirSync(resolve(TEST_REPORTS.unit, ".."), { recursive: true });

const started = performance.now();
/** @type {Set<string>} */
const failedSteps = new Set();
/** @type {string[]} */
const failures = [];
let passed = 0;
let failed = 0;

for (const step of STEPS) {
  if (asked.length > 0 && !asked.includes(step.name)) continue;
  process.stdout.write(`\n▸ ${step.title}\n`);
  const begun = performance.now();
  const missing = step.needs?.find((name) => failedSteps.has(name));
  const outcome =
    missing === undefined
      ? await attempt(step)
      : { ok: false, detail: `not run, because \`${missing}\` failed` };
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  const { ok, detail } = outcome;
  passed += (outcome.passed ?? 0) + (ok ? 1 : 0);
  failed += (outcome.failed ?? 0) + (ok ? 0 : 1);
  if (!ok) failedSteps.add(step.name);
  failures.push(...(outcome.failures ?? []));
  if (!ok && detail.includes("\n")) process.stdout.write(`${detail}\n`);
  const note = detail === "" || detail.includes("\n") ? "" : `: ${detail}`;
  process.stdout.write(`${ok ? "✓" : "✗"} ${step.name}${note} (${seconds} s)\n`);
}

if (failedSteps.size > 0) {
  process.stdout.write(`\nfailed: ${[...failedSteps].join(", ")}\n`);
  for (const failure of failures) process.stdout.write(`  ${failure}\n`);
}
const minutes = ((performance.now() - started) / 60_000).toFixed(1);
process.stdout.write(`\nin ${minutes} minutes\n${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);

/** @param {Step} step @returns {Promise<Outcome>} */
async function attempt(step) {
  try {
    return await step.run();
  } catch (error) {
    return {
      ok: false,
      detail: error instanceof Error ? (error.stack ?? error.message) : "failed",
    };
  }
}
