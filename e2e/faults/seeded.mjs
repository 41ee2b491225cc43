// The test of the tests: faults put into a copy of the store on purpose, each of which the harness
// must find. A fault that it does not find is a fault of the harness.
//
//   node e2e/faults/seeded.mjs --toy [--sample N]  the small writers of toy-subject.mjs
//   node e2e/faults/seeded.mjs [--only a,b]        faults in a copy of vault-core's sources
//
// A fault whose text is no longer in the sources stops the run: the list must follow the code.
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { Enumeration, evenly } from "./enumerate.mjs";
import { seededFaults } from "./seeded-faults.mjs";
import { buildShim, NoCompilerError } from "./shim.mjs";
import { writers } from "./toy-subject.mjs";

const SOURCES = path.join(import.meta.dirname, "../../packages/vault-core");

/**
 * Copy vault-core's sources, put `fault` into them, and bundle the copy with its dependencies.
 *
 * @returns The directory of the bundle, laid out like `dist`.
 * @throws {Error} A text to replace is not there exactly once.
 */
async function buildWith(fault, directory) {
  const copy = path.join(directory, "src");
  fs.cpSync(path.join(SOURCES, "src"), copy, { recursive: true });
  for (const { file, from, to } of fault.patches) {
    const target = path.join(copy, file);
    const text = fs.existsSync(target) ? fs.readFileSync(target, "utf8") : "";
    const times = text.split(from).length - 1;
    if (times !== 1) {
      throw new Error(
        `the fault \`${fault.name}\` no longer fits ${file}: found ${times} times:\n${from}`,
      );
    }
    fs.writeFileSync(
      target,
      text.replace(from, () => to),
    );
  }
  // The copy finds its dependencies where the original does.
  fs.symlinkSync(path.join(SOURCES, "node_modules"), path.join(directory, "node_modules"));
  const tsup = createRequire(import.meta.url).resolve("tsup/package.json");
  const esbuild = createRequire(tsup)("esbuild");
  const out = path.join(directory, "dist");
  await esbuild.build({
    entryPoints: {
      index: path.join(copy, "index.ts"),
      "node/index": path.join(copy, "node/index.ts"),
    },
    outdir: out,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    logLevel: "error",
  });
  fs.writeFileSync(path.join(out, "package.json"), '{"type":"module"}\n');
  return out;
}

// Runs `scenario` in the kinds given until something bad is found; returns what that was, or null.
async function search({ directory, shim, core, scenario, kinds, most = Number.POSITIVE_INFINITY }) {
  const found = {};
  for (const kind of kinds) {
    const bad = [];
    let runs = 0;
    const home = path.join(directory, `${scenario}-${kind}`.replaceAll(/\W/g, "_"));
    const enumeration = new Enumeration({
      directory: home,
      shim,
      scenario,
      core,
      stopAt: 1,
      pick: (list) => evenly(list, most),
      report(row) {
        runs++;
        if (row.verdict === "BAD") bad.push(row);
      },
    });
    try {
      await enumeration.prepare();
      await enumeration[kind]();
    } catch (error) {
      // A store that does not even work without a fault is found, but not by what is tested here.
      return { found, error: error.message };
    }
    fs.rmSync(home, { recursive: true, force: true });
    found[kind] = { runs, first: bad[0] ?? null };
  }
  return { found };
}

async function checkToys(directory, shim, most) {
  let wrong = 0;
  for (const [name, writer] of Object.entries(writers)) {
    const scenario = `toy:${name}`;
    const kinds = ["kill", "power"];
    const { found, error } = await search({ directory, shim, core: "", scenario, kinds, most });
    const seen = kinds.filter((kind) => found[kind]?.first);
    const right = !error && seen.join() === writer.finds.join();
    if (!right) wrong++;
    const runs = kinds.map((kind) => `${kind} ${found[kind]?.runs ?? 0} runs`).join(", ");
    console.log(
      `${right ? "ok" : "WRONG"} ${name}: found by ${seen.join(" and ") || "nothing"} (${runs}) ${error ?? ""}`,
    );
  }
  console.log(
    `harness: ${Object.keys(writers).length - wrong} of ${Object.keys(writers).length} writers judged rightly`,
  );
  return wrong === 0 ? 0 : 1;
}

async function checkSeeded(directory, shim, only, results) {
  const faults = seededFaults.filter(({ name }) => !only || only.includes(name));
  let found = 0;
  for (const [index, fault] of faults.entries()) {
    const startedAtMs = performance.now();
    const home = path.join(directory, `fault-${index}`);
    const core = await buildWith(fault, home);
    let how = null;
    let runs = 0;
    for (const [scenario, kinds] of fault.where) {
      const answer = await search({
        directory: home,
        shim,
        core,
        scenario,
        kinds: kinds.split("+"),
      });
      for (const [kind, { runs: made, first }] of Object.entries(answer.found)) {
        runs += made;
        if (first) how ??= { scenario, kind, row: first };
      }
      if (answer.error) how ??= { scenario, kind: "broken", row: { problems: [answer.error] } };
      if (how) break;
    }
    const ms = Math.round(performance.now() - startedAtMs);
    const counts = how !== null && how.kind !== "broken";
    if (counts) found++;
    const where = how ? `${how.scenario}, ${how.kind}` : "nowhere";
    const place = how?.row.point ?? how?.row.cut ?? "";
    const reason = how?.row.problems[0]?.slice(0, 160) ?? "";
    console.log(
      `${counts ? "found" : "NOT FOUND"} ${fault.name}: ${where} ${place}: ${reason} (${runs} runs, ${ms} ms)`,
    );
    results?.push({
      test: "seeded",
      case: fault.name,
      expected: "found",
      got: where,
      runs,
      ms,
      verdict: counts ? "ok" : "BAD",
    });
    fs.rmSync(home, { recursive: true, force: true });
  }
  console.log(`seeded faults: ${found} of ${faults.length} found`);
  return found === faults.length ? 0 : 1;
}

const { values } = parseArgs({
  options: {
    toy: { type: "boolean" },
    sample: { type: "string" },
    only: { type: "string" },
    results: { type: "string" },
  },
});
const directory = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), "aivault-seeded-"));
try {
  const shim = buildShim(directory);
  const results = [];
  process.exitCode = values.toy
    ? await checkToys(
        directory,
        shim,
        values.sample === undefined ? undefined : Number(values.sample),
      )
    : await checkSeeded(directory, shim, values.only?.split(","), results);
  if (values.results) {
    fs.appendFileSync(values.results, results.map((row) => `${JSON.stringify(row)}\n`).join(""));
  }
} catch (error) {
  console.error(
    error instanceof NoCompilerError ? `SEEDED FAULTS NOT RUN: ${error.message}` : error,
  );
  process.exitCode = error instanceof NoCompilerError ? 77 : 2;
} finally {
  fs.rmSync(directory, { recursive: true, force: true });
}
