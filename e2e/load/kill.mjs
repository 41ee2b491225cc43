// @ts-check
// SIGKILL at random moments, under load, for a while: `node e2e/load/kill.mjs [--seconds 120] [--seed 1]`. What
// was acknowledged is there afterwards, limits were not exceeded, the audit log verifies.
import { setTimeout as wait } from "node:timers/promises";
import { seeded } from "../support/seeded.mjs";
import { call, chat, json, Rig, script, until } from "./harness.mjs";

const USES_MAX = 60;
const WORKERS = 8;

await script("kill", async (verdict, flag) => {
  const seconds = flag("seconds", 120);
  const random = seeded(flag("seed", Date.now() % 100_000));
  const rig = await Rig.make();
  try {
    /** @type {Map<string, "there" | "gone" | "either">} What was acknowledged; or, what was only begun. */
    const bindings = new Map();
    /** @type {Map<string, "there" | "gone" | "either">} The same of tokens. */
    const tokens = new Map();
    /** @type {Set<string>} Invocations whose answers came to their end. */
    const invoked = new Set();
    const counted = await rig.mint({ usesMax: USES_MAX, ttlMs: 3_600_000 });
    const rated = await rig.mint({ usesMax: 1_000_000, perMinute: 30, ttlMs: 3_600_000 });
    /** @type {Record<string, number[]>} When a limited token was let through. */
    const allowed = { counted: [], rated: [] };
    const counts = { kills: 0, acknowledged: 0, lost: 0, streams: 0 };
    let running = true;
    let next = 0;

    /** One operation; whatever comes of a killed daemon is an error, and no acknowledgement. */
    async function operation() {
      const choice = random();
      const number = next++;
      if (choice < 0.2) {
        const id = `b-${number}`;
        const made = await call(
          rig.operator,
          "/aivault/bindings",
          json({ id, capability: "openai/*", credential: "openai", consumer: `c-${number}` }),
        );
        if (made.status !== 201) throw new Error(made.text);
        bindings.set(id, "there");
        if (random() < 0.3) {
          const path = `/aivault/bindings/${id}`;
          bindings.set(id, "either");
          const deleted = await call(rig.operator, path, { method: "DELETE" });
          if (deleted.status === 200) bindings.set(id, "gone");
        }
      } else if (choice < 0.4) {
        const minted = await call(
          rig.operator,
          "/aivault/tokens",
          json({ capabilities: ["openai/*"], ttlMs: 3_600_000 }),
        );
        if (minted.status !== 201) throw new Error(minted.text);
        const { token, tokenId } = JSON.parse(minted.text);
        tokens.set(token, "there");
        if (random() < 0.5) {
          const path = `/aivault/tokens/${tokenId}`;
          tokens.set(token, "either");
          const revoked = await call(rig.operator, path, { method: "DELETE" });
          if (revoked.status === 200) tokens.set(token, "gone");
        }
      } else if (choice < 0.5) {
        await limited("counted", counted.token);
      } else if (choice < 0.6) {
        await limited("rated", rated.token);
      } else {
        const stream = choice > 0.85;
        if (stream) counts.streams += 1;
        const answer = await call(
          rig.caller,
          "/aivault/proxy",
          chat(stream ? { stream: true } : {}),
        );
        if (answer.status !== 200) throw new Error(answer.text);
        invoked.add(String(answer.headers["aivault-request-id"]));
      }
      counts.acknowledged += 1;
    }

    /** @param {"counted" | "rated"} name @param {string} token */
    async function limited(name, token) {
      const { headers, ...rest } = chat();
      const answer = await call(rig.caller, "/aivault/proxy", {
        ...rest,
        headers: { ...headers, authorization: `Bearer ${token}` },
      });
      if (answer.status === 200) allowed[name]?.push(Date.now());
      else if (answer.status !== 401 && answer.status !== 429) throw new Error(answer.text);
    }

    const workers = Array.from({ length: WORKERS }, async () => {
      while (running) {
        await operation().catch(async () => {
          counts.lost += 1;
          await wait(20);
        });
      }
    });
    /** @type {number[]} */
    const restarts = [];
    const endMs = performance.now() + seconds * 1000;
    while (performance.now() < endMs) {
      // At any moment, but not before there was something to lose.
      const acknowledged = counts.acknowledged;
      await until(() => counts.acknowledged > acknowledged, 30_000);
      await wait(random() * 3_000);
      await rig.stop("SIGKILL");
      counts.kills += 1;
      const startedMs = performance.now();
      await rig.start();
      restarts.push(performance.now() - startedMs);
    }
    running = false;
    await Promise.all(workers);
    await rig.stop("SIGKILL");
    await rig.start();

    const listed = await rig.operate("/aivault/bindings");
    const present = new Set(listed.items.map((/** @type {{ id: string }} */ { id }) => id));
    const wrong = [...bindings].filter(([id, state]) => {
      return state !== "either" && present.has(id) !== (state === "there");
    });
    verdict.expect("acknowledged bindings and deletions hold", wrong.length === 0, wrong.join());

    let tokensWrong = 0;
    for (const [token, state] of tokens) {
      const headers = { authorization: `Bearer ${token}` };
      const { status } = await call(rig.caller, "/aivault/whoami", { headers });
      if (state !== "either" && (status === 200) !== (state === "there")) tokensWrong += 1;
    }
    verdict.expect("acknowledged tokens and revocations hold", tokensWrong === 0, `${tokensWrong}`);

    const events = await rig.checkAudit(verdict);
    const recorded = new Set(
      events
        .filter(({ kind }) => kind === "invocation.completed")
        .map((event) => event["requestId"]),
    );
    const missing = [...invoked].filter((id) => !recorded.has(id));
    verdict.expect("acknowledged invocations are on record", missing.length === 0, missing.join());
    const minted = events.filter(({ kind }) => kind === "token.minted").length;
    verdict.expect("each token is on record", minted >= tokens.size, `${minted}/${tokens.size}`);

    const uses = allowed["counted"]?.length ?? 0;
    verdict.expect(`a token of ${USES_MAX} uses has no more`, uses <= USES_MAX, `${uses}`);
    const perMinute = mostWithin(allowed["rated"] ?? [], 60_000);
    verdict.expect("30 a minute are no more", perMinute <= 30, `${perMinute}`);
    verdict.figures(`${seconds} s of ${WORKERS} clients`, {
      ...counts,
      bindings: bindings.size,
      tokens: tokens.size,
      invocations: invoked.size,
      "uses of 60": uses,
      "most a minute of 30": perMinute,
      "longest restart ms": Math.round(Math.max(...restarts)),
      "audit entries": events.length,
    });
  } finally {
    await rig.dispose();
  }
});

/** The most of `times` within any `ms`. @param {readonly number[]} times @param {number} ms */
function mostWithin(times, ms) {
  return Math.max(
    0,
    ...times.map((from) => times.filter((t) => t >= from && t < from + ms).length),
  );
}
