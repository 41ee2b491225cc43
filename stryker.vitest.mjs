// The tests that judge mutants: quick ones, in which nothing is measured by the clock. Random ones are
// left out as well: a mutant that only they find, and not each time, is not found.
import { basename } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer } from "vitest/node";

const conditions = ["@aivault/source", "node", "import", "module", "default"];
const LEFT_OUT = ["decision-speed", "hostile-sizes", "properties", "readme", "crash", "heap"];
/** The first test that fails ends a run, so that these are for what the others let through. */
const SLOW = ["corpora", "store-conformance", "audit-log", "damage", "vault", "backup", "rotation"];

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
    // Below the folder of the package, which Stryker names.
    include: ["{src,test}/**/*.test.ts"],
    exclude: LEFT_OUT.map((name) => `**/${name}.test.ts`),
  },
});
