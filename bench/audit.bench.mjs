// What the audit log costs: the same load on three daemons that differ in nothing but where their log
// goes: kept in memory, written (as it is by default), and synced before each answer is released. They
// take turns in one run, and are compared round by round: only ratios travel.
//
//   node bench/audit.bench.mjs [rounds] [seconds]
import { developmentDaemon, load, targetsOf } from "./daemon.mjs";
import { median } from "./measure.mjs";

const ROUNDS = Number(process.argv[2] ?? 5);
const SECONDS = Number(process.argv[3] ?? 5);
const inMemory = new URL("audit-in-memory.mjs", import.meta.url).pathname;

const daemons = {
  "in memory": await developmentDaemon({ nodeArgs: ["--import", inMemory] }),
  written: await developmentDaemon(),
  disk: await developmentDaemon({ settings: [["settings", "set", "auditDurability", "disk"]] }),
};
const names = Object.keys(daemons);

for (const connections of [1, 32]) {
  const settings = { connections, seconds: SECONDS, warmSeconds: 1 };
  const rounds = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const results = {};
    for (const name of names) {
      results[name] = await load(targetsOf(daemons[name], "small").aivaultd, settings);
    }
    rounds.push(results);
  }
  console.log(`${connections} connections, medians of ${ROUNDS} rounds`);
  for (const name of names) {
    const of = (figure) => median(rounds.map((round) => round[name][figure]));
    const ratio = (figure) =>
      median(rounds.map((round) => round[name][figure] / round["in memory"][figure]));
    console.log(
      `  ${name.padEnd(10)} ${of("rps").toFixed(0).padStart(6)} requests/s, ${ratio("rps").toFixed(2)} x;` +
        ` ${of("cpuMicros").toFixed(0)} us of processor time each, ${ratio("cpuMicros").toFixed(2)} x`,
    );
  }
}
for (const daemon of Object.values(daemons)) await daemon.close();
