// A 1 KB JSON call through aivaultd, next to a bare node:http and undici forwarder that checks nothing,
// against the same provider in the same run. The two are measured in turn and ratios taken pair by
// pair: only ratios travel between machines. Where other things run on the machine, the processor time
// each spends on a request says more than the requests per second.
//
//   node bench/invoke.bench.mjs [rounds] [seconds]
import { compare, developmentDaemon, show, targetsOf } from "./daemon.mjs";

const rounds = Number(process.argv[2] ?? 5);
const seconds = Number(process.argv[3] ?? 5);

const daemon = await developmentDaemon();
const { forwarder, aivaultd, passthrough } = targetsOf(daemon, "small");
const closed = { connections: 32, seconds, warmSeconds: 2 };
for (const [name, target] of Object.entries({ envelope: aivaultd, "/v/": passthrough })) {
  const figures = await compare(forwarder, target, closed, rounds);
  show(`${name}: requests per second, 32 connections`, figures("rps"), 0);
  show(`${name}: processor time for a request, µs`, figures("cpuMicros"), 0);
}
for (const rate of [500]) {
  const paced = { connections: 64, seconds, warmSeconds: 1, rate };
  const figures = await compare(forwarder, aivaultd, paced, rounds);
  show(`median latency at ${rate} requests/s, ms`, figures("p50Ms"));
  show(`p99 latency at ${rate} requests/s, ms`, figures("p99Ms"));
}
await daemon.close();
