// @ts-check
// Too little of something: descriptors, memory, time for one request. `node e2e/load/scarce.mjs [--burst 2000]`.
// New work may be refused; what is refused is told so, and afterwards all is as before.
import { connect } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { call, chat, json, Rig, residentMiB, script, until } from "./harness.mjs";

await script("scarce", async (verdict, flag) => {
  const burst = flag("burst", 2_000);
  const rig = await Rig.make();
  try {
    // --- descriptors
    for (const descriptors of [128, 256, 1024]) {
      await rig.stop();
      await rig.start({ descriptors });
      const flood = [];
      for (let i = 0; i < descriptors * 2; i++) {
        const place =
          i % 2 === 0 ? { path: String(rig.caller.socketPath) } : { port: rig.tcp.port ?? 0 };
        flood.push(connect(place).on("error", () => undefined));
      }
      await wait(500);
      // The operator has a socket of its own, and the vault and its log descriptors of theirs.
      const made = await call(rig.operator, "/aivault/bindings", {
        ...json({ capability: "openai/*", credential: "openai" }),
        timeoutMs: 30_000,
      }).catch((error) => ({ status: 0, text: String(error) }));
      verdict.expect(
        `${descriptors} descriptors, flooded: an operator can work`,
        made.status === 201,
        made.text,
      );
      for (const socket of flood) socket.destroy();
      const startedMs = performance.now();
      const recovered = await until(async () => {
        const answer = await call(rig.caller, "/aivault/proxy", chat()).catch(() => null);
        return answer?.status === 200;
      }, 15_000);
      verdict.expect(`${descriptors} descriptors: calls are served again`, recovered, rig.log);
      verdict.figures(`${descriptors} descriptors`, {
        "served again after ms": Math.round(performance.now() - startedMs),
      });
    }

    // --- memory
    await rig.stop();
    await rig.start({ node: ["--max-old-space-size=64"] });
    let served = 0;
    for (let i = 0; i < burst; i += 50) {
      const answers = await Promise.all(
        Array.from({ length: 50 }, () =>
          call(rig.caller, "/aivault/proxy", chat({ pad: "x".repeat(100_000) })),
        ),
      );
      served += answers.filter(({ status }) => status === 200).length;
    }
    verdict.expect(
      "64 MiB of heap are enough",
      served >= burst && rig.isAlive,
      `${served}/${burst}`,
    );
    verdict.figures("64 MiB of heap, 100 kB bodies, 50 at a time", {
      served,
      "MiB at the end": residentMiB(rig.pid),
    });

    // --- requests that would keep one busy
    const deep = "[".repeat(100_000) + "]".repeat(100_000);
    /** @type {[string, import("./harness.mjs").Options][]} */
    const costly = [
      ["JSON 100,000 deep", { ...json(0), body: deep }],
      ["a million commas", { ...json(0), body: `[${",".repeat(1_000_000)}]` }],
      [
        "1 MiB of one string",
        { ...json(0), body: JSON.stringify({ capability: "a".repeat(1e6) }) },
      ],
      ["50,000 members", { ...json(0), body: JSON.stringify(Object.fromEntries(keys(50_000))) }],
      ["a path of 8 kB of dots", chatAt(`/v1/${"../".repeat(2_700)}`)],
      ["a path of percents", chatAt(`/v1/${"%2e%2e%2f".repeat(800)}`)],
    ];
    for (const [name, options] of costly) {
      const startedMs = performance.now();
      const [answer, health] = await Promise.all([
        call(rig.caller, "/aivault/proxy", options),
        wait(5).then(async () => {
          const beganMs = performance.now();
          await call(rig.caller, "/aivault/health");
          return performance.now() - beganMs;
        }),
      ]);
      const ms = performance.now() - startedMs;
      verdict.expect(
        `${name}: is refused`,
        answer.status >= 400 && answer.status < 500,
        answer.text,
      );
      verdict.figures(name, {
        status: answer.status,
        ms: Math.round(ms),
        "another's ms": Math.round(health),
      });
    }

    // --- limits, all at once
    const tokens = await Promise.all(Array.from({ length: 10 }, () => rig.mint({ perMinute: 20 })));
    const counts = { 200: 0, 429: 0, other: 0 };
    const burstMs = performance.now();
    await Promise.all(
      Array.from({ length: burst }, async (_, i) => {
        const { headers, ...rest } = chat();
        const authorization = `Bearer ${tokens[i % 10]?.token}`;
        const answer = await call(rig.caller, "/aivault/proxy", {
          ...rest,
          headers: { ...headers, authorization },
        });
        if (answer.status === 200) counts[200] += 1;
        else if (answer.status === 429) counts[429] += 1;
        else counts.other += 1;
      }),
    );
    // A slow machine takes more than a minute, and what a minute gives is given again.
    const most = 200 * (1 + Math.floor((performance.now() - burstMs) / 60_000));
    const fits = counts[200] >= Math.min(200, burst) && counts[200] <= most;
    verdict.expect("ten tokens of 20 a minute get just that", fits, JSON.stringify(counts));
    verdict.expect("the others are told", counts.other === 0, JSON.stringify(counts));
    verdict.figures(`${burst} calls at once, ten tokens of 20 a minute`, counts);
    await rig.checkAudit(verdict);
    verdict.expect("the daemon is up", rig.isAlive);
  } finally {
    await rig.dispose();
  }
});

/** @param {number} count @returns {[string, number][]} */
function keys(count) {
  return Array.from({ length: count }, (_, i) => [`k${i}`, i]);
}

/** @param {string} path */
function chatAt(path) {
  return json({ capability: "openai/chat-completions", request: { method: "POST", path } });
}
