// @ts-check
// Mutation testing: `pnpm mutate`, `pnpm mutate policy` for one package, `pnpm mutate policy host` for
// one file or several. Options (`--concurrency 2`) go to Stryker. Ends with a table.
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { FILES } from "../stryker.judges.mjs";

const LEAST = 85;

const words = process.argv.slice(2);
const firstOption = words.findIndex((word) => word.startsWith("--"));
const options = firstOption === -1 ? [] : words.slice(firstOption);
const [name, ...chosen] = firstOption === -1 ? words : words.slice(0, firstOption);
const known = name === undefined ? [] : (FILES[name] ?? null);
if (known === null || chosen.some((file) => !known.includes(file))) {
  const names = Object.keys(FILES).join("|");
  process.stderr.write(`usage: pnpm mutate [${names} [FILE...]] [STRYKER OPTION...]\n`);
  process.exit(2);
}

/** @typedef {Record<string, number>} Counts - Of mutants, by what became of them. */

/**
 * What became of the mutants of each file; null when Stryker failed.
 *
 * @param {string} packageName
 * @param {readonly string[]} files
 * @returns {Map<string, Counts> | null}
 */
function mutate(packageName, files) {
  const report = `coverage/mutation/${packageName}.json`;
  rmSync(report, { force: true });
  const { status } = spawnSync("stryker", ["run", ...options], {
    stdio: "inherit",
    shell: process.platform === "win32",
    env: { ...process.env, AIVAULT_MUTATED: `${packageName}/${files.join(",")}` },
  });
  if (status !== 0) return null;
  const found = new Map();
  for (const [path, { mutants }] of Object.entries(
    JSON.parse(readFileSync(report, "utf8")).files,
  )) {
    /** @type {Counts} */
    const counts = {};
    for (const mutant of mutants) counts[mutant.status] = (counts[mutant.status] ?? 0) + 1;
    found.set(path.slice(`packages/${packageName}/src/`.length, -".ts".length), counts);
  }
  return found;
}

/**
 * @param {string} label
 * @param {Counts} counts
 * @returns {{ row: string, score: number }}
 */
function row(label, counts) {
  const { Killed = 0, Timeout = 0, Survived = 0, NoCoverage = 0 } = counts;
  const noticed = Killed + Timeout;
  const all = noticed + Survived + NoCoverage;
  const score = (100 * noticed) / all;
  const cells = [label, all, Killed, Timeout, Survived, NoCoverage, `${score.toFixed(1)} %`];
  return { row: `| ${cells.join(" | ")} |\n`, score };
}

let failed = false;
let table = "";
for (const one of name === undefined ? Object.keys(FILES) : [name]) {
  const found = mutate(one, chosen.length > 0 ? chosen : (FILES[one] ?? []));
  if (found === null) {
    failed = true;
    continue;
  }
  table +=
    `| ${one} | mutants | killed | timed out | survived | not covered | score |\n` +
    "| --- | --- | --- | --- | --- | --- | --- |\n";
  /** @type {Counts} */
  const sum = {};
  for (const [file, counts] of found) {
    for (const [status, count] of Object.entries(counts)) sum[status] = (sum[status] ?? 0) + count;
    const { row: line, score } = row(file, counts);
    table += line;
    failed ||= score < LEAST;
  }
  table += `${row("together", sum).row}\n`;
}
process.stdout.write(`\n${table}`);
process.exit(failed ? 1 : 0);
