// @ts-check
// Mutation testing: `pnpm mutate`, `pnpm mutate policy` for one package, `pnpm mutate policy host` for
// one file. Files are taken one by one; options (`--concurrency 2`) go to Stryker. Ends with a table.
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

/**
 * What became of the mutants of a file, by status; null when Stryker failed.
 *
 * @param {string} packageName
 * @param {string} file
 * @returns {Record<string, number> | null}
 */
function mutate(packageName, file) {
  const report = `coverage/mutation/${packageName}/${file.replaceAll("/", "-")}.json`;
  rmSync(report, { force: true });
  const { status } = spawnSync("stryker", ["run", ...options], {
    stdio: "inherit",
    shell: process.platform === "win32",
    env: { ...process.env, AIVAULT_MUTATED: `${packageName}/${file}` },
  });
  if (status !== 0) return null;
  const { files } = JSON.parse(readFileSync(report, "utf8"));
  /** @type {Record<string, number>} */
  const counts = {};
  for (const { mutants } of Object.values(files)) {
    for (const mutant of mutants) counts[mutant.status] = (counts[mutant.status] ?? 0) + 1;
  }
  return counts;
}

/**
 * @param {string} label
 * @param {Record<string, number>} counts
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
let table =
  "| file | mutants | killed | timed out | survived | not covered | score |\n" +
  "| --- | --- | --- | --- | --- | --- | --- |\n";
for (const one of name === undefined ? Object.keys(FILES) : [name]) {
  /** @type {Record<string, number>} */
  const sum = {};
  for (const file of chosen.length > 0 ? chosen : (FILES[one] ?? [])) {
    const counts = mutate(one, file);
    if (counts === null) {
      failed = true;
      table += `| ${one}: ${file} | Stryker failed |\n`;
      continue;
    }
    for (const [status, count] of Object.entries(counts)) sum[status] = (sum[status] ?? 0) + count;
    const { row: line, score } = row(`${one}: ${file}`, counts);
    table += line;
    failed ||= score < LEAST;
  }
  table += row(`${one}, together`, sum).row;
}
process.stdout.write(`\n${table}`);
process.exit(failed ? 1 : 0);
