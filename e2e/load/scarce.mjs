// @ts-check
// Too little of something: descriptors, memory, time for one request. `node e2e/load/scarce.mjs [--burst 2000]`.
// New work may be refused; what is refused is told so, and afterwards all is as before.
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { call, chat, json, limitMemory, Rig, residentMiB, script, until } from "./harness.mjs";

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

    await littleMemory(rig, verdict, burst);

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

/**
 * As in a container: what is over the limit is killed by the kernel, without a word.
 * @param {Rig} rig @param {import("./harness.mjs").Verdict} verdict @param {number} burst
 */
async function littleMemory(rig, verdict, burst) {
  const MIB = 256;
  const group = limitMemory(MIB);
  if (group === null) {
    process.stderr.write(`SKIPPED: ${MIB} MiB in all: no control group for us here\n`);
    return;
  }
  await rig.stop();
  await rig.start({ group: group.directory });
  try {
    const counts = { served: 0, refused: 0, lost: 0 };
    const count = (/** @type {number} */ status) => {
      if (status === 200) counts.served += 1;
      else counts.refused += 1;
    };
    const lost = () => {
      counts.lost += 1;
    };
    // Some read nothing of an answer of 100 MB while the others work.
    const slow = Array.from({ length: 20 }, () => readNothing(rig));
    for (let i = 0; i < burst; i += 50) {
      const wave = Array.from({ length: 50 }, () =>
        call(rig.caller, "/aivault/proxy", chat({ pad: "x".repeat(500_000) })).then(
          ({ status }) => count(status),
          lost,
        ),
      );
      await Promise.all(wave);
    }
    for (const client of slow) client.destroy();
    verdict.expect(
      `${MIB} MiB in all: nothing is lost`,
      counts.lost === 0 && rig.isAlive,
      JSON.stringify(counts),
    );
    const { status } = await call(rig.caller, "/aivault/proxy", chat());
    verdict.expect(`${MIB} MiB in all: calls are served`, status === 200, `${status}`);
    await rig.checkAudit(verdict);
    verdict.figures(`${MIB} MiB in all, 500 kB bodies, 50 at a time, 20 slow readers`, {
      ...counts,
      "MiB at most": group.peak(),
    });
  } finally {
    await rig.stop();
    group.remove();
    await rig.start();
  }
}

/** Asks for much and takes nothing. @param {Rig} rig */
function readNothing(rig) {
  const { headers, body } = chat({ x_stand_in: "big:100000000" });
  const client = httpRequest({
    ...rig.caller,
    method: "POST",
    path: "/aivault/proxy",
    headers: { host: "aivault", ...headers },
    agent: false,
  });
  client.on("error", () => undefined).on("response", (response) => response.pause());
  return client.end(body);
}

/** @param {number} count @returns {[string, number][]} */
function keys(count) {
  return Array.from({ length: count }, (_, i) => [`k${i}`, i]);
}

/** @param {string} path */
function chatAt(path) {
  return json({ capability: "openai/chat-completions", request: { method: "POST", path } });
}
