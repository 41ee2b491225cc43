// @ts-check
// A wall clock that jumps: `node e2e/load/clock.mjs`. What has expired must not come back to life, and no
// rate be given again. Needs libfaketime; the monotonic clock is left alone, as a jump leaves it.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CannotRun, call, chat, Rig, script, until } from "./harness.mjs";

const LIBRARIES = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
  "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

await script("clock", async (verdict) => {
  const library = LIBRARIES.find((path) => existsSync(path));
  if (library === undefined) throw new CannotRun("there is no libfaketime here");
  const directory = mkdtempSync(join(tmpdir(), "aivault-clock-"));
  const offset = join(directory, "offset");
  const set = (/** @type {string} */ text) => writeFileSync(offset, `${text}\n`);
  set("+0");
  const daemon = {
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: offset,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    },
  };
  const rig = await Rig.make({ daemon });
  try {
    /** @param {string} token @param {string} [path] */
    const ask = async (token, path = "/aivault/whoami") => {
      const { headers, ...rest } = path.endsWith("proxy") ? chat() : { headers: {} };
      const authorization = `Bearer ${token}`;
      return (await call(rig.caller, path, { ...rest, headers: { ...headers, authorization } }))
        .status;
    };
    const invoke = (/** @type {string} */ token) => ask(token, "/aivault/proxy");

    const short = await rig.mint({ ttlMs: 2_000 });
    const rated = await rig.mint({ usesMax: 1_000, perMinute: 2, ttlMs: 3_600_000 });
    const free = await rig.mint({ perMinute: 2, ttlMs: 3_600_000 });
    verdict.expect("a token works", (await ask(short.token)) === 200);
    for (const { token } of [rated, free]) {
      verdict.expect("a rate lets two through", (await invoke(token)) === 200);
      verdict.expect("a rate lets two through", (await invoke(token)) === 200);
      verdict.expect("and not a third", (await invoke(token)) === 429);
    }
    const expired = await until(async () => (await ask(short.token)) === 401, 60_000);
    verdict.expect("a token expires", expired);

    for (const back of ["-1m", "-1h", "-2d", "-4000d"]) {
      set(back);
      const revived = (await ask(short.token)) !== 401;
      verdict.expect(`clock ${back}: an expired token stays expired`, !revived);
      for (const { token } of [rated, free]) {
        const status = await invoke(token);
        verdict.expect(
          `clock ${back}: a used-up rate is not given again`,
          status !== 200,
          `${status}`,
        );
      }
    }
    // What was made after now, as this clock says, is refused altogether until now has come.
    for (const back of ["-1h", "-2d"]) {
      set(back);
      await rig.stop("SIGKILL");
      await rig.start(daemon);
      const revived = (await ask(short.token)) !== 401;
      verdict.expect(`restart at ${back}: an expired token stays expired`, !revived);
      const status = await invoke(rated.token);
      verdict.expect(
        `restart at ${back}: a used-up rate is not given again`,
        status !== 200,
        `${status}`,
      );
    }
    set("+400d");
    verdict.expect("clock +400d: tokens expire", (await ask(rated.token)) === 401);
    const late = await rig.mint({ ttlMs: 60_000 });
    verdict.expect("clock +400d: a new one works", (await ask(late.token)) === 200);
    for (const far of ["+12y", "+13y", "+75y"]) {
      set(far);
      const fresh = await rig.mint({ ttlMs: 60_000 });
      verdict.expect(`clock ${far}: works`, (await ask(fresh.token)) === 200);
    }
    set("+0");
    const now = await rig.mint({ ttlMs: 60_000 });
    verdict.expect("and back: works", (await invoke(now.token)) === 200);
    await rig.checkAudit(verdict);
    verdict.expect("the daemon is up", rig.isAlive);
    verdict.figures("jumps", { back: 6, forward: 4, "wrong accepts": verdict.bad.length });
  } finally {
    await rig.dispose();
    rmSync(directory, { recursive: true, force: true });
  }
});
