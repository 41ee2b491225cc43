// fuzz/corpus holds, for each target, the inputs that got an answer of their own kind; fuzz/findings one
// file for each input for which something did not hold. Both are committed; the tests replay them.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Found, nameOf } from "./engine.ts";

const CORPUS = fileURLToPath(new URL("corpus", import.meta.url));
const FINDINGS = fileURLToPath(new URL("findings", import.meta.url));
/** Longer inputs are found again from shorter ones. */
const KEPT_CHARS_MAX = 2_000;

/** The inputs of former runs. */
export function keptInputs(target: string): readonly unknown[] {
  const path = join(CORPUS, `${target}.json`);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : [];
}

/** Keep inputs for later runs, apart from the seeds, which come from elsewhere. */
export function keepInputs(target: string, inputs: readonly unknown[]): void {
  const lines = inputs
    .map((input) => asciiJson(input))
    .filter((line) => line.length <= KEPT_CHARS_MAX);
  mkdirSync(CORPUS, { recursive: true });
  writeFileSync(join(CORPUS, `${target}.json`), `[\n${[...new Set(lines)].join(",\n")}\n]\n`);
}

/** Every finding so far, whether it still is one or not. */
export function knownFindings(): readonly Found[] {
  if (!existsSync(FINDINGS)) return [];
  return readdirSync(FINDINGS)
    .sort()
    .map((name) => JSON.parse(readFileSync(join(FINDINGS, name), "utf8")));
}

/** Whether a finding is of a kind that is known, and not mended yet. */
export function isOpen({ target, what }: Found): boolean {
  return knownFindings().some(
    (one) => one.open !== undefined && one.target === target && one.what === what,
  );
}

/** @returns The path of the file. */
export function keepFinding(found: Found): string {
  mkdirSync(FINDINGS, { recursive: true });
  const path = join(FINDINGS, `${nameOf(found)}.json`);
  writeFileSync(path, `${asciiJson(found, 2)}\n`);
  return path;
}

/** Controls and characters beyond ASCII would not survive every editor. */
function asciiJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replaceAll(
    /[\x7f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
