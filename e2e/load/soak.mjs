// @ts-check
// Steady work for a long time, with something going wrong now and then: `node e2e/load/soak.mjs [--minutes 1440]
// [--rate 50] [--fault-every 60] [--heap-mib 0]`. Memory and descriptors are fitted with a line, whose slope must
// be next to nothing once the first part is over, in which a young process grows.
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

const FAULTS = ["restart", "reset", "reset-mid-body", "hang-mid-body", "status:500", "big:5000000"];
/** On a machine with much else to do a handshake may take longer than it may; few do, and each is told. */
const BUSY = /"upstream_unreachable".*within 5000 ms/;
const BUSY_SHARE_MAX = 0.01;
/** The share of the run after which growth counts, and the shortest run for which it does. */
const WARM = 0.4;
const FITTED_MINUTES = 10;

await script("soak", async (verdict, flag) => {
  const minutes = flag("minutes", 24 * 60);
  const rate = flag("rate", 50);
  const faultEveryMs = flag("fault-every", 60) * 1000;
  const heapMiB = flag("heap-mib", 0);
  const daemon = heapMiB > 0 ? { node: [`--max-old-space-size=${heapMiB}`] } : {};
  const rig = await Rig.make({ daemon });
  try {
    const counts = { served: 0, busy: 0, faults: 0, restarts: 0, wrong: 0 };
    /** @type {Set<string>} */
    const seen = new Set();
    /** @type {number[]} */
    let times = [];
    let { token } = await rig.mint({ ttlMs: 7_200_000 });
    /** @type {{ hours: number, mib: number, open: number }[]} */
    let samples = [];
    /** @type {Promise<void>[]} */
    let running = [];
    let restarting = false;
    const startedMs = performance.now();
    const endMs = startedMs + minutes * 60_000;

    /** @param {number} number */
    async function work(number) {
      const beganMs = performance.now();
      try {
        const kind = number % 20;
        const authorization = `Bearer ${token}`;
        const place = number % 2 === 0 ? rig.caller : rig.tcp;
        if (kind === 0) {
          const made = await rig.mint({ ttlMs: 60_000, usesMax: 3 });
          await call(rig.operator, `/aivault/tokens/${made.tokenId}`, { method: "DELETE" });
        } else {
          const { headers, ...rest } = chat(kind < 4 ? { stream: true } : {});
          const answer = await call(place, "/aivault/proxy", {
            ...rest,
            headers: { ...headers, authorization },
            timeoutMs: 60_000,
          });
          if (BUSY.test(answer.text)) {
            counts.busy += 1;
            return;
          }
          if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
        }
        counts.served += 1;
        times.push(performance.now() - beganMs);
        if (times.length > 100_000) times = times.slice(50_000);
      } catch (error) {
        if (restarting) return;
        counts.wrong += 1;
        seen.add(String(error).slice(0, 200));
      }
    }

    /** @param {string} fault */
    async function disturb(fault) {
      counts.faults += 1;
      if (fault !== "restart") {
        const { headers, ...rest } = chat({ x_stand_in: fault });
        await call(rig.caller, "/aivault/proxy", {
          ...rest,
          headers: { ...headers, "aivault-timeout-ms": "2000" },
        }).catch(() => undefined);
        return;
      }
      // What is under way ends in order first, so that whatever fails afterwards is a fault.
      restarting = true;
      await Promise.all(running);
      await rig.stop();
      await rig.start(daemon);
      counts.restarts += 1;
      // Another process: what it grows from is its own.
      samples = [];
      restarting = false;
    }

    const restartUntilMs = startedMs + minutes * 60_000 * (WARM / 2);
    let number = 0;
    let sampledMs = 0;
    let faultMs = startedMs;
    let mintedMs = startedMs;
    const sampleEveryMs = Math.max(250, (minutes * 60_000) / 2_000);
    while (performance.now() < endMs) {
      const nowMs = performance.now();
      if (nowMs - sampledMs > sampleEveryMs) {
        sampledMs = nowMs;
        samples.push({
          hours: (nowMs - startedMs) / 3_600_000,
          mib: residentMiB(rig.pid),
          open: descriptorsOf(rig.pid),
        });
      }
      if (nowMs - mintedMs > 3_600_000) {
        mintedMs = nowMs;
        ({ token } = await rig.mint({ ttlMs: 7_200_000 }));
        await rig.standIn.clear();
      }
      if (nowMs - faultMs > faultEveryMs) {
        faultMs = nowMs;
        const fault = FAULTS[counts.faults % FAULTS.length] ?? "reset";
        // A process that is to be watched for long must live for long.
        await disturb(fault === "restart" && nowMs > restartUntilMs ? "reset" : fault);
      }
      const one = work(number++);
      running.push(one);
      if (running.length > rate * 2) {
        await Promise.all(running);
        running = [];
      }
      const dueMs = startedMs + (number * 1000) / rate;
      if (dueMs > performance.now()) await wait(dueMs - performance.now());
    }
    await Promise.all(running);
    const begun = samples[Math.floor(samples.length * WARM)];
    const last = samples.at(-1);
    const calm = await until(() => descriptorsOf(rig.pid) <= (samples[0]?.open ?? 0) + 20, 30_000);
    verdict.expect("descriptors come back", calm, `${descriptorsOf(rig.pid)}`);
    verdict.expect(
      "nothing but faults fails",
      counts.wrong === 0,
      [...seen].slice(0, 5).join("; "),
    );
    verdict.expect(
      "hardly anybody finds no connection in time",
      counts.busy <= counts.served * BUSY_SHARE_MAX,
      `${counts.busy}`,
    );
    const fitted = samples.slice(Math.floor(samples.length * WARM));
    const mibSlope = slope(fitted.map(({ hours, mib }) => [hours, mib]));
    const openSlope = slope(fitted.map(({ hours, open }) => [hours, open]));
    // In a few minutes a collector's rhythm is steeper than any leak; only the ends can be told.
    if (minutes >= FITTED_MINUTES) {
      const most = Math.max(1, 60 / minutes) * 8;
      verdict.expect("memory does not grow", mibSlope < most, `${mibSlope.toFixed(1)} MiB an hour`);
      verdict.expect("descriptors do not", openSlope < most, `${openSlope.toFixed(1)}`);
    }
    const grown = (last?.mib ?? 0) - (begun?.mib ?? 0);
    verdict.expect("memory stays within 150 MiB of what it was", grown < 150, `${grown} MiB`);
    const { text } = await call(rig.operator, "/metrics");
    verdict.expect("no invocation is left", /^aivault_invocations_running 0$/m.test(text));
    await rig.checkAudit(verdict);
    verdict.expect("the daemon is up", rig.isAlive);
    verdict.figures(`${minutes} minutes of ${rate} a second`, {
      ...counts,
      "p50 ms": percentile(times, 0.5),
      "p99 ms": percentile(times, 0.99),
      "MiB when warm": begun?.mib ?? 0,
      "MiB at the end": last?.mib ?? 0,
      "MiB an hour": mibSlope.toFixed(1),
      "descriptors an hour": openSlope.toFixed(1),
    });
  } finally {
    await rig.dispose();
  }
});

/** Of the line of least squares. @param {readonly (readonly [x: number, y: number])[]} points */
function slope(points) {
  const mean = (/** @type {readonly number[]} */ all) =>
    all.reduce((sum, value) => sum + value, 0) / Math.max(1, all.length);
  const x0 = mean(points.map(([x]) => x));
  const y0 = mean(points.map(([, y]) => y));
  const spread = points.reduce((sum, [x]) => sum + (x - x0) ** 2, 0);
  return spread === 0 ? 0 : points.reduce((sum, [x, y]) => sum + (x - x0) * (y - y0), 0) / spread;
}
