// Load over a unix socket, in a process of its own: sockets that are written to and read from without
// an HTTP client between, so that the load is not what is measured. Prints one line of JSON:
// {"requests","errors","rps","bytesPerSecond","p50Ms","p99Ms","firstByteP50Ms","firstByteP99Ms"}.
import { connect } from "node:net";
import { text } from "node:stream/consumers";

const settings = JSON.parse(await text(process.stdin));
const {
  socket,
  path,
  headers = {},
  body,
  connections,
  seconds,
  warmSeconds,
  rate,
  count,
} = settings;
const request = Buffer.from(
  `POST ${path} HTTP/1.1\r\nhost: aivault\r\ncontent-type: application/json\r\n` +
    Object.entries(headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("") +
    `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
);
const now = () => Number(process.hrtime.bigint()) / 1e6;
const LAST_CHUNK = Buffer.from("0\r\n\r\n");

let counting = count !== undefined;
let errors = 0;
let requests = 0;
let warmRequests = 0;
let bytes = 0;
const latencies = [];
const firstBytes = [];

/** A connection that carries one request at a time. */
class Connection {
  #socket = connect(settings.socket);
  #resolve = () => {};
  #started = 0;
  #firstAt = 0;
  /** Bytes of the body that are still to come; -1 before the head, -2 for a chunked one. */
  #left = -1;
  #head = null;
  #tail = Buffer.alloc(0);

  constructor() {
    this.#socket.on("data", (chunk) => this.#read(chunk));
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      if (this.#started === 0) return;
      errors += 1;
      this.#socket = connect(socket);
      this.#done();
    });
  }

  send(startedAt = now()) {
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#started = startedAt;
      this.#firstAt = 0;
      this.#left = -1;
      this.#head = null;
      this.#socket.write(request);
    });
  }

  close() {
    this.#started = 0;
    this.#socket.destroy();
  }

  #read(chunk) {
    let rest = chunk;
    if (this.#left === -1) {
      this.#head = this.#head === null ? chunk : Buffer.concat([this.#head, chunk]);
      const end = this.#head.indexOf("\r\n\r\n");
      if (end < 0) return;
      const head = this.#head.toString("latin1", 0, end);
      if (!head.startsWith("HTTP/1.1 200")) errors += 1;
      rest = this.#head.subarray(end + 4);
      const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
      this.#left = length === undefined ? -2 : Number(length);
      this.#tail = Buffer.alloc(0);
    }
    if (rest.length > 0 && this.#firstAt === 0) this.#firstAt = now();
    if (counting) bytes += rest.length;
    if (this.#left === -2) {
      this.#tail = Buffer.concat([this.#tail, rest]).subarray(-LAST_CHUNK.length);
      if (this.#tail.equals(LAST_CHUNK)) this.#done();
    } else {
      this.#left -= rest.length;
      if (this.#left === 0) this.#done();
    }
  }

  #done() {
    const ended = now();
    if (!counting) warmRequests += 1;
    else {
      requests += 1;
      latencies.push(ended - this.#started);
      if (this.#firstAt > 0) firstBytes.push(this.#firstAt - this.#started);
    }
    this.#started = 0;
    this.#resolve();
  }
}

const pool = Array.from({ length: connections }, () => new Connection());
const begun = now();
const countFrom = begun + (warmSeconds ?? 0) * 1000;
const stopAt = countFrom + (seconds ?? 0) * 1000;

/** Closed loop: each connection sends as soon as it has its answer. */
async function worker(connection) {
  if (count !== undefined) {
    for (let sent = 0; sent < count / connections; sent += 1) await connection.send();
    return;
  }
  for (;;) {
    const at = now();
    if (at >= stopAt) return;
    counting ||= at >= countFrom;
    await connection.send();
  }
}

/** Open loop: latency counts from the instant a request was due, so that a stall is charged in full. */
async function paced() {
  const idle = [...pool];
  const waiting = [];
  const running = new Set();
  const run = async (connection, due) => {
    for (let next = due; next !== undefined; next = waiting.shift()) await connection.send(next);
    idle.push(connection);
  };
  for (let due = begun; due < stopAt; due += 1000 / rate) {
    while (now() < due) await new Promise((resolve) => setTimeout(resolve, 1));
    counting ||= due >= countFrom;
    const connection = idle.pop();
    if (connection === undefined) waiting.push(due);
    else {
      const one = run(connection, due).finally(() => running.delete(one));
      running.add(one);
    }
  }
  await Promise.all(running);
}

await (rate ? paced() : Promise.all(pool.map(worker)));
const elapsed = (now() - (count === undefined ? countFrom : begun)) / 1000;
for (const connection of pool) connection.close();
const quantile = (values, q) => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
};
console.log(
  JSON.stringify({
    requests,
    warmRequests,
    errors,
    rps: requests / elapsed,
    bytesPerSecond: bytes / elapsed,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    firstByteP50Ms: quantile(firstBytes, 0.5),
    firstByteP99Ms: quantile(firstBytes, 0.99),
  }),
);
