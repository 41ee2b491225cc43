// The tests that judge mutants: quick ones, in which nothing is measured by the clock. Random ones are
// left out as well: a mutant that only they find, and not each time, is not found.
import { defineConfig } from "vitest/config";

const conditions = ["@aivault/source", "node", "import", "module", "default"];
const LEFT_OUT = ["decision-speed", "hostile-sizes", "properties", "readme", "crash"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    environment: "node",
    pool: "threads",
    // Below the folder of the package, which Stryker names.
    include: ["{src,test}/**/*.test.ts"],
    exclude: LEFT_OUT.map((name) => `**/${name}.test.ts`),
  },
});
