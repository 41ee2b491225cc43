import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { CorpusCase } from "../packages/policy/test/corpora-runner.ts";

/** The cases of an attack corpus: what to begin with. */
export function corpusCases(set: string): readonly CorpusCase[] {
  const path = fileURLToPath(new URL(`../corpora/${set}.json`, import.meta.url));
  return JSON.parse(readFileSync(path, "utf8"));
}

/** Texts without duplicates, and without the ones that are long on purpose. */
export function short(texts: readonly (string | undefined)[]): readonly string[] {
  const known = texts.filter((text): text is string => text !== undefined && text.length <= 1_024);
  return [...new Set(known)];
}
