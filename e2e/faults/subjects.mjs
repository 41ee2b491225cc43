// What the harness can disturb. A subject knows how to open its state, describe it and check it:
//
//   create(root, scenario)          make the state the steps start from
//   start(root, scenario)           open it, as the process under test does; returns a world
//   stop(world)
//   describe(world)                 a JSON value: what a reader can see, without ids and times
//   judge(root, scenario, verdict)  open what a fault left, with a fresh world, and report into
//                                   `verdict`: see judge.mjs
//   recover(root, scenario)         open and close, as a start after a crash does
//
// A scenario has a name, a subject, and steps `{ name, run(world), lasts }` that change the state one
// after the other. `lasts: "process"` marks a step whose acknowledgement survives a killed process but
// not a power cut.
import path from "node:path";
import { pathToFileURL } from "node:url";

/** Load a scenario and its subject by the scenario's name. */
export async function loadScenario(name) {
  const [file, ...argument] = name.split(":");
  const url = pathToFileURL(path.join(import.meta.dirname, "scenarios", `${file}.mjs`));
  const module = await import(url.href);
  const scenario = { name, ...module.scenario(argument.join(":")) };
  return { scenario, subject: module.subject };
}
