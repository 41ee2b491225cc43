// @ts-check
// Which tests judge the mutants of which file. `pnpm mutate` takes the files one by one, each with the
// tests that are about it: what only a test of something else notices, a reader would not find either.
import { basename } from "node:path";

const { AIVAULT_MUTATED } = process.env;

/** The file whose turn it is, without `.ts`; null for all of them, judged by all tests. */
export const mutated = AIVAULT_MUTATED ?? null;

/** Where a test of the same name is not all there is. */
/** @type {Readonly<Record<string, readonly string[]>>} */
const MORE = {
  aead: ["vectors"],
  "header-name": ["headers"],
  journal: ["file-store"],
  labels: ["golden"],
  "memory-store": ["store-conformance"],
  "file-store": ["store-conformance"],
  segment: ["path-rule", "target"],
  sha256: ["mac", "aead"],
};

/** Of `policy`: what is said to callers, and the attacks. */
const ALWAYS = ["messages", "corpora"];

/** @type {readonly string[] | null} Names of test files, or null for all. */
export const judges =
  mutated === null ? null : [basename(mutated), ...(MORE[basename(mutated)] ?? []), ...ALWAYS];
