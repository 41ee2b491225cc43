// @ts-check
// Mutation testing of files of one package; started by `pnpm mutate`, see docs/testing.md.
import { mutated, packageName } from "./stryker.judges.mjs";

const PACKAGES = ["broker", "cli", "client", "daemon", "policy", "registry", "vault-core"];
const others = PACKAGES.filter((name) => name !== packageName).map((name) => `/packages/${name}`);
const report = `coverage/mutation/${packageName}`;

export default {
  testRunner: "in-process",
  plugins: ["./stryker.runner.mjs"],
  mutate: mutated.map((file) => `packages/${packageName}/src/${file}.ts`),
  coverageAnalysis: "perTest",
  concurrency: 1,
  // Files are loaded anew for each mutant, and never given back.
  maxTestRunnerReuse: 100,
  timeoutMS: 5_000,
  // Stryker copies the project into a sandbox; the tests of one package need no other.
  ignorePatterns: [...others, "/bench", "/e2e", "/examples", "/fuzz", "/coverage", "dist"],
  // TypeScript 7 has no compiler API with which Stryker could rewrite a tsconfig, and esbuild needs none.
  tsconfigFile: "none",
  reporters: ["clear-text", "progress-append-only", "json", "html"],
  jsonReporter: { fileName: `${report}.json` },
  htmlReporter: { fileName: `${report}.html` },
  clearTextReporter: { reportTests: false, allowColor: false },
};
