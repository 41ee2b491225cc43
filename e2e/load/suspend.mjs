// @ts-check
// Processes that stand still and go on: `node e2e/load/suspend.mjs [--seconds 60]`. First the daemon is stopped
// in the middle of what it does, then the provider. What ended meanwhile has ended, a rate is not given again, no
// timer fires in a burst, and nobody's answer is another's.
import { readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { call, chat, Rig, script, until } from "./harness.mjs";

const PER_MINUTE = 5;

await script("suspend", async (verdict, flag) => {
  const seconds = flag("seconds", 60);
  const rig = await Rig.make();
  try {
    /** @param {string} token @param {import("./harness.mjs").Options} [options] */
    const invoke = (token, { headers, ...rest } = chat()) =>
      call(rig.caller, "/aivault/proxy", {
        ...rest,
        headers: { ...headers, authorization: `Bearer ${token}` },
        timeoutMs: 120_000 + seconds * 1000,
      });
    const short = await rig.mint({ ttlMs: 1_000 });
    const rated = await rig.mint({ perMinute: PER_MINUTE });
    const { token } = await rig.mint();
    for (let i = 0; i < PER_MINUTE; i++) await invoke(rated.token);
    const ratedMs = performance.now();

    // --- the daemon
    const streams = Array.from({ length: 10 }, () => invoke(token, chat({ stream: true })));
    // A head that was not read completely is late afterwards, and refused; so each has to be with the provider.
    await until(async () => (await rig.standIn.requests()).length >= PER_MINUTE + 10, 30_000);
    rig.child?.kill("SIGSTOP");
    const stopped = await until(() => stateOf(rig.pid) === "T", 5_000);
    verdict.expect("the daemon stands still", stopped, stateOf(rig.pid));
    const waiting = Array.from({ length: 10 }, () => invoke(token));
    const ended = invoke(short.token);
    await wait(Math.max(seconds, 2) * 1000);
    const busyMs = cpuMsOf(rig.pid);
    rig.child?.kill("SIGCONT");
    const continuedMs = performance.now();
    const served = (await Promise.all(waiting)).filter(({ status }) => status === 200).length;
    const firstMs = Math.round(performance.now() - continuedMs);
    verdict.expect("who waited is served", served === 10, `${served} of 10`);
    const whole = (await Promise.allSettled(streams)).filter(
      (stream) => stream.status === "fulfilled" && stream.value.text.includes("[DONE]"),
    ).length;
    verdict.expect("what was under way comes to its end", whole === 10, `${whole} of 10`);
    const { status } = await ended;
    verdict.expect("a token that ended meanwhile has ended", status === 401, `${status}`);
    if (performance.now() - ratedMs < 55_000) {
      const again = await invoke(rated.token);
      verdict.expect("a rate is not given again", again.status === 429, `${again.status}`);
    }
    // Timers that were due many times over, all at once, would show here.
    await wait(1_000);
    const burstMs = cpuMsOf(rig.pid) - busyMs;
    verdict.expect("nothing is made up for in a burst", burstMs < 5_000, `${burstMs} ms`);
    verdict.figures(`the daemon stopped for ${Math.max(seconds, 2)} s`, {
      served,
      "streams whole": whole,
      "ms until all are served": firstMs,
      "ms of processor": burstMs,
    });

    // --- the provider
    await rig.standIn.clear();
    process.kill(rig.standIn.pid, "SIGSTOP");
    const inTime = { "aivault-timeout-ms": "1000" };
    const { headers, ...rest } = chat();
    const startedMs = performance.now();
    const given = Array.from({ length: 10 }, () =>
      invoke(token, { ...rest, headers: { ...headers, ...inTime } }),
    );
    const patient = Array.from({ length: 10 }, () => invoke(token));
    const late = (await Promise.all(given)).filter(
      (answer) => answer.headers["aivault-error"] === "upstream_timeout",
    ).length;
    const lateMs = Math.round(performance.now() - startedMs);
    verdict.expect("who does not wait longer is told", late === 10, `${late} of 10`);
    await wait(Math.max(0, seconds * 1000 - lateMs));
    process.kill(rig.standIn.pid, "SIGCONT");
    const patients = await Promise.all(patient);
    const kept = patients.filter(({ status }) => status === 200).length;
    // A handshake that the provider does not answer is given up after five seconds, whoever waits.
    const told = patients.filter(({ headers }) =>
      /^upstream_(timeout|unreachable)$/.test(String(headers["aivault-error"])),
    );
    verdict.expect("who waits is served, or told", kept + told.length === 10, `${kept} of 10`);
    const posts = await rig.standIn.requests();
    verdict.expect("no POST was repeated", posts.length <= 20, `${posts.length} for 20`);
    verdict.figures(`the provider stopped for ${seconds} s`, {
      "told late": late,
      "after ms": lateMs,
      served: kept,
      "no connection": told.length,
    });
    await rig.checkAudit(verdict);
    verdict.expect("the daemon is up", rig.isAlive);
  } finally {
    rig.child?.kill("SIGCONT");
    process.kill(rig.standIn.pid, "SIGCONT");
    await rig.dispose();
  }
});

/** The kernel's letter for what a process does. @param {number} pid */
function stateOf(pid) {
  return /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "?";
}

/** What a process has used of processors. @param {number} pid */
function cpuMsOf(pid) {
  // proc(5): behind the name come state and numbers; the 14th and 15th of all are user and system time.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  const TICKS_PER_SECOND = 100;
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}
