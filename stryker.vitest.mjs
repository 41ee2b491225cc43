// The tests that judge mutants: quick ones, in which nothing is measured by the clock. Long random ones
// are left out as well: a mutant that only they find, and not each time, is not found.
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { BaseSequencer } from "vitest/node";
import { judges } from "./stryker.judges.mjs";

const conditions = ["@aivault/source", "node", "import", "module", "default"];
const LEFT_OUT = ["decision-speed", "hostile-sizes", "properties", "readme", "crash", "heap"];
/** Slow ones about code that is not mutated, or that see what quicker ones see as well. */
const ABOUT_OTHERS = [
  "argon2id",
  "audit-log",
  "backup",
  "damage",
  "key-file",
  "process-lock",
  "rotation",
];
/** The first test that fails ends a run, so that these are for what the others let through. */
const SLOW = ["corpora", "file-store", "store-conformance", "vault"];

class QuickFirst extends BaseSequencer {
  async sort(files) {
    const weight = ({ moduleId }) => SLOW.indexOf(basename(moduleId, ".test.ts"));
    return [...files].sort((a, b) => weight(a) - weight(b));
  }
}

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    environment: "node",
    pool: "threads",
    testTimeout: 60_000,
    sequence: { sequencer: QuickFirst },
    setupFiles: [fileURLToPath(new URL("stryker.setup.mjs", import.meta.url))],
    // Below the folder of the package, which Stryker names.
    include: (judges ?? ["*"]).map((name) => `{src,test}/**/${name}.test.ts`),
    exclude: [...LEFT_OUT, ...ABOUT_OTHERS].map((name) => `**/${name}.test.ts`),
  },
});
