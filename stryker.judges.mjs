// @ts-check
// Which files `pnpm mutate` changes, and which tests judge them: those that are about the file. What only
// a test of something else notices, a reader would not find.
import { basename } from "node:path";

/** By package, in its `src`. */
/** @type {Readonly<Record<string, readonly string[]>>} */
export const FILES = {
  // What decides. The rest (limits, spellings of secrets, punycode) has published vectors.
  policy: [
    "address",
    "capability-pattern",
    "endpoint-url",
    "envelope",
    "header-name",
    "headers",
    "host",
    "method",
    "path-rule",
    "percent",
    "query",
    "redirect",
    "segment",
    "strict-json",
    "target",
  ],
  // Cryptography, the stored forms, and the store. The labels are constants, which Stryker leaves alone.
  "vault-core": [
    "aead",
    "audit-head",
    "bytes",
    "checkpoint",
    "framing",
    "identifiers",
    "key-ring",
    "mac",
    "manifest",
    "memory-store",
    "passphrase",
    "record",
    "session",
    "sha256",
    "transaction",
    "vault-file",
    "verify",
    "node/file-store",
    "node/journal",
  ],
};

/** Tests that judge a file beside the one of its name. */
/** @type {Readonly<Record<string, readonly string[]>>} */
const MORE = {
  "header-name": ["headers"],
  "key-ring": ["golden"],
  journal: ["file-store"],
  manifest: ["golden"],
  "memory-store": ["store-conformance"],
  record: ["golden"],
  segment: ["path-rule", "target"],
  "vault-file": ["golden"],
};

/** Of `policy`: what is said to callers, and the attacks. */
const ALWAYS = ["messages", "corpora"];

const { AIVAULT_MUTATED = "" } = process.env;

/** The package whose files are mutated. */
export const packageName = AIVAULT_MUTATED.split("/")[0] ?? "";

/** The files, without `.ts`. */
export const mutated = AIVAULT_MUTATED.slice(packageName.length + 1).split(",");

/**
 * Names of the test files that judge a file, quick ones first: the first test that fails ends a run.
 *
 * @param {string} file - Without `.ts`, with or without what is before its name.
 */
export function judgesOf(file) {
  const name = basename(file);
  return [name, ...(MORE[name] ?? []), ...ALWAYS];
}
