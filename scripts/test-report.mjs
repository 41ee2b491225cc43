// @ts-check
// What vitest's JSON reporter wrote, and where the check keeps it.
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";

const directory = join("node_modules", ".cache", "aivault-check");

/** The reports of the last check, by vitest project. */
export const TEST_REPORTS = {
  unit: join(directory, "unit.json"),
  e2e: join(directory, "e2e.json"),
};

/**
 * @typedef {object} TestResult
 * @property {string} file - Relative to the repository.
 * @property {string} title - Of the test itself, without the names of its suites.
 * @property {readonly string[]} [suites] - Their names, outermost first.
 * @property {string} status - `passed`, `failed`, `skipped`, `pending`, `todo`.
 * @property {string} [message] - The first line of why it failed.
 *
 * @typedef {object} TestReport
 * @property {number} passed
 * @property {number} failed - Tests, and files that could not be run at all.
 * @property {number} skipped
 * @property {readonly TestResult[]} tests
 */

/** @param {string} path @returns {TestReport} */
export function readTestReport(path) {
  const report = JSON.parse(readFileSync(path, "utf8"));
  /** @type {TestResult[]} */
  const tests = [];
  let brokenFiles = 0;
  for (const file of report.testResults) {
    // A file that fails before its tests are known reports none of them.
    if (file.status === "failed" && file.assertionResults.length === 0) brokenFiles++;
    for (const { ancestorTitles, title, status, failureMessages } of file.assertionResults) {
      const [message] = failureMessages?.[0]?.split("\n") ?? [];
      tests.push({
        file: relative(process.cwd(), file.name),
        suites: ancestorTitles,
        title,
        status,
        ...(message === undefined ? {} : { message }),
      });
    }
  }
  const count = (/** @type {string} */ status) =>
    tests.filter((test) => test.status === status).length;
  const passed = count("passed");
  const failed = count("failed");
  return {
    passed,
    failed: failed + brokenFiles,
    skipped: tests.length - passed - failed,
    tests,
  };
}
