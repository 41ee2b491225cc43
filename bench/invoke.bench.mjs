// Requests per second and latency of a 1 KB JSON call through aivaultd, next to a bare node:http and
// undici forwarder that checks nothing, against the same stand-in provider in the same run. The two are
// measured in turn, and ratios are taken pair by pair: only ratios travel between machines.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { developmentDaemon } from "./daemon.mjs";

const ROUNDS = Number(process.argv[2] ?? 3);
const SECONDS = Number(process.argv[3] ?? 5);

const daemon = await developmentDaemon();
const forwarderSocket = join(daemon.directory, "forwarder.sock");
const forwarder = spawn(process.execPath, [new URL("forwarder.mjs", import.meta.url).pathname], {
  stdio: ["pipe", "pipe", "inherit"],
});
forwarder.stdin.end(
  JSON.stringify({
    socket: forwarderSocket,
    port: daemon.standIn.port,
    caPath: daemon.standIn.caPath,
    authorization: `Bearer ${daemon.secret}`,
  }),
);
await once(forwarder.stdout, "data");

const body = JSON.stringify({
  model: "stand-in",
  messages: [{ role: "user", content: "x".repeat(900) }],
});
const envelope = JSON.stringify({
  capability: "openai/chat-completions",
  request: {
    method: "POST",
    path: "/v1/chat/completions",
    headers: [{ name: "content-type", value: "application/json" }],
    body,
  },
});
const targets = {
  forwarder: { socket: forwarderSocket, path: "/v1/chat/completions", body },
  aivaultd: { socket: daemon.socket, path: "/aivault/proxy", body: envelope },
};

async function load(target, settings) {
  const child = spawn(process.execPath, [new URL("load.mjs", import.meta.url).pathname], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.end(JSON.stringify({ headers: {}, ...target, ...settings }));
  const result = JSON.parse(await text(child.stdout));
  if (result.errors > 0) throw new Error(`${result.errors} requests failed`);
  return result;
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
async function compare(title, settings, figure) {
  const rounds = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const floor = await load(targets.forwarder, settings);
    const ours = await load(targets.aivaultd, settings);
    rounds.push({ floor: floor[figure], ours: ours[figure] });
  }
  const ratio = median(rounds.map(({ floor, ours }) => ours / floor));
  console.log(
    `${title}: forwarder ${median(rounds.map((r) => r.floor)).toFixed(2)}, ` +
      `aivaultd ${median(rounds.map((r) => r.ours)).toFixed(2)}, ratio ${ratio.toFixed(2)}`,
  );
}

const closed = { connections: 32, seconds: SECONDS, warmSeconds: 2 };
const paced = { connections: 32, seconds: SECONDS, warmSeconds: 1, rate: 300 };
await compare("requests per second, 32 connections", closed, "rps");
await compare("median latency at 300 requests/s, ms", paced, "p50Ms");
await compare("p99 latency at 300 requests/s, ms", paced, "p99Ms");

forwarder.kill();
await daemon.close();
