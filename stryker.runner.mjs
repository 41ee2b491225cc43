// @ts-check
// Runs the tests that judge mutants in Stryker's own process. Starting Vitest for each mutant takes ten
// times as long as the tests: here each test file is bundled once, and loaded anew for each mutant, so
// that nothing which one of them left in a module meets the next.
//
// Understands what the tests of `policy` and `vault-core` use of Vitest, whose `expect` it takes.
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join, relative, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath, pathToFileURL } from "node:url";
import { format } from "node:util";
import { build } from "esbuild";
import fc from "fast-check";
import { judgesOf, mutated, packageName } from "./stryker.judges.mjs";

// Random tests judge with the same few cases each time, so that a mutant is found or is not.
fc.configureGlobal({ seed: 1, numRuns: 25 });

const vitest = createRequire(fileURLToPath(import.meta.resolve("vitest/package.json")));
const { ASYMMETRIC_MATCHERS_OBJECT, chai, getState, setState, ...plugins } = await import(
  pathToFileURL(vitest.resolve("@vitest/expect")).href
);
for (const name of ["JestExtend", "JestChaiExpect", "JestAsymmetricMatchers"]) {
  chai.use(plugins[name]);
}
chai.use((/** @type {any} */ { Assertion }, /** @type {any} */ { flag }) => {
  Assertion.addMethod(
    "toMatchInlineSnapshot",
    /** @this {object} */ function (/** @type {string} */ snapshot) {
      // Of strings only: in quotes, and indented as the source is.
      const written = snapshot.replace(/^[ \t]+/gm, "").trim();
      chai.expect(`"${flag(this, "object")}"`).to.equal(written);
    },
  );
});

/** @type {any} */
export const expect = (/** @type {unknown} */ value, /** @type {string} */ message) =>
  chai.expect(value, message);
Object.assign(expect, chai.expect, /** @type {any} */ (globalThis)[ASYMMETRIC_MATCHERS_OBJECT]);
setState(
  { assertionCalls: 0, isExpectingAssertions: false, expectedAssertionsNumber: null },
  expect,
);
expect.getState = () => getState(expect);

/**
 * @typedef {() => unknown} Run
 * @typedef {{ name: string, run: Run }} Test
 * @typedef {{ name: string, before: Run[], after: Run[], beforeEach: Run[], afterEach: Run[],
 *   items: (Test | Suite)[] }} Suite
 */

/** @returns {Suite} */
const newSuite = (/** @type {string} */ name) => ({
  name,
  before: [],
  after: [],
  beforeEach: [],
  afterEach: [],
  items: [],
});

let suite = newSuite("");
/** @type {Run[]} */
let finished = [];

/** A function and, before or behind it, options that say nothing here. */
const functionOf = (/** @type {unknown[]} */ rest) =>
  /** @type {(...row: unknown[]) => unknown} */ (rest.find((one) => typeof one === "function"));

/** @param {(name: string, ...rest: any[]) => void} add */
function withVariants(add) {
  const none = withoutVariants(() => {});
  return Object.assign(add, {
    skipIf: (/** @type {unknown} */ condition) => (condition ? none : add),
    runIf: (/** @type {unknown} */ condition) => (condition ? add : none),
    each:
      (/** @type {readonly unknown[]} */ rows) =>
      (/** @type {string} */ name, /** @type {unknown[]} */ ...rest) => {
        const areLists = rows.every((row) => Array.isArray(row));
        for (const row of rows) {
          const values = areLists ? /** @type {unknown[]} */ (row) : [row];
          const used = values.slice(0, name.match(/%[sdijfo]/g)?.length ?? 0);
          add(format(name, ...used), () => functionOf(rest)(...values));
        }
      },
  });
}

/** @param {(name: string, ...rest: any[]) => void} add */
function withoutVariants(add) {
  return Object.assign(add, { each: () => add });
}

export const it = withVariants((name, ...rest) => {
  suite.items.push({ name, run: functionOf(rest) });
});

export const describe = withVariants((name, ...rest) => {
  const outer = suite;
  suite = newSuite(name);
  outer.items.push(suite);
  functionOf(rest)();
  suite = outer;
});

export const beforeAll = (/** @type {Run} */ run) => void suite.before.push(run);
export const afterAll = (/** @type {Run} */ run) => void suite.after.push(run);
export const beforeEach = (/** @type {Run} */ run) => void suite.beforeEach.push(run);
export const afterEach = (/** @type {Run} */ run) => void suite.afterEach.push(run);
export const onTestFinished = (/** @type {Run} */ run) => void finished.push(run);

/** Where instrumented code looks for the mutant that is active. @type {any} */
const stryker = {};
Reflect.set(globalThis, "__stryker__", stryker);

/** @typedef {{ id: string, name: string, fileName: string, status: number, timeSpentMs: number,
 *   failureMessage?: string }} Result */

class InProcessRunner {
  /** @type {{ judge: string, file: string, bundle: string }[]} */
  #files = [];
  #loads = 0;

  capabilities() {
    return { reloadEnvironment: true };
  }

  async init() {
    const folder = resolve("packages", packageName);
    const names = ["src", "test"].flatMap((sub) =>
      readdirSync(join(folder, sub), { recursive: true, encoding: "utf8" }).map((name) =>
        join(folder, sub, name),
      ),
    );
    for (const judge of new Set(mutated.flatMap(judgesOf))) {
      const file = names.find((name) => basename(name) === `${judge}.test.ts`);
      if (file === undefined) continue;
      const bundle = file.replace(/\.ts$/, `.${process.pid}.mjs`);
      await build({
        entryPoints: [file],
        outfile: bundle,
        bundle: true,
        platform: "node",
        format: "esm",
        target: "node20",
        packages: "external",
        logLevel: "silent",
        plugins: [
          {
            name: "vitest",
            setup: ({ onResolve }) =>
              onResolve({ filter: /^vitest$/ }, () => ({ path: import.meta.url, external: true })),
          },
        ],
      });
      this.#files.push({ judge, file, bundle });
    }
  }

  async dryRun() {
    stryker.activeMutant = undefined;
    stryker.mutantCoverage = { static: {}, perTest: {} };
    const tests = await this.#run(this.#files, null, false, () => {});
    return { status: "complete", tests, mutantCoverage: stryker.mutantCoverage };
  }

  /**
   * @param {{ activeMutant: { id: string }, testFilter?: string[], hitLimit?: number,
   *   mutantActivation: "static" | "runtime", sandboxFileName: string }} options
   */
  async mutantRun({ activeMutant, testFilter, hitLimit, mutantActivation, sandboxFileName }) {
    stryker.mutantCoverage = undefined;
    stryker.hitCount = 0;
    stryker.hitLimit = hitLimit;
    stryker.activeMutant = mutantActivation === "static" ? activeMutant.id : undefined;
    const judges = judgesOf(basename(sandboxFileName, ".ts"));
    const files = this.#files
      .filter(({ judge }) => judges.includes(judge))
      .sort((a, b) => judges.indexOf(a.judge) - judges.indexOf(b.judge));
    const only = testFilter === undefined ? null : new Set(testFilter);
    const results = await this.#run(files, only, true, () => {
      stryker.activeMutant = activeMutant.id;
    });
    stryker.activeMutant = undefined;
    if (hitLimit !== undefined && stryker.hitCount > hitLimit) {
      return { status: "timeout", reason: `Hit limit reached (${stryker.hitCount}/${hitLimit})` };
    }
    const killer = results.find(({ status }) => status === 1);
    const nrOfTests = results.length;
    if (killer === undefined) return { status: "survived", nrOfTests };
    const { id, failureMessage = "" } = killer;
    return { status: "killed", killedBy: [id], failureMessage, nrOfTests };
  }

  /**
   * @param {readonly { file: string, bundle: string }[]} files - To run, in order.
   * @param {ReadonlySet<string> | null} only - Ids of tests; null for all.
   * @param {boolean} bail - End with the first test that fails.
   * @param {() => void} loaded - Called when a file was loaded, before its tests.
   */
  async #run(files, only, bail, loaded) {
    /** @type {Result[]} */
    const results = [];
    for (const { file, bundle } of files) {
      const path = relative(process.cwd(), file);
      if (only !== null && ![...only].some((id) => id.startsWith(`${path}#`))) continue;
      const add = (
        /** @type {string} */ name,
        /** @type {number} */ startMs,
        /** @type {unknown} */ error,
      ) => {
        /** @type {Result} */
        const result = {
          id: `${path}#${name}`,
          name,
          fileName: file,
          status: error === undefined ? 0 : 1,
          timeSpentMs: performance.now() - startMs,
        };
        if (error !== undefined) result.failureMessage = `${error}`.slice(0, 1000);
        results.push(result);
      };
      suite = newSuite("");
      const startMs = performance.now();
      try {
        this.#loads += 1;
        await import(`${pathToFileURL(bundle).href}?${this.#loads}`);
      } catch (error) {
        add("(loading)", startMs, error ?? "failed");
        return results;
      }
      loaded();
      const wanted = (/** @type {string} */ name) => only === null || only.has(`${path}#${name}`);
      await runSuite(suite, [], { path, wanted, bail, add });
      if (bail && results.some(({ status }) => status === 1)) break;
    }
    return results;
  }
}

/**
 * @typedef {{ path: string, wanted: (name: string) => boolean, bail: boolean,
 *   add: (name: string, startMs: number, error: unknown) => void }} Course
 */

const fullName = (/** @type {readonly Suite[]} */ around, /** @type {string} */ name) =>
  [...around.map((one) => one.name), name].filter((part) => part !== "").join(" ");

/** @type {(present: Suite, outer: readonly Suite[], course: Course) => boolean} */
function hasWanted(present, outer, course) {
  const around = [...outer, present];
  return present.items.some((item) =>
    "run" in item ? course.wanted(fullName(around, item.name)) : hasWanted(item, around, course),
  );
}

/**
 * @type {(present: Suite, outer: readonly Suite[], course: Course) => Promise<boolean>}
 * @returns Whether all passed.
 */
async function runSuite(present, outer, course) {
  if (!hasWanted(present, outer, course)) return true;
  const around = [...outer, present];
  const startMs = performance.now();
  let passed = true;
  try {
    for (const run of present.before) await run();
    for (const item of present.items) {
      if (!("run" in item)) passed = (await runSuite(item, around, course)) && passed;
      else if (course.wanted(fullName(around, item.name))) {
        passed = (await runTest(item, around, course)) && passed;
      }
      if (!passed && course.bail) break;
    }
    for (const run of present.after) await run();
  } catch (error) {
    course.add(fullName(around, "(around all)"), startMs, error ?? "failed");
    return false;
  }
  return passed;
}

/** @type {(test: Test, around: readonly Suite[], course: Course) => Promise<boolean>} */
async function runTest(test, around, { path, add }) {
  const name = fullName(around, test.name);
  const startMs = performance.now();
  stryker.currentTestId = `${path}#${name}`;
  finished = [];
  let failure;
  try {
    for (const one of around) for (const run of one.beforeEach) await run();
    await test.run();
  } catch (error) {
    failure = error ?? "failed";
  }
  for (const run of finished.reverse()) await run();
  for (const one of around) for (const run of one.afterEach) await run();
  stryker.currentTestId = undefined;
  add(name, startMs, failure);
  return failure === undefined;
}

export const strykerPlugins = [
  { kind: "TestRunner", name: "in-process", injectableClass: InProcessRunner },
];
