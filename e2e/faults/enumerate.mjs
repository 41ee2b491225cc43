// Stops a process at every call by which it changes its files, cuts the power after every such call,
// and judges what is left. See docs/faults.md.
//
//   node e2e/faults/enumerate.mjs --full                  everything
//   node e2e/faults/enumerate.mjs --short                 the part that `npm test` runs
//   node e2e/faults/enumerate.mjs --scenario create,rotate-master:10 [--kinds stopped,errors,refused,recovery,power,kill,repower]
//   node e2e/faults/enumerate.mjs --scenario create --point 7 --mode torn:511 [--next 2:stopped]
//   node e2e/faults/enumerate.mjs --scenario create --cut 9 --label "names only"
//
//   --core DIR      another build of vault-core (default packages/vault-core/dist)
//   --results FILE  one JSON line for each run
//   --seed N        for the sampled states of the power-cut model (default 1)
//   --keep DIR      leave what a bad run left in DIR
//   --stop-at N     stop a scenario after N bad runs (default 20)
//   --fresh         a process of its own for each judge of a stopped process; --short does it always
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
/** The kinds of fault, in an order in which `recovery` and `repower` know what the others have left. */
const KINDS = ["stopped", "errors", "refused", "recovery", "power", "kill", "repower"];
/** A state that does not open in this time hangs, on a machine however busy. */
const JUDGE_MS_MAX = 180_000;

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
  "tokens",
  "bindings",
  "oauth",
  "backup",
  "restore",
  "restore:over",
  "restore:within",
  "invocation",
  "invocation:disk",
  "audit",
  "audit-rollover",
  "audit-disk",
  "audit-retention",
  "import",
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
const SHORT = {
  stopped: 20,
  kill: 4,
  errors: 8,
  power: 5,
  refused: 1,
  recovery: 1,
  repower: 1,
  start: 4,
};

/** The modes that end the process. */
const ENDS = /^(before|after|torn)/;
/** Pids that no process has: Linux has none above 4194304. */
const PIDS = { create: 5_000_001, reference: 5_000_002, run: 5_000_003, recover: 5_000_004 };
/** What /proc says of a process with such a pid, of which only the start time is read. */
const PROCESS_STAT = `0 (node) S ${"1 ".repeat(18)}4242 ${"0 ".repeat(30)}\n`;

// One of the processes that work side by side, in a directory of its own.
class Worker {
  #judges = new Map();
  #servers = new Map();

  /** @param verdicts - What was judged, by any worker: they make the same bytes. */
  constructor({ id, directory, shim, scenario, core, seed, verdicts }) {
    this.scenario = scenario;
    this.shim = shim;
    this.seed = seed;
    this.verdicts = verdicts;
    this.home = path.join(directory, `worker-${id}`);
    this.root = path.join(this.home, "root");
    this.ackFile = path.join(this.home, "acknowledged");
    this.recordFile = path.join(this.home, "record");
    this.statesFile = path.join(this.home, "states.json");
    this.bootFile = path.join(this.home, "boot-id");
    this.statFile = path.join(this.home, "stat");
    // The core finds its key by way of the working directory, which is `home` for every process.
    this.environment = { FAULTS_CORE: core, FAULTS_KEYS: "/proc/self/cwd/root" };
    fs.mkdirSync(this.root, { recursive: true, mode: 0o700 });
    fs.writeFileSync(this.bootFile, "00000000-0000-4000-8000-000000000000\n");
    fs.writeFileSync(this.statFile, PROCESS_STAT);
  }

  #environmentOf(task, fault = {}) {
    const env = shimEnvironment(this.shim, { pid: PIDS[task], stat: this.statFile, ...fault });
    return { ...env, ...this.environment };
  }

  async #script(task, ...args) {
    const result = await runNode([PROCESS, task, this.scenario, this.root, ...args], {
      env: this.#environmentOf(task),
      cwd: this.home,
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

  /** Take over what another worker has prepared. */
  adopt({ home, base, states, calls }) {
    Object.assign(this, { base, states, calls });
    for (const name of fs.readdirSync(home)) {
      const from = path.join(home, name);
      if (fs.statSync(from).isFile()) fs.copyFileSync(from, path.join(this.home, name));
    }
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
  async run(fault, { task = "run", fresh = true } = {}) {
    if (!fresh) await this.#tidy(task);
    if (task === "run") this.reset();
    fs.rmSync(this.recordFile, { force: true });
    if (!fresh) return { result: await this.#serve(task, fault) };
    const args = task === "run" ? [this.statesFile, this.ackFile] : [];
    const result = await runNode([PROCESS, task, this.scenario, this.root, ...args], {
      env: this.#environmentOf(task, { ...this.#files(), ...fault }),
      cwd: this.home,
    });
    return { result };
  }

  #files() {
    return { root: this.root, ack: this.ackFile, log: this.recordFile };
  }

  // One run in the process that takes many, for faults that end no process. When one ends it after
  // all, the next run gets another.
  async #serve(task, { at = -1, mode = "before", data = 0 }) {
    if (!this.#servers.has(task)) this.#servers.set(task, this.#openServer(task));
    return this.#servers.get(task).ask(`${at}/${data}/${mode}`);
  }

  // Close what the last run has left open, before the next finds another tree.
  async #tidy(task) {
    await this.#servers.get(task)?.ask("tidy");
  }

  #openServer(task) {
    const args = [PROCESS, `serve-${task}`, this.scenario, this.root];
    const env = this.#environmentOf(task, this.#files());
    const child = spawn(process.execPath, [...args, this.statesFile, this.ackFile], {
      env,
      cwd: this.home,
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    const ended = new Promise((resolve) => child.on("close", resolve));
    child.stdin.on("error", () => {}); // it ended, which `ended` says
    const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return {
      ask: async (line) => {
        child.stdin.write(`${line}\n`);
        const answer = await within(JUDGE_MS_MAX, lines.next());
        if (answer?.done === false) {
          return {
            status: answer.value === "ready" ? 0 : Number(answer.value),
            hung: false,
            stderr,
          };
        }
        this.#servers.delete(task);
        if (answer === null) child.kill("SIGKILL");
        return { status: await ended, hung: answer === null, stderr };
      },
      close: () => child.stdin.end(),
    };
  }

  /**
   * Judge a tree, or what is left in the root: null for `tree`.
   *
   * The verdict depends on the bytes alone, and on whether the machine was started anew. So a state that
   * was judged already is not judged again: `again` says so. It is judged with every step allowed,
   * and which of them were is looked at here.
   */
  async judge(tree, { acked, started, rebooted = false, fresh = false, keep }) {
    const key = `${rebooted} ${digestTree(tree ?? readTree(this.root))}`;
    const again = !fresh && this.verdicts.has(key);
    if (!again) {
      const request = {
        scenario: this.scenario,
        root: this.root,
        states: this.states,
        acked: 0,
        started: this.states.length - 1,
        keep,
      };
      const answer = fresh
        ? this.#judgeAfresh(request)
        : this.#judgeProcess(rebooted).judge(request, tree);
      this.verdicts.set(key, { answer, told: new Set() });
    }
    const { answer: judged, told } = this.verdicts.get(key);
    const { problems, state } = await judged;
    const range = `${acked} to ${started}`;
    const repeated = told.has(range);
    told.add(range);
    const answer = { problems, state, again, repeated };
    if (state === null || this.#allows(state, acked, started)) return answer;
    const found = `found the state after step ${state}; allowed are ${range}`;
    return { ...answer, problems: [...problems, found] };
  }

  // Steps that change nothing that can be seen have the same state, and any of them will do.
  #allows(state, acked, started) {
    const found = JSON.stringify(this.states[state]);
    return this.states
      .slice(acked, started + 1)
      .some((allowed) => JSON.stringify(allowed) === found);
  }

  async #judgeAfresh(request) {
    const result = await runNode([JUDGE], {
      env: { ...process.env, ...this.environment },
      cwd: this.home,
      input: `${JSON.stringify(request)}\n`,
    });
    if (result.hung) return { problems: ["the judge hung: opening does not end"], state: null };
    try {
      return JSON.parse(result.stdout);
    } catch {
      return { problems: [`the judge died: ${result.stderr.slice(-400)}`], state: null };
    }
  }

  #judgeProcess(rebooted) {
    let judge = this.#judges.get(rebooted);
    if (!judge) {
      judge = this.#openJudge(rebooted);
      this.#judges.set(rebooted, judge);
    }
    return judge;
  }

  /** A process that judges many states, each opened from nothing; or on a machine started anew. */
  #openJudge(rebooted) {
    const env = shimEnvironment(this.shim, { boot: rebooted ? this.bootFile : undefined });
    const child = spawn(process.execPath, [JUDGE], {
      env: { ...env, ...this.environment },
      cwd: this.home,
    });
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      errors += text;
    });
    const died = (why) => {
      this.#judges.delete(rebooted);
      child.kill("SIGKILL");
      return { problems: [`the judge ${why}: ${errors.slice(-400)}`], state: null };
    };
    child.stdin.on("error", () => {}); // it died, which its closed output says
    const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return {
      judge: async (request, tree) => {
        const files =
          tree &&
          [...tree].map(([name, node]) => [
            name,
            node.directory ? node : { ...node, bytes: node.bytes.toString("base64") },
          ]);
        child.stdin.write(`${JSON.stringify({ ...request, tree: files ?? undefined })}\n`);
        const line = await within(JUDGE_MS_MAX, lines.next());
        if (line === null) return died("hung: opening does not end");
        return line.done ? died("died") : JSON.parse(line.value);
      },
      close: () => child.stdin.end(),
    };
  }

  close() {
    for (const judge of this.#judges.values()) judge.close();
    this.#judges.clear();
    for (const server of this.#servers.values()) server.close();
    this.#servers.clear();
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
    fresh = false,
  }) {
    this.options = { directory, shim, scenario, core, seed };
    this.report = report;
    this.keep = keep;
    this.stopAt = stopAt;
    this.pick = pick ?? ((list) => list);
    this.ignore = ignore ?? (() => false);
    this.fresh = fresh;
    this.counts = {};
  }

  async prepare() {
    const verdicts = new Map();
    this.workers = Array.from(
      { length: WORKERS },
      (_, id) => new Worker({ id, ...this.options, verdicts }),
    );
    const [first, ...others] = this.workers;
    await first.prepare();
    for (const other of others) other.adopt(first);
    this.points = first.calls.length;
    return this;
  }

  close() {
    for (const worker of this.workers ?? []) worker.close();
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

  /** Judge a state that the model made, and report it, unless the same was reported already. */
  async #judgeState(worker, tree, { acked, started, rebooted, keep, ...about }) {
    const startedAtMs = performance.now();
    const answer = await worker.judge(tree, { acked, started, rebooted, keep });
    const row = { ...about, expected: [acked, started], got: answer.state };
    const ms = Math.round(performance.now() - startedAtMs);
    this.#tell({ ...row, ms, problems: answer.problems }, answer);
  }

  // `again`: this very state was judged before; `repeated`: and what is wrong with it has been told.
  #tell(found, { again = false, repeated = false } = {}) {
    const row = { ...found, problems: found.problems.filter((problem) => !this.ignore(problem)) };
    this.counts[row.kind] ??= { states: 0, runs: 0, bad: 0 };
    const kind = this.counts[row.kind];
    kind.states++;
    if (again && (repeated || row.problems.length === 0)) return;
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

  /** Stop a process before and after each call of the scenario, and in the middle of each write. */
  async kill(only) {
    await this.#disturbEach("kill", (mode) => ENDS.test(mode), only);
  }

  /** Refuse each call, once or from then on, or cut it short, and let the process go on. */
  async errors(only) {
    await this.#disturbEach("errors", (mode) => !ENDS.test(mode), only);
  }

  async #disturbEach(kind, isOfKind, only) {
    const [first] = this.workers;
    const jobs = first.calls.flatMap((call) =>
      modesOf(call)
        .filter(isOfKind)
        .map((mode) => ({ point: call.n, mode, call })),
    );
    const chosen = only
      ? [{ ...only, call: first.calls[only.point - 1] ?? {} }]
      : this.pick(jobs, kind);
    await this.#each(chosen, (worker, job) => this.#disturb(kind, worker, job));
  }

  async #disturb(kind, worker, { point, mode, call }) {
    const startedAtMs = performance.now();
    const ends = ENDS.test(mode);
    const { result } = await worker.run({ at: point, mode }, { fresh: ends || this.fresh });
    const { acked, started, lines } = worker.readAcks("kill");
    const problems = judgeErrors(lines, worker.states);
    if (result.hung) problems.push("the process hangs");
    else if (ends && result.status === 0 && worker.calls.length >= point) {
      // The order of parallel calls may differ between runs, but not their number.
      const made = readRecord(worker.recordFile).filter(({ op }) => op !== "ack").length;
      if (made >= point) problems.push("the process was to end here and did not");
    } else if (![0, 3, EXIT_AT_FAULT].includes(result.status)) {
      problems.push(`exit ${result.status}: ${result.stderr.slice(-300)}`);
    }
    if (ends) {
      const acks = { kill: { acked, started }, power: worker.readAcks("power") };
      this.#rememberLeftover(worker, readTree(worker.root), { point, mode, acks });
    }
    const keep = this.#keepAs(`${point}-${mode}`);
    const answer = await worker.judge(null, { acked, started, fresh: this.fresh, keep });
    this.#tell({
      kind,
      point,
      mode,
      call: nameOf(call),
      expected: [acked, started],
      got: answer.state,
      ms: Math.round(performance.now() - startedAtMs),
      problems: [...problems, ...answer.problems],
    });
  }

  // The leftover of one fault, made again by a process.
  async #leaveAgain({ point, mode }) {
    const [worker] = this.workers;
    await worker.run({ at: point, mode });
    const acks = { kill: worker.readAcks("kill"), power: worker.readAcks("power") };
    return { point, mode, tree: readTree(worker.root), acks };
  }

  // What a kill left, once for each shape: which files there are, ids aside, and which of them are no
  // longer what they were before.
  #rememberLeftover(worker, tree, { point, mode, acks }) {
    const shape = [`${acks.kill.acked}/${acks.kill.started}`];
    for (const [name, node] of tree) {
      const before = worker.base.get(name)?.bytes;
      const same = node.directory || (before !== undefined && node.bytes.equals(before));
      shape.push(`${name.replaceAll(/[0-9a-z_-]{12,}|\d+/gi, "#")} ${same}`);
    }
    const key = shape.sort().join("\n");
    if (!this.#leftovers.has(key)) this.#leftovers.set(key, { point, mode, tree, acks });
  }

  /**
   * The states that stopping the process leaves, taken from the record: after each call, and in the
   * middle of each write. They are what `kill` makes with a process each, a hundred times as fast.
   */
  async stopped(only) {
    const every = Array.from({ length: this.points + 1 }, (_, cut) => cut);
    const jobs = only ? [only.cut] : this.pick(every, "stopped");
    await this.#each(jobs, async (worker, cut) => {
      const next = worker.calls[cut];
      const lengths = [null, 1, 511, 4096].filter(
        (bytes) => bytes === null || (next?.op === "write" && bytes < next.result),
      );
      for (const bytes of lengths) {
        if (this.#stopped) return;
        const { model, acks } = replay(this.workers[0], cut);
        if (bytes !== null) model.apply({ ...next, result: bytes });
        const acknowledged = readBoth(acks);
        const { acked, started } = acknowledged.kill;
        const label = bytes === null ? "stopped" : `next write torn at ${bytes}`;
        const tree = model.current();
        const mode = bytes === null ? "before" : `torn:${bytes}`;
        const where = { point: cut + 1, mode, acks: acknowledged };
        if (next) this.#rememberLeftover(worker, tree, where);
        const keep = this.#keepAs(`stopped-${cut}-${bytes ?? ""}`);
        const about = { kind: "stopped", cut, label, after: describeCall(worker, cut) };
        await this.#judgeState(worker, tree, { ...about, acked, started, rebooted: false, keep });
      }
    });
  }

  /** Cut the power after each call, and judge each state the disk may then hold. */
  async power(only) {
    const every = Array.from({ length: this.points + 1 }, (_, cut) => cut);
    const jobs = only ? [only.cut] : this.pick(every, "power");
    const cutPower = async (worker, cut) => {
      const { model, acks } = replay(this.workers[0], cut);
      const { acked, started } = readAcknowledgements(acks, { kind: "power" });
      for (const [label, tree] of model.states(seeded(this.options.seed * 1000 + cut))) {
        if (this.#stopped || (only?.label && only.label !== label)) continue;
        const keep = this.#keepAs(`cut-${cut}-${label}`);
        const about = { kind: "power", cut, label, after: describeCall(worker, cut) };
        await this.#judgeState(worker, tree, { ...about, acked, started, rebooted: true, keep });
      }
    };
    await this.#each(jobs, cutPower);
  }

  /**
   * Let each fsync fail once, let the process go on, and cut the power whenever it has been told that
   * something is done. What it was told must not rest on the bytes that were not written.
   */
  async refused(only) {
    const [first] = this.workers;
    const points = first.calls.filter(({ op }) => op === "fsync").map(({ n }) => n);
    await this.#each(only ? [only.point] : this.pick(points, "refused"), async (worker, point) => {
      await worker.run({ at: point, mode: "err:EIO", data: 1 }, { fresh: this.fresh });
      const record = readRecord(worker.recordFile);
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
          const keep = this.#keepAs(`refused-${point}-${label}`);
          const mode = "err:EIO, then a power cut";
          const call = nameOf(first.calls[point - 1]);
          const about = { kind: "refused", point, mode, label, call };
          await this.#judgeState(worker, tree, { ...about, acked, started, rebooted: true, keep });
        }
      }
    });
  }

  /**
   * Crash again: for each kind of leftover that a kill has made, stop the start that recovers from it
   * after each of its own calls, then start once more.
   */
  async recovery(only) {
    await this.#crashAgain(only, "recovery");
  }

  /** The same, with a power cut after each call of the start, where `recovery` ends the process. */
  async repower(only) {
    await this.#crashAgain(only, "repower");
  }

  async #crashAgain(only, kind) {
    const leftovers = only
      ? [await this.#leaveAgain(only)]
      : this.pick([...this.#leftovers.values()], kind);
    await this.#each(leftovers, async (worker, { tree, acks, ...leftover }) => {
      writeTree(worker.root, tree);
      await worker.run({ data: 1 }, { task: "recover", fresh: this.fresh });
      const record = readRecord(worker.recordFile);
      worker.requireFaithfulModel(tree, record);
      const cuts = this.pick(
        Array.from({ length: record.length + 1 }, (_, cut) => cut),
        "start",
      );
      const model = new DiskModel(worker.root, tree);
      for (let cut = 0; cut <= record.length; cut++) {
        if (cut > 0) model.apply(record[cut - 1]);
        if (!cuts.includes(cut)) continue;
        const random = seeded(this.options.seed * 1000 + cut);
        const states = kind === "recovery" ? [["stopped", model.current()]] : model.states(random);
        for (const [label, state] of states) {
          const next = { cut, label };
          if (this.#stopped || (only?.next && JSON.stringify(only.next) !== JSON.stringify(next))) {
            continue;
          }
          const { acked, started } = kind === "recovery" ? acks.kill : acks.power;
          const keep = this.#keepAs(`${leftover.point}-${leftover.mode}-then-${cut}-${label}`);
          const about = { kind, ...leftover, next };
          const rebooted = kind === "repower";
          await this.#judgeState(worker, state, { ...about, acked, started, rebooted, keep });
        }
      }
    });
  }
}

// What a promise resolves with, or null when that takes too long.
async function within(ms, promise) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms, null);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
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

function readBoth(acks) {
  return {
    kill: readAcknowledgements(acks, { kind: "kill" }),
    power: readAcknowledgements(acks, { kind: "power" }),
  };
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
      kinds: { type: "string", default: KINDS.join() },
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
      fresh: { type: "boolean" },
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
        fresh: Boolean(values.fresh || values.short),
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
        const again = label === "stopped" ? "recovery" : "repower";
        if (values.next) await enumeration[again]({ ...one, next: { cut: Number(cut), label } });
        else if (kinds.length === 1 && kinds[0] === "refused") {
          await enumeration.refused({ ...one, label: values.label });
        } else await enumeration[ENDS.test(one.mode) ? "kill" : "errors"](one);
      } else {
        for (const kind of KINDS) if (kinds.includes(kind)) await enumeration[kind]();
      }
      const seconds = ((performance.now() - scenarioStartedAtMs) / 1000).toFixed(1);
      const counts = Object.entries(enumeration.counts).map(([kind, count]) => {
        bad += count.bad;
        runs += count.runs;
        const states = count.states === count.runs ? "" : ` of ${count.states} states`;
        return `${kind} ${count.runs}${states} ${count.bad} bad`;
      });
      enumeration.close();
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
