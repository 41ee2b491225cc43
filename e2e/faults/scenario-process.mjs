// The process that is disturbed. It carries out the steps of one scenario and, outside the watched
// directory, writes down what it began and what was acknowledged to it.
//
//   node scenario-process.mjs create    SCENARIO ROOT
//   node scenario-process.mjs run       SCENARIO ROOT STATES_FILE ACK_FILE
//   node scenario-process.mjs reference SCENARIO ROOT STATES_FILE   the state after each step
//   node scenario-process.mjs recover   SCENARIO ROOT
import fs from "node:fs";
import { loadScenario } from "./subjects.mjs";

process.umask(0o022); // so that a mode that is not stated shows

const [task, name, root, statesFile, ackFile] = process.argv.slice(2);
const { scenario, subject } = await loadScenario(name);

if (task === "create") await subject.create(root, scenario);
else if (task === "recover") await subject.recover(root, scenario);
else if (task === "reference") await reference();
else await run();

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
    process.exit(3);
  }
  for (const [index, step] of scenario.steps.entries()) {
    const number = index + 1;
    write({ started: number });
    try {
      await step.run(world);
    } catch (error) {
      write({ failed: number, code: error.code ?? String(error), name: error.name });
      if (!(await again(step, world, write, number))) process.exit(3);
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
    process.exit(3);
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
