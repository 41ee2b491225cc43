// The process that is disturbed. It carries out the steps of one scenario and, outside the watched
// directory, writes down what it began and what was acknowledged to it.
//
//   node scenario-process.mjs create    SCENARIO ROOT
//   node scenario-process.mjs run       SCENARIO ROOT STATES_FILE ACK_FILE
//   node scenario-process.mjs reference SCENARIO ROOT STATES_FILE   the state after each step
//   node scenario-process.mjs recover   SCENARIO ROOT
//   node scenario-process.mjs serve-run, serve-recover ...   the same, once for each line of stdin
import crypto from "node:crypto";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const PAUSE = new Int32Array(new SharedArrayBuffer(4));
process.umask(0o022); // so that a mode that is not stated shows

const [task, name, root, statesFile, ackFile] = process.argv.slice(2);

// The names of temporary files are the same each time, but for no two tasks, and so are times, so that
// two runs which did the same leave the same bytes, and those are judged once.
let drawn = 0;
const part = task.replace("serve-", "");
crypto.randomBytes = (length) =>
  crypto.createHash("shake256", { outputLength: length }).update(`${part} ${drawn++}`).digest();
crypto.randomFillSync = (view) => {
  view.set(crypto.randomBytes(view.length));
  return view;
};
syncBuiltinESMExports();
const START_MS = Date.UTC(2031, 4, 6, 12);
let clockMs = START_MS;
Date.now = () => ++clockMs;
const { loadScenario } = await import("./subjects.mjs");
const { scenario, subject } = await loadScenario(name);

if (task === "create") await subject.create(root, scenario);
else if (task === "recover") await subject.recover(root, scenario);
else if (task === "reference") await reference();
else if (task === "serve-run") await serve(run);
else if (task === "serve-recover") await serve(recover);
else {
  const { status } = await run();
  if (status !== 0) process.exit(status);
}

async function reference() {
  const world = await subject.start(root, scenario);
  const states = [await subject.describe(world)];
  for (const step of scenario.steps) {
    await step.run(world);
    states.push(await subject.describe(world));
  }
  await subject.stop(world);
  fs.writeFileSync(statesFile, JSON.stringify(states));
}

async function run() {
  const acknowledgements = fs.openSync(ackFile, "a", 0o600);
  const write = (line) => fs.writeSync(acknowledgements, `${JSON.stringify(line)}\n`);
  let world;
  try {
    world = await subject.start(root, scenario);
  } catch (error) {
    write({ startFailed: error.code ?? String(error), name: error.name });
    return { status: 3, world: error.world };
  }
  for (const [index, step] of scenario.steps.entries()) {
    const number = index + 1;
    write({ started: number });
    try {
      await step.run(world);
    } catch (error) {
      write({ failed: number, code: error.code ?? String(error), name: error.name });
      if (!(await again(step, world, write, number))) return { status: 3, world };
      continue;
    }
    write({ acked: number, lasts: step.lasts ?? "disk" });
  }
  try {
    await subject.stop(world);
    write({ stopped: true });
  } catch (error) {
    // On a disk that fails, closing may say so; the lock then ends with the process.
    write({ stopFailed: error.code ?? String(error), name: error.name });
    return { status: 3, world };
  }
  fs.closeSync(acknowledgements);
  return { status: 0 };
}

// Calls that fail end no process, so one process takes many runs. Between them it waits without an
// event loop: a run that ended badly does nothing more, as if its process had ended, until the next
// one is announced.
async function serve(carryOut) {
  for (;;) {
    const request = readLine();
    if (request === "") return;
    arm(request);
    drawn = 0;
    clockMs = START_MS;
    const { status, world } = await carryOut();
    fs.writeSync(1, `${status}\n`);
    if (readLine() === "") return;
    arm("-1");
    if (world) await subject.stop(world).catch(() => {});
    fs.writeSync(1, "ready\n");
  }
}

async function recover() {
  try {
    await subject.recover(root, scenario);
    return { status: 0 };
  } catch {
    return { status: 1 }; // what it left is judged
  }
}

function arm(request) {
  try {
    fs.openSync(`/fault/${request}`);
  } catch {
    // The shim has taken note.
  }
}

function readLine() {
  const byte = Buffer.alloc(1);
  let line = "";
  for (;;) {
    try {
      if (fs.readSync(0, byte) === 0 || byte[0] === 10) return line;
      line += byte.toString("latin1");
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
      Atomics.wait(PAUSE, 0, 0, 1);
    }
  }
}

// After an error the same process goes on: it can still read, and the change can be made again,
// unless it turns out to have been made.
async function again(step, world, write, number) {
  let seen;
  try {
    seen = await subject.describe(world);
    write({ seenAfterFailure: number, state: seen });
  } catch (error) {
    write({ unreadableAfterFailure: number, code: error.code ?? String(error), name: error.name });
    return false;
  }
  const states = JSON.parse(fs.readFileSync(statesFile, "utf8"));
  if (JSON.stringify(states[number]) === JSON.stringify(seen)) return true;
  try {
    await step.run(world);
    write({ acked: number, lasts: step.lasts ?? "disk", retried: true });
    return true;
  } catch (error) {
    write({ failedAgain: number, code: error.code ?? String(error), name: error.name });
    return false;
  }
}
