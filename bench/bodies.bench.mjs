// Large answers and streams: 10 MB bodies through the redactor, and how soon the first byte of a stream
// of events arrives, beside the bare forwarder.
//
//   node bench/bodies.bench.mjs [rounds] [seconds]
import { compare, developmentDaemon, show, targetsOf } from "./daemon.mjs";

const rounds = Number(process.argv[2] ?? 5);
const seconds = Number(process.argv[3] ?? 5);

const daemon = await developmentDaemon();
const large = targetsOf(daemon, "large");
const warm = { connections: 4, seconds, warmSeconds: 2 };
const bodies = await compare(large.forwarder, large.aivaultd, warm, rounds);
const megabytes = ({ floor, ours, ratio }) => ({ floor: floor / 1e6, ours: ours / 1e6, ratio });
show("10 MB answers: MB/s, 4 connections", megabytes(bodies("bytesPerSecond")), 0);
show("10 MB answers: processor time for each, ms", scaled(bodies("cpuMicros")), 1);

const stream = targetsOf(daemon, "stream");
// Enough requests for the code to be compiled, then a calm pace: this is about delay.
await compare(stream.forwarder, stream.aivaultd, { connections: 16, seconds, warmSeconds: 0 }, 1);
const calm = { connections: 16, seconds, warmSeconds: 1, rate: 50 };
const events = await compare(stream.forwarder, stream.aivaultd, calm, rounds);
show("first byte of a stream: median, ms", events("firstByteP50Ms"));
const { floor, ours } = events("firstByteP50Ms");
console.log(`the first byte comes ${(ours - floor).toFixed(2)} ms after the forwarder's`);
await daemon.close();

function scaled({ floor, ours, ratio }) {
  return { floor: floor / 1e3, ours: ours / 1e3, ratio };
}
