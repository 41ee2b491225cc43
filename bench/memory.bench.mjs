// Whether memory grows with the number of requests: resident memory of the daemon after each tenth of
// them, at rest. What it takes in the beginning is compiled code and pools; what matters is the end.
//
//   node bench/memory.bench.mjs [requests]      100000 unless told
import { setTimeout as sleep } from "node:timers/promises";
import { developmentDaemon, load, targetsOf } from "./daemon.mjs";
import { residentBytes } from "./measure.mjs";

const requests = Number(process.argv[2] ?? 100_000);
const STEPS = 10;

const daemon = await developmentDaemon();
const { aivaultd } = targetsOf(daemon, "small");
const samples = [];
for (let step = 1; step <= STEPS; step += 1) {
  await load(aivaultd, { connections: 32, count: requests / STEPS });
  await sleep(1_000);
  const mebibytes = residentBytes(aivaultd.pid) / 1_048_576;
  samples.push(mebibytes);
  console.log(
    `after ${String((requests / STEPS) * step).padStart(7)} requests ${mebibytes.toFixed(1)} MiB`,
  );
}
const half = samples.slice(STEPS / 2);
const growth = half.at(-1) - half[0];
console.log(`in the second half of them ${growth >= 0 ? "+" : ""}${growth.toFixed(1)} MiB`);
await daemon.close();
