// The test of the tests: faults put into a copy of the store on purpose, each of which the harness
// must find. A fault that it does not find is a fault of the harness.
//
//   node e2e/faults/seeded.mjs --toy [--sample N]  the small writers of toy-subject.mjs
//   node e2e/faults/seeded.mjs [--only a,b]        faults in a copy of vault-core's sources
//
// A fault whose text is no longer in the sources stops the run: the list must follow the code.
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { buildWith } from "./build-core.mjs";
import { Enumeration, evenly } from "./enumerate.mjs";
import { seededFaults } from "./seeded-faults.mjs";
import { buildShim, makeTemporary, NoCompilerError } from "./shim.mjs";
import { writers } from "./toy-subject.mjs";

// Mistakes in what is written when show when the process is stopped, no call need be refused.
const stops = ({ mode }) => mode === undefined || /^(before|torn)/.test(mode);

/** Points of the unchanged sources: all of them are what enumerate.mjs looks at. */
const UNCHANGED_MOST = 25;

/** A problem without what differs from run to run. */
const plain = (problem) => problem.replaceAll(/[0-9a-f]{8,}|\d+/g, "#");

// Runs `scenario` in the kinds given until something bad is found, other than what `known` lists;
// returns what that was, by kind.
async function search({
  directory,
  shim,
  core,
  scenario,
  kinds,
  most = Number.POSITIVE_INFINITY,
  stopAt = 1,
  known = new Set(),
}) {
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
      stopAt,
      ignore: (problem) => known.has(plain(problem)),
      pick: (list) => evenly(scenario.startsWith("toy") ? list : list.filter(stops), most),
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
    } finally {
      enumeration.close();
    }
    fs.rmSync(home, { recursive: true, force: true });
    found[kind] = { runs, first: bad[0] ?? null, problems: bad.flatMap((row) => row.problems) };
  }
  return { found };
}

async function checkToys(directory, shim, most) {
  let wrong = 0;
  for (const [name, writer] of Object.entries(writers)) {
    const scenario = `toy:${name}`;
    const kinds = ["kill", "power", "refused"];
    const { found, error } = await search({ directory, shim, core: "", scenario, kinds, most });
    const seen = kinds.filter((kind) => found[kind]?.first);
    // A writer that never syncs has no fsync that could fail.
    const right =
      !error &&
      seen.filter((kind) => kind !== "refused" || writer.finds.includes(kind)).join() ===
        writer.finds.join();
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
  // What the sources do wrong by themselves is no sign of a seeded fault.
  const home = path.join(directory, "unchanged");
  const core = await buildWith({ name: "none", patches: [] }, home);
  // One state of the sources for the whole run, whatever is edited meanwhile.
  const sources = path.join(home, "src");
  const places = new Map(
    faults.flatMap(({ where }) =>
      where.flatMap(([scenario, kinds]) =>
        kinds.split("+").map((kind) => [`${scenario} ${kind}`, { scenario, kinds: [kind] }]),
      ),
    ),
  );
  const known = new Set();
  for (const [name, place] of places) {
    const some = { most: UNCHANGED_MOST, stopAt: 1e9 };
    const answer = await search({ directory: home, shim, core, ...place, ...some });
    if (answer.error) throw new Error(`the unchanged sources fail: ${answer.error}`);
    const [{ runs, problems }] = Object.values(answer.found);
    for (const problem of problems) known.add(plain(problem));
    console.log(`unchanged sources, ${name}: ${runs} runs, ${problems.length} problems`);
  }
  for (const [index, fault] of faults.entries()) {
    const startedAtMs = performance.now();
    const faulty = path.join(directory, `fault-${index}`);
    const build = await buildWith(fault, faulty, sources);
    let how = null;
    let runs = 0;
    for (const [scenario, kinds] of fault.where) {
      const answer = await search({
        directory: faulty,
        shim,
        core: build,
        scenario,
        kinds: kinds.split("+"),
        known,
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
    fs.rmSync(faulty, { recursive: true, force: true });
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
const directory = makeTemporary("seeded");
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
