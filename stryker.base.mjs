// @ts-check
// Mutation testing of the pure packages; `pnpm mutate policy`, and docs/testing.md.
import { mutated } from "./stryker.judges.mjs";

const PACKAGES = ["broker", "cli", "client", "daemon", "policy", "registry", "vault-core"];

/**
 * @param {string} name - Of the package, which is also the folder of the tests that judge.
 * @param {readonly string[]} files - In its `src`.
 */
export function mutating(name, files) {
  const others = PACKAGES.filter((other) => other !== name).map((other) => `/packages/${other}`);
  const report = `coverage/mutation/${name}/${mutated?.replaceAll("/", "-") ?? "all"}`;
  return {
    testRunner: "vitest",
    plugins: ["@stryker-mutator/vitest-runner"],
    vitest: { configFile: "stryker.vitest.mjs", dir: `packages/${name}`, related: false },
    mutate: (mutated === null ? files : [mutated]).map((file) => `packages/${name}/src/${file}.ts`),
    coverageAnalysis: "perTest",
    concurrency: 1,
    timeoutMS: 5_000,
    dryRunTimeoutMinutes: 30,
    // Stryker copies the project into a sandbox; the tests of one package need no other.
    ignorePatterns: [...others, "/bench", "/e2e", "/examples", "/fuzz", "/coverage", "dist"],
    // TypeScript 7 has no compiler API with which Stryker could rewrite a tsconfig, and vitest needs none.
    tsconfigFile: "none",
    reporters: ["clear-text", "progress-append-only", "json", "html"],
    jsonReporter: { fileName: `${report}.json` },
    htmlReporter: { fileName: `${report}.html` },
    clearTextReporter: { reportTests: false, allowColor: false },
  };
}
