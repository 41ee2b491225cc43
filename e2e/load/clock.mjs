// @ts-check
// A wall clock that jumps: `node e2e/load/clock.mjs [--jumps 8]`. For each jump, while running and (back) across a
// kill: what has expired does not live again, no signed request is accepted twice, no rate is given again, no
// OAuth token is used beyond its end, and the audit log stays in order. Needs libfaketime; the monotonic clock
// is left alone, as a jump leaves it.
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  API_HOST,
  CLIENT_ID,
  startAuthorizationServer,
  TOKEN_HOST,
} from "../oauth/authorization-server.mjs";
import { CannotRun, call, chat, Rig, script, until } from "./harness.mjs";

const LIBRARIES = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
  "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];
const DAY_MS = 86_400_000;
/** Offsets of libfaketime, the most telling first. */
const JUMPS = [
  "-2d",
  "+400d",
  "-1m",
  // The second day of 1970.
  `-${Math.floor(Date.now() / DAY_MS) - 1}d`,
  "-1h",
  // Beyond 2038, and beyond 2100.
  "+13y",
  "-4000d",
  "+75y",
];
const OAUTH_LIFE_MS = 3_000;

/** The wall clock of whoever runs with its environment. */
class Clock {
  directory = mkdtempSync(join(tmpdir(), "aivault-clock-"));
  #file = join(this.directory, "offset");
  #offset = "+0";

  /** @param {string} library */
  constructor(library) {
    this.env = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
    this.set(this.#offset);
  }

  /** @param {string} offset */
  set(offset) {
    this.#offset = offset;
    writeFileSync(this.#file, `${offset}\n`);
  }

  /** What it shows, in seconds. */
  nowS() {
    const [, sign, number, unit = "s"] = /^([+-])(\d+)([mhdy]?)$/.exec(this.#offset) ?? [];
    const seconds = { "": 1, s: 1, m: 60, h: 3_600, d: 86_400, y: 31_536_000 };
    const offset = Number(number) * (seconds[/** @type {"s"} */ (unit)] ?? 1);
    return Math.floor(Date.now() / 1000) + (sign === "-" ? -offset : offset);
  }

  remove() {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

await script("clock", async (verdict, flag) => {
  const jumps = JUMPS.slice(0, flag("jumps", JUMPS.length));
  const library = LIBRARIES.find((path) => existsSync(path));
  if (library === undefined) throw new CannotRun("there is no libfaketime here");
  const cases = { token: 0, signed: 0, rate: 0, oauth: 0, audit: 0 };
  let restarts = 0;
  const startedMs = performance.now();
  for (const jump of jumps) {
    const clock = new Clock(library);
    const oauth = await startAuthorizationServer({
      lifeMs: OAUTH_LIFE_MS,
      secret: "clock-secret",
      random: Math.random,
    });
    const rig = await Rig.make({ daemon: { env: clock.env } });
    try {
      await rig.stop();
      const daemon = { env: { ...clock.env, ...withOAuth(rig, clock.directory, oauth) } };
      await rig.start(daemon);
      const back = jump.startsWith("-");
      const before = await prepare(rig, verdict, oauth);
      clock.set(jump);

      /** @param {string} where */
      const look = async (where) => {
        const at = `clock ${jump}${where}`;
        const { expired, lasting, bound, seen, rated } = before;
        verdict.expect(`${at}: what has expired stays so`, (await ask(rig, expired)) === 401);
        if (!back) {
          verdict.expect(`${at}: tokens expire`, (await ask(rig, lasting)) === 401);
        }
        cases.token += 1;

        const again = await call(rig.caller, "/aivault/proxy", seen);
        verdict.expect(`${at}: nothing signed is accepted twice`, again.status !== 200, again.text);
        const ahead = await call(rig.caller, "/aivault/proxy", signed(bound, clock.nowS() + 120));
        verdict.expect(`${at}: nothing signed ahead is`, ahead.status !== 200, ahead.text);
        cases.signed += 1;

        const third = await invoke(rig, rated);
        verdict.expect(`${at}: a used-up rate is not given again`, third !== 200, `${third}`);
        cases.rate += 1;
      };
      await look("");

      const { generations, api } = oauth;
      const [made, refused] = [generations.length, api.refused];
      if (back) {
        // Until the provider itself takes it no more.
        const { madeAtMs = 0 } = generations.at(-1) ?? {};
        await until(() => performance.now() > madeAtMs + OAUTH_LIFE_MS + 1_500, 30_000);
      }
      const { status, text } = await call(rig.caller, "/v/spotify/v1/me");
      // The certificates here end in 2049.
      if (clock.nowS() < Date.UTC(2049) / 1000) {
        verdict.expect(`clock ${jump}: an OAuth token is renewed`, generations.length > made);
        verdict.expect(`clock ${jump}: and the caller served`, status === 200, text);
      }
      if (!back) {
        verdict.expect(`clock ${jump}: before it is refused`, api.refused === refused);
      }
      cases.oauth += 1;

      const fresh = await rig.mint({ ttlMs: 60_000 });
      verdict.expect(`clock ${jump}: a new token works`, (await ask(rig, fresh.token)) === 200);
      if (back) {
        // What was made after now, as this clock says, is refused altogether until now has come.
        await rig.stop("SIGKILL");
        await rig.start(daemon);
        restarts += 1;
        await look(", killed");
      }

      const events = await rig.checkAudit(verdict);
      const entries = await entriesOf(rig);
      const inOrder = entries.every(({ seq }, i) => i === 0 || seq === entries[i - 1]?.["seq"] + 1);
      verdict.expect(`clock ${jump}: the audit log is in order`, inOrder);
      const marked = entries.some(({ clockBack }) => clockBack === true);
      verdict.expect(`clock ${jump}: a jump back is on record, and no other`, marked === back);
      const lasted = events.every(({ durationMs = 0 }) => durationMs >= 0);
      verdict.expect(`clock ${jump}: nothing took less than no time`, lasted);
      cases.audit += 1;
      verdict.expect(`clock ${jump}: the daemon is up`, rig.isAlive);
    } finally {
      await rig.dispose();
      await oauth.close();
      clock.remove();
    }
  }
  const sum = Object.values(cases).reduce((all, some) => all + some, 0);
  verdict.figures(`${jumps.length} jumps, ${restarts} of them also across a kill`, {
    cases: sum,
    ...cases,
    wrong: verdict.bad.length,
    ms: Math.round(performance.now() - startedMs),
  });
});

/**
 * The development vault's table and authorities, with the authorization server's.
 * @param {Rig} rig @param {string} directory @param {{ port: number, caPem: string }} oauth
 */
function withOAuth(rig, directory, { port, caPem }) {
  const { AIVAULT_DEV_RESOLVE, AIVAULT_DEV_CA_CERT_PATH = "" } = rig.standIn.daemonEnvironment;
  const file = join(directory, "authorities.pem");
  writeFileSync(file, `${readFileSync(AIVAULT_DEV_CA_CERT_PATH, "utf8")}\n${caPem}`);
  const hosts = [TOKEN_HOST, API_HOST].map((host) => `${host}=127.0.0.1:${port}`);
  return {
    AIVAULT_DEV_RESOLVE: [AIVAULT_DEV_RESOLVE, ...hosts].join(","),
    AIVAULT_DEV_CA_CERT_PATH: file,
  };
}

/**
 * Everything that a jump might bring back.
 * @param {Rig} rig @param {import("./harness.mjs").Verdict} verdict
 * @param {Awaited<ReturnType<typeof startAuthorizationServer>>} oauth
 */
async function prepare(rig, verdict, oauth) {
  const { refreshToken } = oauth.login();
  const document = { clientId: CLIENT_ID, clientSecret: "clock-secret", refreshToken };
  await rig.storeSecret("SPOTIFY_OAUTH", JSON.stringify(document));
  const me = await call(rig.caller, "/v/spotify/v1/me");
  verdict.expect("an OAuth token is had", me.status === 200, me.text);

  const { token: expired } = await rig.mint({ ttlMs: 2_000 });
  const { token: lasting } = await rig.mint({ ttlMs: 3_600_000 });
  verdict.expect("a token works", (await ask(rig, lasting)) === 200);

  const holder = generateKeyPairSync("ed25519");
  const publicKey = holder.publicKey.export({ format: "jwk" }).x;
  const grant = await rig.mint({ publicKey, ttlMs: 3_600_000 });
  const bound = { ...grant, key: holder.privateKey };
  const seen = signed(bound, Math.floor(Date.now() / 1000));
  const first = await call(rig.caller, "/aivault/proxy", seen);
  verdict.expect("a signed request is accepted", first.status === 200, first.text);

  const { token: rated } = await rig.mint({ usesMax: 1_000, perMinute: 2, ttlMs: 3_600_000 });
  for (const expected of [200, 200, 429]) {
    const status = await invoke(rig, rated);
    verdict.expect("a rate lets two through, and not a third", status === expected, `${status}`);
  }
  const gone = await until(async () => (await ask(rig, expired)) === 401, 60_000);
  verdict.expect("a token expires", gone);
  return { expired, lasting, bound, seen, rated };
}

/** @param {Rig} rig @param {string} token */
async function ask(rig, token) {
  const headers = { authorization: `Bearer ${token}` };
  return (await call(rig.caller, "/aivault/whoami", { headers })).status;
}

/** @param {Rig} rig @param {string} token */
async function invoke(rig, token) {
  const { headers, ...rest } = chat();
  const authorization = `Bearer ${token}`;
  return (
    await call(rig.caller, "/aivault/proxy", { ...rest, headers: { ...headers, authorization } })
  ).status;
}

/**
 * An invocation, signed as RFC 9421 says.
 * @param {{ token: string, tokenId: string, key: import("node:crypto").KeyObject }} bound
 * @param {number} created
 * @returns {import("./harness.mjs").Options}
 */
function signed({ token, tokenId, key }, created) {
  const { headers, body = "" } = chat();
  const digest = `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
  /** @type {readonly (readonly [string, string])[]} */
  const components = [
    ["@method", "POST"],
    ["@authority", "aivault"],
    ["@path", "/aivault/proxy"],
    ["@query", "?"],
    ["content-digest", digest],
  ];
  const names = components.map(([name]) => `"${name}"`).join(" ");
  const nonce = randomBytes(16).toString("hex");
  const input = `(${names});created=${created};nonce="${nonce}";keyid="${tokenId}";alg="ed25519"`;
  const base = [
    ...components.map(([name, value]) => `"${name}": ${value}`),
    `"@signature-params": ${input}`,
  ].join("\n");
  return {
    method: "POST",
    headers: {
      ...headers,
      authorization: `Bearer ${token}`,
      "content-digest": digest,
      "signature-input": `sig=${input}`,
      signature: `sig=:${sign(null, Buffer.from(base), key).toString("base64")}:`,
    },
    body,
  };
}

/** Of the audit log, oldest first. @param {Rig} rig @returns {Promise<Record<string, any>[]>} */
async function entriesOf(rig) {
  const { items } = await rig.operate("/aivault/audit?limit=1000");
  return items.reverse();
}
