// @ts-check
// Secrets and the master key rotated, tokens revoked, the vault locked, all under load: `node e2e/load/change.mjs
// [--rounds 200] [--clients 16]`. What was acknowledged holds from then on for every request that comes to the
// provider, and nothing fails that was not told to.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { createCertificateAuthority } from "../support/certificate-authority.mjs";
import { call, percentile, Rig, script } from "./harness.mjs";

const HOST = "api.openai.com";
const COMPLETIONS = "/v/openai/v1/chat/completions";
const PAUSE_MS = 50;
/** In every so many rounds the master key is changed; the vault locked and unlocked. */
const MASTER_EVERY = 4;
const LOCK_EVERY = 5;

const secretNumber = (/** @type {number} */ number) =>
  `sk-proj-change${String(number).padStart(8, "0")}abcdefghijklmnopqrstuvwxyz`;

await script("change", async (verdict, flag) => {
  const rounds = flag("rounds", 200);
  const clients = flag("clients", 16);
  const directory = mkdtempSync(join(tmpdir(), "aivault-change-"));
  const authority = createCertificateAuthority();
  const { certificatePem: cert, keyPem: key } = authority.issue({ hosts: [HOST] });
  /** By the number that a request brings: with which value of the secret it came, and when. @type {Map<string, { value: number, atMs: number }>} */
  const arrived = new Map();
  const server = createServer({ cert, key }, (request, response) => {
    const atMs = performance.now();
    const [, value] = /change(\d+)/.exec(request.headers.authorization ?? "") ?? [];
    arrived.set(String(request.headers["x-number"]), { value: Number(value ?? -1), atMs });
    request.resume().on("end", () => response.end("{}"));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const ca = join(directory, "ca.pem");
  writeFileSync(ca, authority.certificatePem);
  const env = { AIVAULT_DEV_RESOLVE: `${HOST}=127.0.0.1:${port}`, AIVAULT_DEV_CA_CERT_PATH: ca };
  const rig = await Rig.make({ daemon: { env } });
  const counts = { served: 0, rotations: 0, "master keys": 0, revocations: 0, locks: 0 };
  try {
    let begun = 0;
    let acknowledged = 0;
    /** Of the value that requests may bring from then on. */
    const rotate = async () => {
      begun += 1;
      await rig.operate("/aivault/secrets/OPENAI_API_KEY/value", {
        method: "PUT",
        headers: { "content-type": "application/octet-stream" },
        body: secretNumber(begun),
      });
      acknowledged = begun;
      counts.rotations += 1;
    };
    await rotate();

    let numbers = 0;
    let stopped = false;
    let lockedOnPurpose = false;
    /** When nothing may come to the provider. @type {[fromMs: number, toMs: number][]} */
    const quiet = [];
    /** @type {number[]} */
    const times = [];
    /** @type {Set<string>} */
    const failures = new Set();
    let old = 0;
    let late = 0;
    let grant = await rig.mint({ ttlMs: 3_600_000 });
    /** Tokens, and when their revocation was acknowledged. @type {Map<string, number>} */
    const revoked = new Map();

    async function client() {
      while (!stopped) {
        const number = String(numbers++);
        const { token, tokenId } = grant;
        const least = acknowledged;
        const mayFail = lockedOnPurpose;
        const beganMs = performance.now();
        /** @type {{ status: number, text: string }} */
        const answer = await call(rig.caller, COMPLETIONS, {
          method: "POST",
          headers: {
            authorization: `Bearer ${token}`,
            "content-type": "application/json",
            "x-number": number,
          },
          body: "{}",
        }).catch((error) => ({ status: 0, text: String(error) }));
        const seen = arrived.get(number);
        arrived.delete(number);
        if (seen !== undefined) {
          if (seen.value < least) old += 1;
          const revokedMs = revoked.get(tokenId);
          if (revokedMs !== undefined && seen.atMs > revokedMs) late += 1;
          if (quiet.some(([fromMs, toMs]) => seen.atMs > fromMs && seen.atMs < toMs)) late += 1;
        }
        if (answer.status === 200) {
          counts.served += 1;
          times.push(performance.now() - beganMs);
          continue;
        }
        const isMeant = tokenId !== grant.tokenId || mayFail || lockedOnPurpose;
        if (!isMeant) failures.add(`${answer.status} ${answer.text.slice(0, 150)}`);
        await wait(10);
      }
    }

    async function change() {
      for (let round = 1; round <= rounds; round++) {
        await wait(PAUSE_MS);
        await rotate();
        if (round % MASTER_EVERY === 0) {
          await confirmed(rig, "/aivault/rotate-master", {
            method: "POST",
            headers: { "content-type": "multipart/form-data; boundary=b0" },
            body:
              '--b0\r\ncontent-disposition: form-data; name="options"\r\n' +
              "content-type: application/json\r\n\r\n{}\r\n--b0--\r\n",
          });
          counts["master keys"] += 1;
        }
        // Another token first, so that clients go on; then the one before is revoked under them.
        const before = grant;
        grant = await rig.mint({ ttlMs: 3_600_000 });
        await rig.operate(`/aivault/tokens/${before.tokenId}`, { method: "DELETE" });
        revoked.set(before.tokenId, performance.now());
        counts.revocations += 1;
        if (round % LOCK_EVERY === 0) {
          lockedOnPurpose = true;
          await rig.operate("/aivault/lock", { method: "POST" });
          const fromMs = performance.now();
          await wait(PAUSE_MS * 2);
          quiet.push([fromMs, performance.now()]);
          await rig.operate("/aivault/unlock", { method: "POST" });
          counts.locks += 1;
          lockedOnPurpose = false;
        }
      }
    }

    const startedMs = performance.now();
    const all = Promise.all(Array.from({ length: clients }, client));
    try {
      await change();
    } finally {
      stopped = true;
      await all;
    }
    const ms = performance.now() - startedMs;

    verdict.expect("no value comes once its successor is acknowledged", old === 0, `${old}`);
    verdict.expect("nothing comes after a revocation or a lock", late === 0, `${late}`);
    verdict.expect(
      "nothing fails that was not told to",
      failures.size === 0,
      [...failures].slice(0, 5).join("; "),
    );
    verdict.expect("there was work", counts.served > 0 && counts.rotations > 1);
    await rig.checkAudit(verdict);
    verdict.expect("the daemon is up", rig.isAlive);
    await rig.stop("SIGKILL");
    await rig.start({ env });
    const { status } = await call(rig.caller, "/v/openai/v1/models");
    verdict.expect("the vault opens with its last key", status === 200, `${status}`);
    verdict.figures(`${clients} clients, ${rounds} rounds`, {
      ...counts,
      "requests a second": Math.round((counts.served * 1000) / ms),
      "p50 ms": percentile(times, 0.5),
      "p99 ms": percentile(times, 0.99),
      "old values": old,
      "too late": late,
    });
  } finally {
    await rig.dispose();
    server.closeAllConnections();
    server.close();
    rmSync(directory, { recursive: true, force: true });
  }
});

/** Does what asks to be confirmed. @param {Rig} rig @param {string} path @param {import("./harness.mjs").Options} options */
async function confirmed(rig, path, options) {
  const asked = await call(rig.operator, path, options);
  const { confirmation } = JSON.parse(asked.text);
  const headers = { ...options.headers, "aivault-confirm": confirmation.token };
  return await rig.operate(path, { ...options, headers });
}
