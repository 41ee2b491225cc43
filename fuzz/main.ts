// `pnpm fuzz [SECONDS [SEED [TARGET...]]]`: see docs/testing.md.
import { relative } from "node:path";
import { fuzz } from "./engine.ts";
import { isOpen, keepFinding, keepInputs, keptInputs } from "./store.ts";
import { TARGETS } from "./targets/index.ts";

const SECONDS = 600;

/** @returns The exit status: 0 when nothing was found. */
export async function main(args: readonly string[]): Promise<number> {
  const seconds = Number(args[0] ?? SECONDS);
  const seed = Number(args[1] ?? Date.now() % 2 ** 31);
  const names = args.slice(2);
  const targets = TARGETS.filter(({ name }) => names.length === 0 || names.includes(name));
  if (!(seconds > 0) || !Number.isInteger(seed) || targets.length < new Set(names).size) {
    const known = TARGETS.map(({ name }) => name).join(", ");
    process.stderr.write(`usage: pnpm fuzz [SECONDS [SEED [TARGET...]]]\ntargets: ${known}\n`);
    return 2;
  }
  process.stdout.write(`seed ${seed}, ${seconds} s of work in all\n`);
  let executions = 0;
  let findings = 0;
  let known = 0;
  for (const target of targets) {
    const kept = keptInputs(target.name);
    const fuzzed = fuzz(target, kept, (seconds * 1000) / targets.length, seed);
    const seeds = new Set(target.seeds);
    keepInputs(
      target.name,
      fuzzed.corpus.filter((input) => !seeds.has(input)),
    );
    const { corpus } = fuzzed;
    const found = fuzzed.found.filter((one) => !isOpen(one));
    executions += fuzzed.executions;
    findings += found.length;
    known += fuzzed.found.length - found.length;
    process.stdout.write(
      `${target.name.padEnd(9)} ${fuzzed.executions} executions, ${corpus.length} inputs kept, ${found.length} findings\n`,
    );
    for (const one of found) {
      const path = relative(process.cwd(), keepFinding(one));
      process.stdout.write(`  ${one.what}\n    ${path}\n`);
    }
  }
  process.stdout.write(`${executions} executions, ${findings} findings, ${known} known and open\n`);
  return findings === 0 ? 0 : 1;
}
