// @ts-check
// Which files `pnpm mutate` changes, and which tests judge them. Files are taken one by one, each with
// the tests that are about it: what only a test of something else notices, a reader would not find.
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
  // Cryptography, the stored forms, and the store.
  "vault-core": [
    "aead",
    "audit-head",
    "bytes",
    "checkpoint",
    "framing",
    "identifiers",
    "key-ring",
    "labels",
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
  "file-store": ["store-conformance"],
  journal: ["file-store"],
  "memory-store": ["store-conformance"],
  segment: ["path-rule", "target"],
};

/** Of `policy`: what is said to callers, and the attacks. */
const ALWAYS = ["messages", "corpora"];

const { AIVAULT_MUTATED = "" } = process.env;

/** The package whose file is mutated. */
export const packageName = AIVAULT_MUTATED.split("/")[0] ?? "";

/** The file, without `.ts`. */
export const mutated = AIVAULT_MUTATED.slice(packageName.length + 1);

/** Names of test files, quick ones first: the first test that fails ends a run. */
export const judges = [basename(mutated), ...(MORE[basename(mutated)] ?? []), ...ALWAYS];
