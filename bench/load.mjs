// Closed-loop load over a unix socket, in a process of its own. Prints one line of JSON:
// {"requests","errors","rps","p50Ms","p99Ms"}.
import http from "node:http";
import { text } from "node:stream/consumers";

const { socket, path, headers, body, connections, seconds, warmSeconds, rate } = JSON.parse(
  await text(process.stdin),
);
const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
const payload = Buffer.from(body);
const options = {
  socketPath: socket,
  path,
  method: "POST",
  agent,
  headers: { host: "aivault", "content-type": "application/json", ...headers },
};
options.headers["content-length"] = payload.length;

let counting = false;
let errors = 0;
const latencies = [];

function once() {
  return new Promise((resolve) => {
    const started = process.hrtime.bigint();
    const request = http.request(options, (response) => {
      response.resume();
      response.on("end", () => {
        if (response.statusCode !== 200) errors += 1;
        else if (counting) latencies.push(Number(process.hrtime.bigint() - started) / 1e6);
        resolve();
      });
      response.on("error", resolve);
    });
    request.on("error", () => {
      errors += 1;
      resolve();
    });
    request.end(payload);
  });
}

const stopAt = Date.now() + (warmSeconds + seconds) * 1000;
setTimeout(() => {
  counting = true;
}, warmSeconds * 1000);

async function worker() {
  while (Date.now() < stopAt) await once();
}

/** Open loop: latency then includes the wait behind earlier requests, started at their own instants. */
async function paced() {
  const pending = new Set();
  const interval = 1000 / rate;
  for (let due = Date.now(); due < stopAt; due += interval) {
    const wait = due - Date.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const one = once().finally(() => pending.delete(one));
    pending.add(one);
  }
  await Promise.all(pending);
}

await (rate ? paced() : Promise.all(Array.from({ length: connections }, worker)));
latencies.sort((a, b) => a - b);
const at = (q) => latencies[Math.min(latencies.length - 1, Math.floor(q * latencies.length))] ?? 0;
console.log(
  JSON.stringify({
    requests: latencies.length,
    errors,
    rps: latencies.length / seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
  }),
);
agent.destroy();
