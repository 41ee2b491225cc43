// What the audit log costs: the same load through the same daemon with the log in memory, written (as it
// is by default) and synced before each release. The three take turns in one run; throughput and
// processor time for each request are compared round by round, and only ratios travel.
//
//   node bench/audit.bench.mjs [rounds] [seconds]
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { aivault } from "../e2e/support/run.mjs";
import { developmentDaemon } from "./daemon.mjs";
import { median, startDaemon } from "./daemon-process.mjs";

const ROUNDS = Number(process.argv[2] ?? 5);
const SECONDS = Number(process.argv[3] ?? 5);
const IN_MEMORY = new URL("audit-in-memory.mjs", import.meta.url).pathname;
const MODES = {
  "in memory": { imports: [IN_MEMORY], durability: "group" },
  written: { imports: [], durability: "group" },
  disk: { imports: [], durability: "disk" },
};

const { standIn, socket, callerEnv, close } = await developmentDaemon();
const env = { ...callerEnv, ...standIn.daemonEnvironment };
const command = async (...args) => {
  const result = await aivault(args, { env });
  if (result.status !== 0) throw new Error(`aivault ${args.join(" ")}: ${result.stderr}`);
};
const body = JSON.stringify({
  capability: "openai/chat-completions",
  request: {
    method: "POST",
    path: "/v1/chat/completions",
    headers: [{ name: "content-type", value: "application/json" }],
    body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "x".repeat(900) }] }),
  },
});

async function load(connections) {
  const child = spawn(process.execPath, [new URL("load.mjs", import.meta.url).pathname], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const settings = { connections, seconds: SECONDS, warmSeconds: 1, headers: {} };
  child.stdin.end(JSON.stringify({ socket, path: "/aivault/proxy", body, ...settings }));
  const result = JSON.parse(await text(child.stdout));
  if (result.errors > 0) throw new Error(`${result.errors} requests failed`);
  return result;
}

async function measure({ imports, durability }, connections) {
  await command("settings", "set", "auditDurability", durability);
  await command("stop");
  const daemon = await startDaemon({ socket, env, imports });
  const before = daemon.cpuMs();
  const { rps } = await load(connections);
  // The load warms up for a second that its own count leaves out.
  const cpuMs = (daemon.cpuMs() - before) / (rps * (SECONDS + 1));
  await daemon.stop();
  return { rps, cpuMs };
}

for (const connections of [1, 32]) {
  const rounds = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const results = {};
    for (const [name, mode] of Object.entries(MODES))
      results[name] = await measure(mode, connections);
    rounds.push(results);
  }
  console.log(`${connections} connections, medians of ${ROUNDS} rounds`);
  for (const name of Object.keys(MODES)) {
    const of = (figure) => median(rounds.map((round) => round[name][figure]));
    const ratio = (figure) =>
      median(rounds.map((round) => round[name][figure] / round["in memory"][figure]));
    console.log(
      `  ${name.padEnd(10)} ${of("rps").toFixed(0).padStart(6)} requests/s, ${ratio("rps").toFixed(2)} x;` +
        ` ${of("cpuMs").toFixed(3)} ms of processor time each, ${ratio("cpuMs").toFixed(2)} x`,
    );
  }
}
await command("settings", "set", "auditDurability", "group");
await close();
