// Judges what a fault left. As a process: one JSON request a line on stdin, one answer a line on
// stdout. The harness starts a fresh one for every killed process, and keeps one for the many states
// of the power-cut model, each of which is opened from nothing.
//
// A scenario is a history of states, one after each step. Whatever the fault was, what is found must
// be exactly one of them: none before the last step that was acknowledged, none after the last that
// was begun. That one rule covers lost changes, mixed values and half-done transactions.
import fs from "node:fs";
import readline from "node:readline";
import { pathToFileURL } from "node:url";
import { readTree, writeTree } from "./disk-model.mjs";
import { loadScenario } from "./subjects.mjs";

/** Read the file of acknowledgements: how far the process got, and what it was told. */
export function readAcknowledgements(text, { kind }) {
  const lines = text
    .split("\n")
    .filter((line) => line.endsWith("}"))
    .map((line) => JSON.parse(line));
  let acked = 0;
  let started = 0;
  for (const line of lines) {
    if (line.started) started = line.started;
    if (line.acked && (kind !== "power" || line.lasts === "disk")) acked = line.acked;
  }
  return { acked, started, lines };
}

/**
 * Judge the state in `request.root`.
 *
 * @returns `{ problems, state }`: `state` is the number of steps that are there, or null.
 */
export async function judge(request) {
  const { scenario, subject } = await loadScenario(request.scenario);
  const { states, acked, started } = request;
  const verdict = {
    problems: [],
    state: null,
    states,
    acked,
    started,
    /** Report that `found` was seen; true when it is one of the states allowed. */
    found(found) {
      const text = JSON.stringify(found);
      for (let index = started; index >= acked; index--) {
        if (JSON.stringify(states[index]) === text) {
          this.state = index;
          return true;
        }
      }
      const other = states.findIndex((state) => JSON.stringify(state) === text);
      this.problems.push(
        other >= 0
          ? `found the state after step ${other}; allowed are ${acked} to ${started}`
          : `found a state that never was: ${differences(states[started], found)}`,
      );
      return false;
    },
  };
  try {
    await subject.judge(request.root, scenario, verdict);
  } catch (error) {
    verdict.problems.push(`the judge was stopped by ${error.code ?? ""} ${error.message}`);
  }
  return { problems: verdict.problems, state: verdict.state };
}

/** What a process must not have seen or said after an error. */
export function judgeErrors(lines, states) {
  const problems = [];
  for (const line of lines) {
    const code = line.code ?? line.startFailed ?? line.stopFailed;
    if (code !== undefined && line.name !== "VaultError") {
      const number = line.failed ?? line.failedAgain ?? line.unreadableAfterFailure;
      const what = number ? `step ${number}` : line.startFailed ? "the start" : "the end";
      problems.push(`${what} failed with ${line.name} ${code}`);
    }
    const number = line.seenAfterFailure;
    if (number) {
      const seen = JSON.stringify(line.state);
      if (seen !== JSON.stringify(states[number - 1]) && seen !== JSON.stringify(states[number])) {
        problems.push(`after the failure of step ${number} the process reads another state`);
      }
    }
  }
  return problems;
}

function differences(expected, found) {
  const list = [];
  const walk = (a, b, where) => {
    if (list.length > 5 || JSON.stringify(a) === JSON.stringify(b)) return;
    const nested = a && b && typeof a === "object" && typeof b === "object";
    if (!nested) {
      list.push(
        `${where}: ${JSON.stringify(b)?.slice(0, 80)} for ${JSON.stringify(a)?.slice(0, 80)}`,
      );
      return;
    }
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)]))
      walk(a[key], b[key], `${where}/${key}`);
  };
  walk(expected, found, "");
  return list.join("; ");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    if (request.tree) {
      const tree = request.tree.map(([name, node]) => [
        name,
        node.directory ? node : { ...node, bytes: Buffer.from(node.bytes, "base64") },
      ]);
      writeTree(request.root, new Map(tree));
    }
    const answer = await judge(request);
    if (request.keep && answer.problems.length > 0) {
      fs.cpSync(request.root, request.keep, { recursive: true });
    }
    if (request.leaves) answer.files = [...readTree(request.root).keys()];
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}
