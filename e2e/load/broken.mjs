// @ts-check
// Ends that nobody wanted: clients that vanish in the middle of an answer or of their body, providers that
// reset, stop or lie about lengths: `node e2e/load/broken.mjs [--repeats 100]`.
import { request as httpRequest } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { call, chat, descriptorsOf, Rig, residentMiB, script, until } from "./harness.mjs";

await script("broken", async (verdict, flag) => {
  const repeats = flag("repeats", 100);
  const rig = await Rig.make();
  try {
    const before = { memory: residentMiB(rig.pid), descriptors: descriptorsOf(rig.pid) };

    // --- clients that vanish
    let vanished = 0;
    await inTurns(repeats, async () => {
      await vanish(rig, chat({ x_stand_in: "hang-mid-body" }), "in the answer");
      vanished += 1;
    });
    await inTurns(repeats, async () => {
      await vanish(rig, chat({ x_stand_in: "hang" }), "before the answer");
      vanished += 1;
    });
    await inTurns(repeats, async () => {
      const { body, ...rest } = chat();
      const part = String(body).slice(0, 20);
      const headers = { ...rest.headers, "content-length": String(String(body).length) };
      await vanish(rig, { ...rest, headers, body: part }, "in the body");
      vanished += 1;
    });
    const idle = await until(async () => {
      const { text } = await call(rig.operator, "/metrics");
      return /^aivault_invocations_running 0$/m.test(text);
    }, 20_000);
    verdict.expect("what vanished clients asked for is given up", idle);
    const aborted = await until(
      async () => (await rig.standIn.requests()).every(({ outcome }) => outcome !== "open"),
      20_000,
    );
    verdict.expect("also at the provider", aborted);
    verdict.figures("clients that vanish", { clients: vanished });

    // --- providers that break off
    await rig.standIn.clear();
    for (const misbehaviour of ["reset", "reset-mid-body"]) {
      const outcomes = { refused: 0, broken: 0, clean: 0 };
      await inTurns(repeats, async () => {
        try {
          const answer = await call(rig.caller, "/aivault/proxy", {
            ...chat({ x_stand_in: misbehaviour }),
            timeoutMs: 60_000,
          });
          if (answer.headers["aivault-error"] === undefined) outcomes.clean += 1;
          else outcomes.refused += 1;
        } catch {
          outcomes.broken += 1;
        }
      });
      verdict.expect(
        `${misbehaviour}: never looks complete`,
        outcomes.clean === 0,
        `${outcomes.clean} do`,
      );
      verdict.figures(`provider: ${misbehaviour}`, outcomes);
    }
    const posts = await rig.standIn.requests();
    verdict.expect(
      "no POST was repeated",
      posts.length === 2 * repeats,
      `${posts.length} for ${2 * repeats}`,
    );

    const served = await call(rig.caller, "/aivault/proxy", chat());
    verdict.expect("a good client is served after it all", served.status === 200, served.text);
    const closed = await until(() => descriptorsOf(rig.pid) <= before.descriptors + 20, 20_000);
    verdict.expect("descriptors come back", closed, `${descriptorsOf(rig.pid)} are open`);
    const events = await rig.checkAudit(verdict);
    const completed = events.filter(({ kind }) => kind === "invocation.completed").length;
    verdict.expect("each has its outcome on record", completed > 3 * repeats, `${completed}`);
    verdict.figures("memory", { "MiB before": before.memory, "MiB after": residentMiB(rig.pid) });
    verdict.expect("the daemon is up", rig.isAlive);
  } finally {
    await rig.dispose();
  }
});

/** A few at a time. @param {number} times @param {() => Promise<void>} work */
async function inTurns(times, work) {
  for (let done = 0; done < times; done += 10) {
    await Promise.all(Array.from({ length: Math.min(10, times - done) }, work));
  }
}

/**
 * Ask, and go away.
 * @param {Rig} rig @param {import("./harness.mjs").Options} options
 * @param {"in the body" | "before the answer" | "in the answer"} when
 */
function vanish(rig, { method, headers, body }, when) {
  return new Promise((resolve) => {
    const client = httpRequest({
      ...rig.caller,
      path: "/aivault/proxy",
      method,
      headers: { host: "aivault", ...headers },
      agent: false,
    });
    client.on("error", () => undefined);
    client.on("close", resolve);
    client.on("response", (response) => {
      response.on("error", () => undefined);
      response.once("data", () => client.destroy());
    });
    client.write(body ?? "");
    if (when !== "in the body") client.end();
    if (when !== "in the answer") void wait(200).then(() => client.destroy());
  });
}
