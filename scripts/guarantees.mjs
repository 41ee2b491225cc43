// @ts-check
// G17: docs/threat-model.md makes promises by number; each that is claimed must have a test whose
// title begins with that number, and that passed. `node scripts/guarantees.mjs` lists them.
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readTestReport, TEST_REPORTS } from "./test-report.mjs";

/**
 * @typedef {import("./test-report.mjs").TestResult} TestResult
 *
 * @typedef {object} Guarantee
 * @property {number} number
 * @property {string} status - `held`, `partly` or `planned`.
 * @property {readonly string[]} files - Test files that the table names as showing it.
 */

const THREAT_MODEL = "docs/threat-model.md";
const GUARANTEES = 24;
const CLAIMED = new Set(["held", "partly"]);

/**
 * The rows `| G1 | against | guarantee | status | shown by |` of the table of guarantees.
 * @param {string} markdown
 * @returns {Guarantee[]}
 */
export function parseGuarantees(markdown) {
  return markdown.split("\n").flatMap((line) => {
    if (!/^\|\s*G\d+\s*\|/.test(line)) return [];
    // A cell may contain an escaped bar.
    const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
    const shownBy = cells[5] ?? "";
    return [
      {
        number: Number(cells[1]?.slice(1)),
        status: (cells[4] ?? "").replace(/[*_`]/g, ""),
        files: [...shownBy.matchAll(/`([^`]+\.(?:test|e2e)\.ts)`/g)].map((match) => match[1] ?? ""),
      },
    ];
  });
}

/**
 * The guarantees a test shows: `G3: …`, or `G3, G9: …`.
 * @param {string} title
 */
export function guaranteesOf(title) {
  const prefix = /^(G\d+(?:, G\d+)*):/.exec(title)?.[1];
  return prefix === undefined ? [] : prefix.split(", ").map((mark) => Number(mark.slice(1)));
}

/**
 * What is wrong with the table, given the tests that ran.
 * @param {readonly Guarantee[]} guarantees
 * @param {readonly TestResult[]} tests
 * @returns {string[]}
 */
export function findUnshown(guarantees, tests) {
  const problems = [];
  for (let number = 1; number <= GUARANTEES; number++) {
    const rows = guarantees.filter((guarantee) => guarantee.number === number);
    const [row] = rows;
    if (row === undefined || rows.length > 1) {
      problems.push(`G${number} has ${rows.length} rows in ${THREAT_MODEL}; it needs one`);
      continue;
    }
    if (!CLAIMED.has(row.status) && row.status !== "planned") {
      problems.push(`G${number} has the status \`${row.status}\`; held, partly and planned exist`);
    }
    if (!CLAIMED.has(row.status)) continue;
    const shown = tests.filter(
      ({ suites = [], title, status }) =>
        status === "passed" &&
        [...suites, title].some((name) => guaranteesOf(name).includes(number)),
    );
    if (shown.length === 0) {
      problems.push(
        `G${number} is \`${row.status}\`, and no test that passed begins with its number`,
      );
    }
    for (const file of row.files) {
      if (!shown.some((test) => test.file === file || test.file.endsWith(`/${file}`))) {
        problems.push(`G${number} names ${file}, which has no passing test of that number`);
      }
    }
  }
  return problems;
}

/** @param {readonly string[]} reports - Paths of vitest reports. */
export function checkGuarantees(reports) {
  if (reports.length === 0) return { ok: false, detail: "no test has run; run the tests first" };
  const guarantees = parseGuarantees(readFileSync(THREAT_MODEL, "utf8"));
  const tests = reports.flatMap((report) => readTestReport(report).tests);
  const problems = findUnshown(guarantees, tests);
  if (problems.length > 0) return { ok: false, detail: problems.join("\n") };
  const count = (/** @type {string} */ status) =>
    guarantees.filter((guarantee) => guarantee.status === status).length;
  return {
    ok: true,
    detail: `${count("held")} held, ${count("partly")} partly, ${count("planned")} planned`,
  };
}

/** Prints, for each guarantee, the tests that show it. */
function list() {
  const reports = Object.values(TEST_REPORTS).filter((path) => existsSync(path));
  const tests = reports.flatMap((report) => readTestReport(report).tests);
  for (let number = 1; number <= GUARANTEES; number++) {
    process.stdout.write(`G${number}\n`);
    for (const { file, title, status } of tests) {
      if (!guaranteesOf(title).includes(number)) continue;
      process.stdout.write(`  ${status === "passed" ? "✓" : status} ${file}: ${title}\n`);
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) list();
