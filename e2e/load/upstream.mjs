// @ts-check
// Providers that fail in every way a network has: names, connections, TLS, heads, bodies and codings, each asked
// for again and again: `node e2e/load/upstream.mjs [--repeats 100] [--only expired]`. Nothing that is cut short
// looks whole, each request has one outcome on record, no key is told to an impostor, and all is given back.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TLSSocket } from "node:tls";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { createCertificateAuthority } from "../support/certificate-authority.mjs";
import { call, chat, descriptorsOf, KEY, Rig, residentMiB, script, until } from "./harness.mjs";

const HOST = "api.openai.com";
/** Enough for an answer, too little for a hang. */
const DEADLINE_MS = 1_500;
/** A request at a time may be answered so: whole, refused with a code, or visibly broken off. */
const WHOLE = "whole";
const BROKEN = "broken";

/**
 * @typedef {import("node:net").Socket} Socket
 * @typedef {(socket: Socket) => void} Serve - What comes after the handshake.
 * @typedef {object} Mode
 * @property {Serve} [connected] - Instead of a handshake.
 * @property {import("node:tls").TLSSocketOptions} [tls]
 * @property {Serve} [serve] - With the request read; default: a good answer.
 * @property {readonly string[]} expected - {@link WHOLE}, {@link BROKEN} or a code.
 * @property {string} [names] - What the refusal says of the reason.
 * @property {boolean} [impostor] - No request may ever reach it.
 * @property {boolean} [unfinished] - The handshake goes on, for another request, when nobody waits any more.
 */

const head = (/** @type {readonly string[]} */ ...lines) =>
  `HTTP/1.1 200 OK\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;
const GOOD = `${head("content-type: application/json", "content-length: 2", "connection: close")}{}`;

/** Writes, and ends as TCP ends. @param {string | Buffer} octets @returns {Serve} */
const say = (octets) => (socket) => socket.end(octets);
/** Writes, and resets. @param {string} octets @returns {Serve} */
const sayAndReset = (octets) => (socket) =>
  socket.write(octets, () => setTimeout(() => socket.destroy(), 20));
/** Writes something now and then until it is gone. @param {string} first @param {string | Buffer} next @param {number} everyMs @returns {Serve} */
const drip = (first, next, everyMs) => (socket) => {
  socket.write(first);
  const timer = setInterval(() => socket.write(next), everyMs);
  socket.on("close", () => clearInterval(timer));
};
/** As fast as it is taken, without end. @param {string} first @param {Buffer} block @returns {Serve} */
const pour = (first, block) => (socket) => {
  const more = () => {
    while (socket.writable && socket.write(block));
  };
  socket.on("drain", more);
  socket.write(first);
  more();
};
/** @param {string} coding @param {Buffer} body @returns {Serve} */
const coded = (coding, body) =>
  say(
    Buffer.concat([
      Buffer.from(head(`content-encoding: ${coding}`, `content-length: ${body.length}`)),
      body,
    ]),
  );

/** @returns {Readonly<Record<string, Mode>>} */
function modesOf(/** @type {Certificates} */ certificates) {
  const refused = ["upstream_unreachable"];
  const failed = ["upstream_failed", BROKEN];
  const late = ["upstream_timeout", BROKEN];
  /** @param {import("node:tls").TLSSocketOptions} tls @param {string} names @returns {Mode} */
  const impostor = (tls, names) => ({ tls, expected: refused, impostor: true, names });
  const bomb = gzipSync(Buffer.alloc(64 * 1_048_576));
  return {
    good: { expected: [WHOLE] },

    // --- connections
    "accepts, then silence": { connected: () => {}, expected: late, unfinished: true },
    "resets at once": { connected: (socket) => socket.resetAndDestroy(), expected: refused },
    "ends at once": { connected: (socket) => socket.end(), expected: refused },

    // --- TLS
    "TLS: expired": impostor(certificates.expired, "CERT_HAS_EXPIRED"),
    "TLS: another name": impostor(certificates.anotherName, "ERR_TLS_CERT_ALTNAME_INVALID"),
    "TLS: unknown authority": impostor(certificates.unknown, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
    "TLS: self-signed": impostor(certificates.selfSigned, "DEPTH_ZERO_SELF_SIGNED_CERT"),
    "TLS: 1.1 at most": impostor(
      {
        ...certificates.good,
        minVersion: "TLSv1",
        maxVersion: "TLSv1.1",
        ciphers: "DEFAULT@SECLEVEL=0",
      },
      "ERR_SSL_",
    ),
    "TLS: wants a certificate of ours": {
      tls: {
        ...certificates.good,
        requestCert: true,
        rejectUnauthorized: true,
        ca: certificates.good.cert,
      },
      serve: (socket) => socket.destroy(),
      expected: [...refused, ...failed],
    },
    "TLS: plain HTTP instead": { connected: say(GOOD), expected: refused, impostor: true },
    "TLS: cut in the handshake": {
      connected: (socket) => socket.once("data", () => socket.resetAndDestroy()),
      expected: refused,
      impostor: true,
    },
    "TLS: half a hello, then the end": {
      connected: (socket) =>
        socket.once("data", () => socket.end(Buffer.from("160303007a020000", "hex"))),
      expected: refused,
      impostor: true,
    },
    "TLS: half a hello, then silence": {
      connected: (socket) =>
        socket.once("data", () => socket.write(Buffer.from("160303007a020000", "hex"))),
      expected: late,
      impostor: true,
      unfinished: true,
    },

    // --- heads
    "silence after the request": { serve: () => {}, expected: late },
    "ends after the request": { serve: (socket) => socket.end(), expected: failed },
    "a head, an octet at a time": {
      serve: drip("HTTP/1.1 200 OK\r\nx-slow: ", "a", 30),
      expected: late,
    },
    "100 without end": {
      serve: drip("", "HTTP/1.1 100 Continue\r\n\r\n".repeat(50), 5),
      expected: [...late, ...failed],
    },
    "103 without end": {
      serve: drip("", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(50), 5),
      expected: [...late, ...failed],
    },
    "10,000 headers": {
      serve: say(`${head(...Array.from({ length: 10_000 }, (_, i) => `x-${i}: y`))}`),
      expected: failed,
    },
    "a line of 1 MB": { serve: say(head(`x-long: ${"y".repeat(1_000_000)}`)), expected: failed },
    "a location of 70 kB": {
      serve: say(
        `HTTP/1.1 302 Found\r\nlocation: https://${HOST}/${"y".repeat(70_000)}\r\ncontent-length: 0\r\n\r\n`,
      ),
      expected: failed,
    },
    "no HTTP at all": { serve: say("SSH-2.0-OpenSSH_9.2\r\n"), expected: failed },
    "two lengths": {
      serve: say(`${head("content-length: 2", "content-length: 3")}{} `),
      expected: failed,
    },

    // --- bodies
    "length, cut short": { serve: say(`${head("content-length: 1000")}part`), expected: failed },
    "length, reset": {
      serve: sayAndReset(`${head("content-length: 1000")}part`),
      expected: failed,
    },
    "chunked, cut in a chunk": {
      serve: say(`${head("transfer-encoding: chunked")}a\r\nhal`),
      expected: failed,
    },
    "chunked, cut before the last": {
      serve: say(`${head("transfer-encoding: chunked")}4\r\nhalf\r\n`),
      expected: failed,
    },
    "chunked, no number": {
      serve: say(`${head("transfer-encoding: chunked")}zz\r\nhalf\r\n`),
      expected: failed,
    },
    // Where neither a length nor chunks are said, the end of TLS is the end; a cut cannot be told from it.
    "neither length nor chunks": {
      serve: say(`${head("content-type: text/plain")}part`),
      expected: [WHOLE],
    },
    "an octet each 30 ms": { serve: drip(head("content-length: 100000"), "a", 30), expected: late },
    "events without end": {
      serve: drip(head("content-type: text/event-stream"), "data: {}\n\n", 10),
      expected: late,
    },
    "a body without end": {
      serve: pour(head("content-type: application/octet-stream"), Buffer.alloc(65_536, "a")),
      expected: [...late, "response_too_large"],
    },

    // --- codings
    "gzip that is none": { serve: coded("gzip", Buffer.from("not at all gzip")), expected: failed },
    "gzip, cut short": {
      serve: coded("gzip", gzipSync(Buffer.alloc(10_000)).subarray(0, 20)),
      expected: failed,
    },
    "64 MiB in 64 KiB of gzip": {
      serve: coded("gzip", bomb),
      expected: ["response_too_large", BROKEN],
    },
    "twelve codings": {
      serve: coded(Array(12).fill("gzip").join(", "), bomb),
      expected: failed,
    },
    "brotli that is cut": {
      serve: coded("br", brotliCompressSync(Buffer.alloc(1_000_000)).subarray(0, 8)),
      expected: failed,
    },
  };
}

/** @typedef {Record<"good" | "expired" | "anotherName" | "unknown" | "selfSigned", { cert: string, key: string }>} Certificates */

await script("upstream", async (verdict, flag) => {
  const repeats = flag("repeats", 100);
  const only = process.argv.includes("--only")
    ? process.argv[process.argv.indexOf("--only") + 1]
    : undefined;
  const directory = mkdtempSync(join(tmpdir(), "aivault-upstream-"));
  const authority = createCertificateAuthority();
  const issue = (
    /** @type {Parameters<typeof authority.issue>[0]} */ options,
    from = authority,
  ) => {
    const { certificatePem, keyPem } = from.issue(options);
    return { cert: certificatePem, key: keyPem };
  };
  const hosts = [HOST];
  const modes = modesOf({
    good: issue({ hosts }),
    expired: issue({ hosts, expired: true }),
    anotherName: issue({ hosts: ["api.openai.com.evil.example"] }),
    unknown: issue({ hosts }, createCertificateAuthority()),
    selfSigned: issue({ hosts, selfSigned: true }),
  });
  const good = issue({ hosts });
  let mode = /** @type {Mode} */ (modes["good"]);
  let requests = 0;
  /** @type {Set<Socket>} */
  const open = new Set();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket)).on("error", () => undefined);
    if (mode.connected !== undefined) {
      mode.connected(socket);
      socket.resume();
      return;
    }
    const { serve = say(GOOD) } = mode;
    const secure = new TLSSocket(socket, { isServer: true, ...good, ...mode.tls });
    secure.on("error", () => socket.destroy());
    let text = "";
    secure.on("data", (chunk) => {
      const had = text.includes("\r\n\r\n");
      text += chunk.toString("latin1");
      if (had || !text.includes("\r\n\r\n")) return;
      requests += 1;
      serve(secure);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const ca = join(directory, "ca.pem");
  writeFileSync(ca, authority.certificatePem);
  const env = { AIVAULT_DEV_RESOLVE: `${HOST}=127.0.0.1:${port}`, AIVAULT_DEV_CA_CERT_PATH: ca };
  const rig = await Rig.make({ daemon: { env } });

  /** How one request ends. @param {import("./harness.mjs").Options} [options] @returns {Promise<string>} */
  async function ask({ headers, ...rest } = chat()) {
    const deadline = { "aivault-timeout-ms": String(DEADLINE_MS) };
    try {
      const answer = await call(rig.caller, "/aivault/proxy", {
        ...rest,
        headers: { ...headers, ...deadline },
        timeoutMs: 60_000,
      });
      if (answer.text.includes(KEY)) return "the key was told";
      if (mode.names !== undefined && !answer.text.includes(mode.names)) return answer.text;
      return String(answer.headers["aivault-error"] ?? WHOLE);
    } catch {
      return BROKEN;
    }
  }

  try {
    await ask();
    const before = { memory: residentMiB(rig.pid), descriptors: descriptorsOf(rig.pid) };
    let asked = 1;
    for (const [name, next] of Object.entries(modes)) {
      if (only !== undefined && !name.includes(only)) continue;
      mode = next;
      requests = 0;
      /** @type {Record<string, number>} */
      const outcomes = {};
      const startedMs = performance.now();
      for (let done = 0; done < repeats; done += 10) {
        const some = Array.from({ length: Math.min(10, repeats - done) }, () => ask());
        for (const outcome of await Promise.all(some)) {
          outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        }
      }
      asked += repeats;
      const fits = Object.keys(outcomes).every((outcome) => next.expected.includes(outcome));
      verdict.expect(`${name}: ${next.expected.join(" or ")}`, fits, JSON.stringify(outcomes));
      if (next.impostor === true) {
        verdict.expect(`${name}: is sent nothing`, requests === 0, `${requests} requests`);
      }
      // A POST that failed is the caller's to repeat.
      verdict.expect(`${name}: no POST is repeated`, requests <= repeats, `${requests}`);
      const ms = Math.round(performance.now() - startedMs);
      const closed = next.unfinished === true || (await until(() => open.size === 0, 10_000));
      verdict.expect(`${name}: no connection is left`, closed, `${open.size} are`);
      verdict.figures(name, { ...outcomes, ms });
      for (const socket of open) socket.destroy();
    }
    server.close();
    mode = /** @type {Mode} */ (modes["good"]);

    // --- nobody there
    const nobody = await ask();
    asked += 1;
    verdict.expect(
      "a closed port: upstream_unreachable",
      nobody === "upstream_unreachable",
      nobody,
    );

    const settled = await until(() => descriptorsOf(rig.pid) <= before.descriptors + 10, 20_000);
    verdict.expect("descriptors come back", settled, `${descriptorsOf(rig.pid)} are open`);
    const events = await rig.checkAudit(verdict);
    const completed = events.filter(({ kind }) => kind === "invocation.completed").length;
    verdict.expect("each has its outcome on record", completed === asked, `${completed}/${asked}`);
    const told = JSON.stringify(events).includes(KEY) || rig.log.includes(KEY);
    verdict.expect("no record holds the key", !told);
    verdict.figures("memory", { "MiB before": before.memory, "MiB after": residentMiB(rig.pid) });

    verdict.expect("the daemon is up", rig.isAlive);
    await hangingNames(rig, verdict, { directory, env });
  } finally {
    await rig.dispose();
    rmSync(directory, { recursive: true, force: true });
  }
});

/**
 * Names that are asked for and never answered. The system's look-up blocks a thread of the few that file
 * calls need too.
 * @param {Rig} rig @param {import("./harness.mjs").Verdict} verdict
 * @param {{ directory: string, env: Record<string, string> }} options
 */
async function hangingNames(rig, verdict, { directory, env }) {
  const source = join(directory, "names.c");
  const library = join(directory, "names.so");
  writeFileSync(
    source,
    `#include <netdb.h>
#include <unistd.h>
int getaddrinfo(const char *n, const char *s, const struct addrinfo *h, struct addrinfo **r) {
  (void)n; (void)s; (void)h; (void)r;
  sleep(4);
  return EAI_AGAIN;
}
`,
  );
  const built = spawnSync("cc", ["-shared", "-fPIC", "-o", library, source], { encoding: "utf8" });
  if (built.status !== 0) {
    process.stderr.write("SKIPPED: names that hang: there is no C compiler here\n");
    return;
  }
  await rig.stop();
  // Nothing is resolved by the development vault's table, so the system is asked.
  await rig.start({ env: { ...env, AIVAULT_DEV_RESOLVE: "", LD_PRELOAD: library } });
  const headers = { "aivault-timeout-ms": String(DEADLINE_MS) };
  const startedMs = performance.now();
  const asking = Array.from({ length: 4 }, async () => {
    const { headers: more, ...rest } = chat();
    const answer = await call(rig.caller, "/aivault/proxy", {
      ...rest,
      headers: { ...more, ...headers },
    });
    return { code: answer.headers["aivault-error"], ms: performance.now() - startedMs };
  });
  const answers = await Promise.all(asking);
  const inTime = answers.filter(({ code }) => code === "upstream_timeout");
  const longest = Math.round(Math.max(...answers.map(({ ms }) => ms)));
  verdict.expect("names that hang: upstream_timeout", inTime.length === 4, JSON.stringify(answers));
  // While all those names are still being asked for, who needs a file gets it.
  const beganMs = performance.now();
  await rig.mint();
  const mintMs = Math.round(performance.now() - beganMs);
  verdict.expect(
    "names that hang: the vault is written meanwhile",
    mintMs < 10_000,
    `${mintMs} ms`,
  );
  // The look-ups cannot be called off: a process ends behind them.
  const stoppedMs = performance.now();
  await rig.stop();
  verdict.figures("4 names that hang", {
    "longest ms": longest,
    "an operator's ms": mintMs,
    "stopped after ms": Math.round(performance.now() - stoppedMs),
  });
}
