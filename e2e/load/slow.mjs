// @ts-check
// Clients that take their time: header lines octet by octet, bodies that stop, answers nobody reads. Meanwhile
// a good client must be served: `node e2e/load/slow.mjs [--connections 1000] [--readers 50]`.
import { connect } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import {
  call,
  chat,
  descriptorsOf,
  percentile,
  Rig,
  residentMiB,
  script,
  until,
} from "./harness.mjs";

/** The daemon's limit for the head of a request, and what its checks of that may add. */
const HEAD_MS = 10_000;
const CHECKED_MS = 5_000;

await script("slow", async (verdict, flag) => {
  const connections = flag("connections", 1_000);
  const readers = flag("readers", 50);
  const rig = await Rig.make();
  try {
    const before = { memory: residentMiB(rig.pid), descriptors: descriptorsOf(rig.pid) };

    // --- slowloris
    const path = rig.caller.socketPath ?? "";
    const openedMs = performance.now();
    let cut = 0;
    let answered = 0;
    let lastCutMs = 0;
    const sockets = Array.from({ length: connections }, () => {
      const socket = connect(path);
      socket.on("error", () => undefined);
      socket.on("data", (chunk) => {
        if (chunk.includes("invalid_request")) answered += 1;
      });
      socket.on("close", () => {
        cut += 1;
        lastCutMs = performance.now();
      });
      socket.write("GET /aivault/health HTTP/1.1\r\nhost: aivault\r\nx-slow: ");
      return socket;
    });
    const drip = setInterval(() => {
      for (const socket of sockets) if (socket.writable) socket.write("a");
    }, 1_000);
    /** @type {number[]} */
    const times = [];
    while (cut < connections && performance.now() - openedMs < 2 * HEAD_MS + CHECKED_MS) {
      const startedMs = performance.now();
      const answer = await call(rig.caller, "/aivault/proxy", chat());
      if (answer.status !== 200) throw new Error(answer.text);
      times.push(performance.now() - startedMs);
      await wait(20);
    }
    clearInterval(drip);
    verdict.expect("slow heads are cut", cut === connections, `${connections - cut} are not`);
    verdict.expect("they are told why", answered >= connections * 0.99, `${answered} are`);
    verdict.figures(`${connections} connections, an octet of a head a second`, {
      "cut after ms": Math.round(lastCutMs - openedMs),
      "good calls meanwhile": times.length,
      "p50 ms": percentile(times, 0.5),
      "p99 ms": percentile(times, 0.99),
    });

    // --- answers that nobody reads
    const big = chat({ x_stand_in: "big:100000000" });
    const head =
      `POST /aivault/proxy HTTP/1.1\r\nhost: aivault\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(String(big.body))}\r\n\r\n${big.body}`;
    const lazy = Array.from({ length: readers }, () => {
      const socket = connect(path);
      socket.on("error", () => undefined);
      socket.once("data", () => socket.pause());
      socket.write(head);
      return socket;
    });
    let peak = 0;
    for (let i = 0; i < 40; i++) {
      peak = Math.max(peak, residentMiB(rig.pid));
      await wait(100);
    }
    const served = await call(rig.caller, "/aivault/proxy", chat());
    verdict.expect("a good client is served meanwhile", served.status === 200, served.text);
    verdict.expect("memory stays below 300 MiB", peak < 300, `${peak} MiB`);
    for (const socket of lazy) socket.destroy();

    // --- a client that has said all it will, and waits for its answer
    const half = await new Promise((resolve, reject) => {
      const socket = connect({ path, allowHalfOpen: true });
      let text = "";
      socket.on("data", (chunk) => (text += chunk));
      socket.on("end", () => resolve(text)).on("error", reject);
      socket.end("GET /aivault/health HTTP/1.1\r\nhost: aivault\r\nconnection: close\r\n\r\n");
    });
    verdict.expect("a half-closed client gets its answer", / 200 /.test(half), half);

    const closed = await until(() => descriptorsOf(rig.pid) <= before.descriptors + 10, 15_000);
    verdict.expect("descriptors come back", closed, `${descriptorsOf(rig.pid)} are open`);
    const settled = await until(async () => {
      const { text } = await call(rig.operator, "/metrics");
      return /^aivault_invocations_running 0$/m.test(text);
    }, 15_000);
    verdict.expect("invocations end with their callers", settled);
    await rig.checkAudit(verdict);
    verdict.expect("the daemon is up", rig.isAlive);
    verdict.figures(`${readers} answers of 100 MB that nobody reads`, {
      "MiB before": before.memory,
      "MiB at most": peak,
      "MiB after": residentMiB(rig.pid),
    });
  } finally {
    await rig.dispose();
  }
});
