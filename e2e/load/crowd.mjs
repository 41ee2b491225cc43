// @ts-check
// Many connections at once, half of them on TCP, half on the unix socket, each kept open and asked from
// again and again: `node e2e/load/crowd.mjs [--connections 10000] [--rounds 3]`.
import { readFileSync } from "node:fs";
import { Agent } from "node:http";
import {
  CannotRun,
  call,
  chat,
  descriptorsOf,
  peakOf,
  percentile,
  Rig,
  residentMiB,
  script,
  until,
} from "./harness.mjs";

/** How many invocations are under way at a time; the rest of the connections ask for what is cheap. */
const INVOKING = 200;
/** On a busy machine no connection comes in time, or none is free. */
const BUSY = /^upstream_(timeout|unreachable)$/;

await script("crowd", async (verdict, flag) => {
  const connections = flag("connections", 10_000);
  const rounds = flag("rounds", 3);
  const rig = await Rig.make();
  try {
    const [, soft = "0"] = /^Max open files\s+(\d+)/m.exec(limitsOf(rig.pid)) ?? [];
    if (Number(soft) < connections * 2) {
      throw new CannotRun(
        `${connections} connections take ${connections * 2} descriptors, and there are ${soft}`,
      );
    }
    const { token } = await rig.mint();
    const agents = Array.from(
      { length: connections },
      () => new Agent({ keepAlive: true, maxSockets: 1 }),
    );
    const before = { memory: residentMiB(rig.pid), descriptors: descriptorsOf(rig.pid) };
    /** @type {number[]} */
    const times = [];
    const counts = { served: 0, refused: 0, wrong: 0, lost: 0 };
    const asked = new Set();
    /** @type {Set<string>} */
    const seen = new Set();

    /** @param {number} i @param {number} round */
    async function ask(i, round) {
      const place = i % 2 === 0 ? rig.caller : rig.tcp;
      const headers = { authorization: `Bearer ${token}` };
      const invokes = i % Math.ceil(connections / INVOKING) === 0;
      const agent = agents[i] ?? new Agent();
      const options = { ...(invokes ? chat({ user: `u-${round}-${i}` }) : {}), agent };
      const path = invokes ? "/aivault/proxy" : "/aivault/whoami";
      const startedMs = performance.now();
      const send = () =>
        call(place, path, { ...options, headers: { ...options.headers, ...headers } });
      try {
        // A connection that has just been closed for being idle: the request was not read.
        const answer = await send().catch((error) => {
          if (round > 0 && error.code === "ECONNRESET") return send();
          throw error;
        });
        times.push(performance.now() - startedMs);
        if (invokes) asked.add(String(answer.headers["aivault-request-id"]));
        const fits = invokes
          ? answer.text.includes("chat.completion")
          : answer.text.includes('"caller"');
        if (answer.status === 200 && fits) counts.served += 1;
        // A provider that did not answer in time, on a machine that has no more of it.
        else if (BUSY.test(String(answer.headers["aivault-error"]))) counts.refused += 1;
        else {
          counts.wrong += 1;
          seen.add(`${answer.status} ${answer.headers["aivault-error"]}`);
        }
      } catch (error) {
        counts.lost += 1;
        seen.add(String(error));
      }
    }

    const all = async () => {
      for (let round = 0; round < rounds; round++) {
        // Opened a few hundred at a time, as a listen queue takes them; then all at once.
        const width = round === 0 ? 500 : connections;
        for (let i = 0; i < connections; i += width) {
          await Promise.all(agents.slice(i, i + width).map((_, j) => ask(i + j, round)));
        }
      }
    };
    let open = 0;
    let looks = 0;
    const look = () => {
      // Counting ten thousand descriptors takes a while.
      if (looks++ % 20 === 0) open = Math.max(open, descriptorsOf(rig.pid) - before.descriptors);
      return residentMiB(rig.pid);
    };
    const startedMs = performance.now();
    const { peak } = await peakOf(look, all());
    const seconds = (performance.now() - startedMs) / 1000;
    verdict.expect(
      "every request is answered, with its own answer",
      counts.served + counts.refused === connections * rounds,
      JSON.stringify({ ...counts, seen: [...seen].slice(0, 5) }),
    );
    verdict.expect("the connections are open at once", open >= connections, `${open}`);
    verdict.expect("memory stays below 500 MiB", peak < 500, `${peak} MiB`);
    const events = await rig.checkAudit(verdict);
    const recorded = new Set(
      events
        .filter(({ kind }) => kind === "invocation.completed")
        .map(({ requestId }) => requestId),
    );
    const missing = [...asked].filter((id) => !recorded.has(id));
    verdict.expect("nothing is unaudited", missing.length === 0, `${missing.length} are`);
    for (const agent of agents) agent.destroy();
    const closed = await until(() => descriptorsOf(rig.pid) < before.descriptors + 50, 30_000);
    verdict.expect("descriptors come back", closed, `${descriptorsOf(rig.pid)} are open`);
    verdict.expect("the daemon is up", rig.isAlive);
    verdict.figures(`${connections} connections, ${rounds} requests each`, {
      served: counts.served,
      "timed out": counts.refused,
      "requests/s": Math.round(counts.served / seconds),
      "p50 ms": percentile(times, 0.5),
      "p99 ms": percentile(times, 0.99),
      "MiB before": before.memory,
      "MiB at most": peak,
      "MiB after": residentMiB(rig.pid),
    });
  } finally {
    await rig.dispose();
  }
});

/** @param {number} pid */
function limitsOf(pid) {
  return readFileSync(`/proc/${pid}/limits`, "utf8");
}
