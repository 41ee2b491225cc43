// Stops a process at every call by which it changes its files, cuts the power after every such call,
// and judges what is left. See docs/faults.md.
//
//   node e2e/faults/enumerate.mjs --full                  everything
//   node e2e/faults/enumerate.mjs --short                 the part that `npm test` runs
//   node e2e/faults/enumerate.mjs --scenario create,rotate-master:10 [--kinds stopped,power,refused,kill,recovery]
//   node e2e/faults/enumerate.mjs --scenario create --point 7 --mode torn:511 [--next 2:stopped]
//   node e2e/faults/enumerate.mjs --scenario create --cut 9 --label "names only"
//
//   --core DIR      another build of vault-core (default packages/vault-core/dist)
//   --results FILE  one JSON line for each run
//   --seed N        for the sampled states of the power-cut model (default 1)
//   --keep DIR      leave what a bad run left in DIR
//   --stop-at N     stop a scenario after N bad runs (default 20)
//
// Exit status: 0 nothing bad, 1 something bad, 2 the harness itself failed, 77 it cannot run here.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { env } from "node:process";
import readline from "node:readline";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { seeded } from "../support/seeded.mjs";
import { DiskModel, digestTree, readTree, writeTree } from "./disk-model.mjs";
import { judgeErrors, readAcknowledgements } from "./judge.mjs";
import {
  buildShim,
  EXIT_AT_FAULT,
  makeTemporary,
  modesOf,
  NoCompilerError,
  readRecord,
  runNode,
  shimEnvironment,
} from "./shim.mjs";

const PROCESS = path.join(import.meta.dirname, "scenario-process.mjs");
const JUDGE = path.join(import.meta.dirname, "judge.mjs");
const WORKERS = 2;

/** Every scenario of the full form, cheapest first. */
export const ALL_SCENARIOS = [
  "init",
  "create",
  "update",
  "rotate",
  "delete",
  "purge",
  "groups",
  "documents",
  "transaction",
  "import",
  "audit",
  "audit-rollover",
  "audit-disk",
  "audit-retention",
  "rotate-master:1",
  "rotate-master:10",
  "change-provider",
  "change-provider:env",
  "rotate-master:100",
];
const SHORT_SCENARIOS = ["create", "rotate", "delete", "rotate-master:1", "audit"];

// How many points of each kind the short form takes: of the calls that are the last, of the calls
// stopped by a process each, of those before a power cut,
// of the syncs refused, of the kinds of leftover, and of the calls of the start after each of these.
const SHORT = { stopped: 20, kill: 10, power: 5, refused: 1, recovery: 1, start: 4 };

// One of the processes that work side by side. Each has its own copy of everything, because a vault
// holds the absolute path of its key file.
class Worker {
  constructor({ id, directory, shim, scenario, core, seed }) {
    this.scenario = scenario;
    this.shim = shim;
    this.seed = seed;
    this.home = path.join(directory, `worker-${id}`);
    this.root = path.join(this.home, "root");
    this.ackFile = path.join(this.home, "acknowledged");
    this.recordFile = path.join(this.home, "record");
    this.statesFile = path.join(this.home, "states.json");
    this.bootFile = path.join(this.home, "boot-id");
    this.environment = { FAULTS_CORE: core };
    fs.mkdirSync(this.root, { recursive: true, mode: 0o700 });
    fs.writeFileSync(this.bootFile, "00000000-0000-4000-8000-000000000000\n");
  }

  async #script(task, ...args) {
    const result = await runNode([PROCESS, task, this.scenario, this.root, ...args], {
      env: { ...process.env, ...this.environment },
    });
    if (result.status !== 0) {
      throw new Error(`${this.scenario}: ${task} fails with no fault at all:\n${result.stderr}`);
    }
  }

  /** Make the state before, the states to expect, and the record of a run without a fault. */
  async prepare() {
    await this.#script("create");
    this.base = readTree(this.root);
    await this.#script("reference", this.statesFile);
    this.states = JSON.parse(fs.readFileSync(this.statesFile, "utf8"));
    const { result } = await this.run({ data: 1 });
    if (result.status !== 0) {
      throw new Error(`${this.scenario}: the run under the shim fails:\n${result.stderr}`);
    }
    this.record = readRecord(this.recordFile);
    this.calls = this.record.filter(({ op }) => op !== "ack");
    this.requireFaithfulModel(this.base, this.record);
    return this;
  }

  // If some call escaped the shim, the model's end is not the directory's, and no state it makes
  // can be believed.
  requireFaithfulModel(base, record) {
    const model = new DiskModel(this.root, base);
    for (const call of record) model.apply(call);
    if (digestTree(model.current()) !== digestTree(readTree(this.root))) {
      throw new Error(`${this.scenario}: the record does not account for what is on the disk`);
    }
  }

  reset(tree = this.base) {
    writeTree(this.root, tree);
    for (const file of [this.ackFile, this.recordFile]) fs.rmSync(file, { force: true });
  }

  /** Run the scenario under the shim. */
  async run(fault, task = "run") {
    if (task === "run") this.reset();
    fs.rmSync(this.recordFile, { force: true });
    const env = shimEnvironment(this.shim, {
      root: this.root,
      ack: this.ackFile,
      log: this.recordFile,
      ...fault,
    });
    const args = [
      PROCESS,
      task,
      this.scenario,
      this.root,
      ...(task === "run" ? [this.statesFile, this.ackFile] : []),
    ];
    const result = await runNode(args, { env: { ...env, ...this.environment } });
    return { result };
  }

  /** Ask a fresh process what is left in the root. */
  async judge({ acked, started }, { keep } = {}) {
    const request = {
      scenario: this.scenario,
      root: this.root,
      states: this.states,
      acked,
      started,
    };
    const result = await runNode([JUDGE], {
      env: { ...process.env, ...this.environment },
      input: `${JSON.stringify({ ...request, keep })}\n`,
    });
    if (result.hung) return { problems: ["the judge hung: opening does not end"], state: null };
    try {
      return JSON.parse(result.stdout);
    } catch {
      return { problems: [`the judge died: ${result.stderr.slice(-400)}`], state: null };
    }
  }

  /** A process that judges many states, each opened from nothing; or on a machine started anew. */
  openJudge({ rebooted = true } = {}) {
    const env = shimEnvironment(this.shim, { boot: rebooted ? this.bootFile : undefined });
    const child = spawn(process.execPath, [JUDGE], { env: { ...env, ...this.environment } });
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      errors += text;
    });
    const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return {
      judge: async (tree, { acked, started, keep }) => {
        const request = {
          scenario: this.scenario,
          root: this.root,
          states: this.states,
          acked,
          started,
          keep,
          tree: [...tree].map(([name, node]) => [
            name,
            node.directory ? node : { ...node, bytes: node.bytes.toString("base64") },
          ]),
        };
        child.stdin.write(`${JSON.stringify(request)}\n`);
        const { value, done } = await lines.next();
        if (done) return { problems: [`the judge died: ${errors.slice(-400)}`], state: null };
        return JSON.parse(value);
      },
      close: () => child.stdin.end(),
    };
  }

  readAcks(kind) {
    const text = fs.existsSync(this.ackFile) ? fs.readFileSync(this.ackFile, "utf8") : "";
    return readAcknowledgements(text, { kind });
  }
}

/** Runs one scenario in all its kinds of fault and reports each run. */
export class Enumeration {
  #bad = 0;
  #stopped = false;
  #leftovers = new Map();

  constructor({
    directory,
    shim,
    scenario,
    core,
    seed = 1,
    report,
    keep,
    stopAt = 20,
    pick,
    ignore,
  }) {
    this.options = { directory, shim, scenario, core, seed };
    this.report = report;
    this.keep = keep;
    this.stopAt = stopAt;
    this.pick = pick ?? ((list) => list);
    this.ignore = ignore ?? (() => false);
    this.counts = {};
  }

  async prepare() {
    this.workers = await Promise.all(
      Array.from({ length: WORKERS }, (_, id) => new Worker({ id, ...this.options }).prepare()),
    );
    this.points = Math.max(...this.workers.map(({ calls }) => calls.length));
    return this;
  }

  async #each(jobs, work) {
    const queue = jobs[Symbol.iterator]();
    await Promise.all(
      this.workers.map(async (worker) => {
        for (const job of queue) {
          if (this.#stopped) return;
          await work(worker, job);
        }
      }),
    );
  }

  #tell(found) {
    const row = { ...found, problems: found.problems.filter((problem) => !this.ignore(problem)) };
    this.counts[row.kind] ??= { runs: 0, bad: 0 };
    const kind = this.counts[row.kind];
    kind.runs++;
    if (row.problems.length > 0) {
      kind.bad++;
      if (++this.#bad >= this.stopAt) this.#stopped = true;
    }
    this.report({
      test: "faults",
      scenario: this.options.scenario,
      seed: this.options.seed,
      verdict: row.problems.length === 0 ? "ok" : "BAD",
      ...row,
    });
  }

  #keepAs(name) {
    return (
      this.keep &&
      path.join(this.keep, `${this.options.scenario}-${name}`.replaceAll(/[: ,]/g, "_"))
    );
  }

  /** Stop, tear, cut short or refuse each call of the scenario. */
  async kill(only) {
    const [first] = this.workers;
    const jobs = first.calls.flatMap((call) =>
      modesOf(call).map((mode) => ({ point: call.n, mode, call })),
    );
    const chosen = only
      ? [{ ...only, call: first.calls[only.point - 1] ?? {} }]
      : this.pick(jobs, "kill");
    await this.#each(chosen, (worker, job) => this.#killOne(worker, job));
  }

  async #killOne(worker, { point, mode, call }) {
    const startedAtMs = performance.now();
    const { result } = await worker.run({ at: point, mode });
    const { acked, started, lines } = worker.readAcks("kill");
    const ends = /^(before|after|torn)/.test(mode);
    const problems = judgeErrors(lines, worker.states);
    if (result.hung) problems.push("the process hangs");
    else if (ends && result.status === 0 && worker.calls.length >= point) {
      // The order of parallel calls may differ between runs, but not their number.
      const made = readRecord(worker.recordFile).filter(({ op }) => op !== "ack").length;
      if (made >= point) problems.push("the process was to end here and did not");
    } else if (![0, 3, EXIT_AT_FAULT].includes(result.status)) {
      problems.push(`exit ${result.status}: ${result.stderr.slice(-300)}`);
    }
    const where = { point, mode, acked, started };
    if (ends) this.#rememberLeftover(worker, readTree(worker.root), where);
    const keep = this.#keepAs(`${point}-${mode}`);
    const answer = await worker.judge({ acked, started }, { keep });
    this.#tell({
      kind: "kill",
      point,
      mode,
      call: nameOf(call),
      expected: [acked, started],
      got: answer.state,
      ms: Math.round(performance.now() - startedAtMs),
      problems: [...problems, ...answer.problems],
    });
  }

  // What a kill left, once for each shape: which files there are, ids aside, and which of them are no
  // longer what they were before.
  #rememberLeftover(worker, tree, { point, mode, acked, started }) {
    const shape = [`${acked}/${started}`];
    for (const [name, node] of tree) {
      const before = worker.base.get(name)?.bytes;
      const same = node.directory || (before !== undefined && node.bytes.equals(before));
      shape.push(`${name.replaceAll(/[0-9a-z_-]{12,}|\d+/gi, "#")} ${same}`);
    }
    const key = shape.sort().join("\n");
    if (!this.#leftovers.has(key)) this.#leftovers.set(key, { point, mode });
  }

  /**
   * The states that stopping the process leaves, taken from the record: after each call, and in the
   * middle of each write. They are what `kill` makes with a process each, a hundred times as fast.
   */
  async stopped(only) {
    const judges = new Map(this.workers.map((w) => [w, w.openJudge({ rebooted: false })]));
    const jobs = Array.from({ length: this.points + 1 }, (_, cut) => cut);
    await this.#each(only ? [only.cut] : this.pick(jobs, "stopped"), async (worker, cut) => {
      const next = worker.calls[cut];
      const lengths = [null, 1, 511, 4096].filter(
        (bytes) => bytes === null || (next?.op === "write" && bytes < next.result),
      );
      for (const bytes of lengths) {
        if (this.#stopped) return;
        const { model, acks } = replay(worker, cut);
        if (bytes !== null) model.apply({ ...next, result: bytes });
        const { acked, started } = readAcknowledgements(acks, { kind: "kill" });
        const startedAtMs = performance.now();
        const label = bytes === null ? "stopped" : `next write torn at ${bytes}`;
        const tree = model.current();
        const mode = bytes === null ? "before" : `torn:${bytes}`;
        const where = { point: cut + 1, mode, acked, started };
        if (next) this.#rememberLeftover(worker, tree, where);
        const keep = this.#keepAs(`stopped-${cut}-${bytes ?? ""}`);
        const answer = await judges.get(worker).judge(tree, { acked, started, keep });
        this.#tell({
          kind: "stopped",
          cut,
          label,
          after: describeCall(worker, cut),
          expected: [acked, started],
          got: answer.state,
          ms: Math.round(performance.now() - startedAtMs),
          problems: answer.problems,
        });
      }
    });
    for (const judge of judges.values()) judge.close();
  }

  /** Cut the power after each call, and judge each state the disk may then hold. */
  async power(only) {
    const seen = new Set();
    const jobs = this.pick(
      Array.from({ length: this.points + 1 }, (_, cut) => cut),
      "power",
    );
    const judges = new Map(this.workers.map((worker) => [worker, worker.openJudge()]));
    await this.#each(only ? [only.cut] : jobs, async (worker, cut) => {
      const { model, acks } = replay(worker, cut);
      const { acked, started } = readAcknowledgements(acks, { kind: "power" });
      for (const [label, tree] of model.states(seeded(this.options.seed * 1000 + cut))) {
        if (this.#stopped || (only?.label && only.label !== label)) continue;
        // Workers differ in the path of the key file, so each judges what only it has seen.
        const key = `${worker.home} ${digestTree(tree)} ${acked} ${started}`;
        if (seen.has(key)) continue;
        seen.add(key);
        const startedAtMs = performance.now();
        const keep = this.#keepAs(`cut-${cut}-${label}`);
        const answer = await judges.get(worker).judge(tree, { acked, started, keep });
        this.#tell({
          kind: "power",
          cut,
          label,
          after: describeCall(worker, cut),
          expected: [acked, started],
          got: answer.state,
          ms: Math.round(performance.now() - startedAtMs),
          problems: answer.problems,
        });
      }
    });
    for (const judge of judges.values()) judge.close();
  }

  /**
   * Let each fsync fail once, let the process go on, and cut the power whenever it has been told that
   * something is done. What it was told must not rest on the bytes that were not written.
   */
  async refused(only) {
    const [first] = this.workers;
    const points = first.calls.filter(({ op }) => op === "fsync").map(({ n }) => n);
    const judges = new Map(this.workers.map((worker) => [worker, worker.openJudge()]));
    await this.#each(only ? [only.point] : this.pick(points, "refused"), async (worker, point) => {
      await worker.run({ at: point, mode: "err:EIO", data: 1 });
      const record = readRecord(worker.recordFile);
      const seen = new Set();
      const model = new DiskModel(worker.root, worker.base);
      let acks = "";
      let failed = false;
      for (const [index, call] of record.entries()) {
        model.apply(call);
        failed ||= call.n === point;
        if (call.op !== "ack") continue;
        acks += call.data.toString("utf8");
        if (!failed || !/"acked":\d+/.test(call.data.toString("utf8"))) continue;
        const { acked, started } = readAcknowledgements(acks, { kind: "power" });
        for (const [label, tree] of model.states(seeded(this.options.seed * 1000 + index))) {
          if (this.#stopped || (only?.label && only.label !== label)) continue;
          const key = `${digestTree(tree)} ${acked} ${started}`;
          if (seen.has(key)) continue;
          seen.add(key);
          const startedAtMs = performance.now();
          const keep = this.#keepAs(`refused-${point}-${label}`);
          const answer = await judges.get(worker).judge(tree, { acked, started, keep });
          this.#tell({
            kind: "refused",
            point,
            mode: "err:EIO, then a power cut",
            label,
            call: nameOf(first.calls[point - 1]),
            expected: [acked, started],
            got: answer.state,
            ms: Math.round(performance.now() - startedAtMs),
            problems: answer.problems,
          });
        }
      }
    });
    for (const judge of judges.values()) judge.close();
  }

  /**
   * Crash again: for each kind of leftover that a kill has made, stop the start that recovers from it
   * after each of its own calls, or cut the power there, then start once more.
   */
  async recovery(only) {
    const leftovers = only
      ? [{ point: only.point, mode: only.mode }]
      : this.pick([...this.#leftovers.values()], "recovery");
    const open = (rebooted) => new Map(this.workers.map((w) => [w, w.openJudge({ rebooted })]));
    const [sameBoot, nextBoot] = [open(false), open(true)];
    await this.#each(leftovers, async (worker, leftover) => {
      await worker.run({ at: leftover.point, mode: leftover.mode });
      const tree = readTree(worker.root);
      const acks = { kill: worker.readAcks("kill"), power: worker.readAcks("power") };
      await worker.run({ data: 1 }, "recover");
      const record = readRecord(worker.recordFile);
      worker.requireFaithfulModel(tree, record);
      const cuts = this.pick(
        Array.from({ length: record.length + 1 }, (_, cut) => cut),
        "start",
      );
      const seen = new Set();
      const model = new DiskModel(worker.root, tree);
      for (let cut = 0; cut <= record.length; cut++) {
        if (cut > 0) model.apply(record[cut - 1]);
        if (!cuts.includes(cut)) continue;
        const random = seeded(this.options.seed * 1000 + cut);
        const states = [["stopped", model.current()], ...model.states(random)];
        for (const [label, state] of states) {
          const next = { cut, label };
          if (this.#stopped || (only?.next && JSON.stringify(only.next) !== JSON.stringify(next))) {
            continue;
          }
          const stopped = label === "stopped";
          const key = `${stopped} ${digestTree(state)}`;
          if (seen.has(key)) continue;
          seen.add(key);
          const { acked, started } = stopped ? acks.kill : acks.power;
          const startedAtMs = performance.now();
          const keep = this.#keepAs(`${leftover.point}-${leftover.mode}-then-${cut}-${label}`);
          const judge = (stopped ? sameBoot : nextBoot).get(worker);
          const answer = await judge.judge(state, { acked, started, keep });
          this.#tell({
            kind: "recovery",
            ...leftover,
            next,
            expected: [acked, started],
            got: answer.state,
            ms: Math.round(performance.now() - startedAtMs),
            problems: answer.problems,
          });
        }
      }
    });
    for (const judge of [...sameBoot.values(), ...nextBoot.values()]) judge.close();
  }
}

// The model and the acknowledgements as they were after call number `cut`.
function replay(worker, cut) {
  const model = new DiskModel(worker.root, worker.base);
  let acks = "";
  let made = 0;
  for (const call of worker.record) {
    if (call.op === "ack") {
      acks += call.data.toString("utf8");
      continue;
    }
    if (++made > cut) break;
    model.apply(call);
  }
  return { model, acks };
}

function describeCall(worker, cut) {
  const call = worker.calls[cut - 1];
  return call ? nameOf(call) : "the start";
}

// A call as people name it: the operation and the path below the root.
function nameOf(call) {
  const where = call.op === "rename" || call.op === "link" ? call.second : call.path;
  return `${call.op} ${where?.replace(/^.*\/worker-\d+\/root\/?/, "") ?? ""}`;
}

/** A part of a list that depends on its length alone: its first, its last, and evenly between. */
export function evenly(list, most) {
  if (list.length <= most) return list;
  if (most === 1) return [list[list.length >> 1]];
  return Array.from(
    { length: most },
    (_, i) => list[Math.round((i * (list.length - 1)) / (most - 1))],
  );
}

/**
 * The build of vault-core that is tested: `directory`, else $FAULTS_CORE, else the package's own.
 * Null when it is not there.
 */
export function findCore(directory) {
  const core = path.resolve(
    directory ??
      env.FAULTS_CORE ??
      path.join(import.meta.dirname, "../../packages/vault-core/dist"),
  );
  return fs.existsSync(path.join(core, "node/index.js")) ? core : null;
}

async function main() {
  const { values } = parseArgs({
    options: {
      full: { type: "boolean" },
      short: { type: "boolean" },
      scenario: { type: "string" },
      kinds: { type: "string", default: "stopped,power,refused,kill,recovery" },
      point: { type: "string" },
      mode: { type: "string" },
      next: { type: "string" },
      cut: { type: "string" },
      label: { type: "string" },
      core: { type: "string" },
      results: { type: "string" },
      seed: { type: "string", default: "1" },
      keep: { type: "string" },
      sample: { type: "string" },
      "stop-at": { type: "string", default: "20" },
    },
  });
  const names =
    values.scenario?.split(",") ??
    (values.full ? ALL_SCENARIOS : values.short ? SHORT_SCENARIOS : null);
  if (!names) throw new Error("say --full, --short or --scenario NAME");
  const core = findCore(values.core);
  if (!core && names.some((name) => !name.startsWith("toy"))) {
    console.error("CRASH TESTS NOT RUN: vault-core is not built (pnpm build)");
    return 77;
  }
  const directory = makeTemporary("faults");
  const results = values.results ? fs.createWriteStream(values.results, { flags: "a" }) : null;
  const kinds = values.kinds.split(",");
  const most = values.short ? SHORT : {};
  let bad = 0;
  let runs = 0;
  const startedAtMs = performance.now();
  try {
    const shim = buildShim(directory);
    for (const scenario of names) {
      const scenarioStartedAtMs = performance.now();
      const home = path.join(directory, scenario.replaceAll(/\W/g, "_"));
      const enumeration = new Enumeration({
        directory: home,
        shim,
        scenario,
        core: core ?? "",
        seed: Number(values.seed),
        keep: values.keep && path.resolve(values.keep),
        stopAt: Number(values["stop-at"]),
        pick: (list, kind) =>
          evenly(list, Number(values.sample ?? most[kind] ?? Number.POSITIVE_INFINITY)),
        report(row) {
          results?.write(`${JSON.stringify(row)}\n`);
          if (row.verdict !== "BAD" && !values.point && values.cut === undefined) return;
          const where =
            row.cut !== undefined
              ? `cut ${row.cut} (${row.after}), ${row.label}`
              : `${row.point} ${row.mode} (${row.call ?? ""})`;
          const second = row.next ? `, then cut ${row.next.cut}, ${row.next.label}` : "";
          console.log(
            `${row.verdict} ${scenario} ${row.kind} ${where}${second}: ${row.problems.join(" | ")}`,
          );
        },
      });
      await enumeration.prepare();
      if (values.cut !== undefined) {
        const cut = { cut: Number(values.cut), label: values.label };
        if (kinds.length === 1 && kinds[0] === "stopped") await enumeration.stopped(cut);
        else await enumeration.power(cut);
      } else if (values.point) {
        const one = { point: Number(values.point), mode: values.mode ?? "before" };
        const [cut, label = "stopped"] = values.next?.split(/:(.*)/) ?? [];
        if (values.next) await enumeration.recovery({ ...one, next: { cut: Number(cut), label } });
        else if (kinds.length === 1 && kinds[0] === "refused") {
          await enumeration.refused({ ...one, label: values.label });
        } else await enumeration.kill(one);
      } else {
        for (const kind of ["stopped", "power", "refused", "kill"]) {
          if (kinds.includes(kind)) await enumeration[kind]();
        }
        if (kinds.includes("recovery")) await enumeration.recovery();
      }
      const seconds = ((performance.now() - scenarioStartedAtMs) / 1000).toFixed(1);
      const counts = Object.entries(enumeration.counts).map(([kind, count]) => {
        bad += count.bad;
        runs += count.runs;
        return `${kind} ${count.runs} runs ${count.bad} bad`;
      });
      console.log(`${scenario}: ${enumeration.points} calls; ${counts.join("; ")}; ${seconds} s`);
      fs.rmSync(home, { recursive: true, force: true });
    }
    const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
    console.log(`faults: ${names.length} scenarios, ${runs} runs, ${bad} bad, ${seconds} s`);
    return bad > 0 ? 1 : 0;
  } catch (error) {
    if (error instanceof NoCompilerError) {
      console.error(`CRASH TESTS NOT RUN: no C compiler for the shim (${error.message})`);
      return 77;
    }
    throw error;
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
    await new Promise((resolve) => (results ? results.end(resolve) : resolve()));
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  main().then(
    (status) => {
      process.exitCode = status;
    },
    (error) => {
      console.error(error);
      process.exitCode = 2;
    },
  );
}
