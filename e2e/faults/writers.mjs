// Many processes writing to one vault, each under the lock: no update is lost, and the lock goes to
// the next process when its owner dies, and never while its owner lives.
//
//   node e2e/faults/writers.mjs [--processes 8] [--operations 10000] [--core DIR] [--results FILE]
//
// Every operation adds one to a counter that all share and to one of the writer's own, and rotates
// the writer's secret, in one transaction. Exit status as enumerate.mjs.
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { env } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { findCore } from "./enumerate.mjs";

const SELF = import.meta.filename;
const TAKEOVER_MS_MAX = 2000;

// --- in a writer's process ---------------------------------------------------------------------

// Opens the vault, waiting for the lock as long as somebody else has it.
async function openVault(newWorld, root, seed, { waitMs = 30 * 60_000 } = {}) {
  const startedAtMs = performance.now();
  for (;;) {
    try {
      const world = await newWorld(root, { name: "writers" }, seed);
      await world.open();
      return { world, waitedMs: performance.now() - startedAtMs };
    } catch (error) {
      if (error.code !== "VAULT_BUSY" || performance.now() - startedAtMs > waitMs) throw error;
      await sleep(2 + Math.random() * 10);
    }
  }
}

async function counterOf(world, id) {
  const found = await world.vault.getDocument("state", id);
  return found?.value.count ?? 0;
}

async function write({ newWorld, value }, [root, id, operations, ackFile]) {
  const acks = fs.openSync(ackFile, "a", 0o600);
  let left = Number(operations);
  let turn = 0;
  while (left > 0) {
    const { world } = await openVault(newWorld, root, `writer-${id}-${turn++}`);
    // Some turns are long and some short, so that processes meet in every order.
    for (let burst = Math.min(left, 1 + ((turn * 7) % 8)); burst > 0; burst--, left--) {
      const secret = await world.find(`WRITER_${id}`);
      const total = await world.change(async (tx) => {
        const shared = (await tx.getDocument("state", "shared"))?.value.count ?? 0;
        const own = (await tx.getDocument("state", `own-${id}`))?.value.count ?? 0;
        await tx.putDocument("state", "shared", { count: shared + 1 });
        await tx.putDocument("state", `own-${id}`, { count: own + 1 });
        await tx.rotateSecret(secret, value(`${id}/${own + 1}`));
        return shared + 1;
      });
      fs.writeSync(acks, `${total}\n`);
    }
    await world.close();
  }
}

async function hold({ newWorld }, [root, id]) {
  const { world } = await openVault(newWorld, root, `holder-${id}`);
  process.stdout.write("holding\n");
  for await (const text of process.stdin) {
    if (String(text).includes("write")) {
      await world.change((tx) => tx.putDocument("state", "held", { by: id }));
      process.stdout.write("written\n");
    }
    if (String(text).includes("close")) break;
  }
  await world.close();
}

// --- in the harness ----------------------------------------------------------------------------

function start(core, ...args) {
  const child = spawn(process.execPath, [SELF, ...args], {
    env: { ...process.env, FAULTS_CORE: core },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.errors = "";
  child.stderr.on("data", (text) => {
    child.errors += text;
  });
  child.ended = new Promise((resolve) => {
    child.on("close", (status) => resolve(status));
  });
  return child;
}

function says(child, word) {
  return new Promise((resolve, reject) => {
    child.stdout.on("data", (text) => String(text).includes(word) && resolve());
    child.ended.then(() => reject(new Error(`the holder ended: ${child.errors}`)));
  });
}

async function checkLostUpdates({ core, root, processes, operations, report, newWorld, value }) {
  const startedAtMs = performance.now();
  const setup = await newWorld(root, { name: "writers" }, "setup");
  await setup.init();
  for (let id = 0; id < processes; id++) {
    await setup.change((tx) => tx.createSecret({ name: `WRITER_${id}`, value: value(`${id}/0`) }));
  }
  await setup.close();
  const each = Math.floor(operations / processes);
  const ackFiles = Array.from({ length: processes }, (_, id) =>
    path.join(root, "..", `acks-${id}`),
  );
  const children = ackFiles.map((file, id) =>
    start(core, "write", root, String(id), String(each), file),
  );
  const problems = [];
  for (const [id, child] of children.entries()) {
    const status = await child.ended;
    if (status !== 0)
      problems.push(`writer ${id} ended with ${status}: ${child.errors.slice(-300)}`);
  }
  const acked = ackFiles.flatMap((file) =>
    fs.readFileSync(file, "utf8").split("\n").filter(Boolean).map(Number),
  );
  const { world } = await openVault(newWorld, root, "check");
  const shared = await counterOf(world, "shared");
  if (shared !== acked.length) problems.push(`${acked.length} acknowledged, ${shared} counted`);
  if (new Set(acked).size !== acked.length) problems.push("two writers were given the same count");
  for (let id = 0; id < processes; id++) {
    const own = await counterOf(world, `own-${id}`);
    if (own !== each) problems.push(`writer ${id}: ${own} of ${each}`);
    const held = await world.vault.useSecret(await world.find(`WRITER_${id}`), (bytes) =>
      Buffer.from(bytes).toString(),
    );
    if (!held.includes(`-${id}/${each}-`))
      problems.push(`writer ${id}: its secret is an older one`);
  }
  const verified = await world.vault.audit.verify();
  if (!verified.ok) problems.push(`audit: ${verified.problem}`);
  await world.close();
  report("no update is lost", startedAtMs, problems, `${shared} of ${each * processes} updates`);
}

async function checkKilledOwner({ core, root, report, newWorld }, repeats) {
  for (let i = 0; i < repeats; i++) {
    const startedAtMs = performance.now();
    const holder = start(core, "hold", root, String(i));
    await says(holder, "holding");
    holder.kill("SIGKILL");
    const { world, waitedMs } = await openVault(newWorld, root, `after-kill-${i}`);
    await world.close();
    await holder.ended;
    const problems = waitedMs > TAKEOVER_MS_MAX ? [`taken over after ${waitedMs} ms`] : [];
    report(
      "the lock of a killed process is taken over",
      startedAtMs,
      problems,
      `${Math.round(waitedMs)} ms`,
    );
  }
}

async function checkStoppedOwner({ core, root, report, newWorld }, stoppedMs) {
  const startedAtMs = performance.now();
  const problems = [];
  const holder = start(core, "hold", root, "stopped");
  await says(holder, "holding");
  holder.kill("SIGSTOP");
  let attempts = 0;
  while (performance.now() - startedAtMs < stoppedMs) {
    try {
      const world = await newWorld(root, { name: "writers" }, `intruder-${attempts++}`);
      await world.close();
      problems.push("the lock of a stopped process was taken");
      break;
    } catch (error) {
      if (error.code !== "VAULT_BUSY")
        problems.push(`the lock is refused with ${error.code ?? error}`);
      if (!String(error.message).includes(String(holder.pid))) {
        problems.push(`the refusal does not name process ${holder.pid}: ${error.message}`);
      }
      if (problems.length > 0) break;
    }
    await sleep(50);
  }
  holder.kill("SIGCONT");
  holder.stdin.write("write\n");
  await says(holder, "written");
  holder.stdin.write("close\n");
  holder.stdin.end();
  const status = await holder.ended;
  if (status !== 0) problems.push(`the holder ended with ${status}: ${holder.errors.slice(-300)}`);
  const { world } = await openVault(newWorld, root, "after-stop");
  if ((await world.vault.getDocument("state", "held"))?.value.by !== "stopped") {
    problems.push("what the holder wrote after it was stopped is lost");
  }
  await world.close();
  report(
    "the lock of a stopped process is never taken",
    startedAtMs,
    problems,
    `${attempts} attempts`,
  );
}

async function main() {
  const { values } = parseArgs({
    options: {
      processes: { type: "string", default: "8" },
      operations: { type: "string", default: "10000" },
      kills: { type: "string", default: "20" },
      "stopped-ms": { type: "string", default: "30000" },
      core: { type: "string" },
      results: { type: "string" },
    },
  });
  const core = findCore(values.core);
  if (!core) {
    console.error("WRITERS NOT RUN: vault-core is not built (pnpm build)");
    return 77;
  }
  env.FAULTS_CORE = core;
  const { newWorld, value } = await import("./vault-subject.mjs");
  const directory = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), "aivault-writers-"));
  const root = path.join(directory, "root");
  fs.mkdirSync(root, { mode: 0o700 });
  let bad = 0;
  const report = (name, startedAtMs, problems, got) => {
    const ms = Math.round(performance.now() - startedAtMs);
    if (problems.length > 0) bad++;
    const row = {
      test: "writers",
      case: name,
      got,
      ms,
      verdict: problems.length === 0 ? "ok" : "BAD",
      problems,
    };
    if (values.results) fs.appendFileSync(values.results, `${JSON.stringify(row)}\n`);
    console.log(`${row.verdict} ${name}: ${got}, ${ms} ms ${problems.join(" | ")}`);
  };
  const common = { core, root, report, newWorld, value };
  try {
    await checkLostUpdates({
      ...common,
      processes: Number(values.processes),
      operations: Number(values.operations),
    });
    await checkKilledOwner(common, Number(values.kills));
    await checkStoppedOwner(common, Number(values["stopped-ms"]));
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
  return bad === 0 ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [task, ...args] = process.argv.slice(2);
  const tasks = { write, hold };
  if (task in tasks) await tasks[task](await import("./vault-subject.mjs"), args);
  else process.exitCode = await main();
}
