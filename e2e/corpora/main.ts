// `pnpm corpora [DIR]`: see corpora/README.md and docs/testing.md.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { format, isClean } from "./report.ts";
import { runCorpora, SETS, setsOf } from "./run-corpora.ts";

/** @returns The exit status: 0 when every case passed. */
export async function main(args: readonly string[]): Promise<number> {
  const [named] = args;
  const folder =
    named === undefined ? fileURLToPath(new URL("../../corpora", import.meta.url)) : resolve(named);
  if (!existsSync(folder)) {
    process.stderr.write(`corpora: there is no folder ${folder}\n`);
    return 2;
  }
  const sets = setsOf(folder);
  const missing = SETS.filter((set) => !sets.includes(set)).map((set) => `${set}.json`);
  if (missing.length > 0) process.stderr.write(`corpora: there is no ${missing.join(", no ")}\n`);
  if (sets.length === 0) return 2;
  const startedAtMs = performance.now();
  const reports = await runCorpora(folder, ({ set, run, cases }) => {
    const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
    process.stderr.write(`corpora: ${set}: ${run} of ${cases} run (${seconds} s)\n`);
  });
  process.stdout.write(format(reports));
  return isClean(reports) ? 0 : 1;
}
