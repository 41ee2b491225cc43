// @ts-check
// Providers that fail in every way a network has: names, connections, TLS, heads, bodies and codings, each asked
// for again and again in each way a caller has: `node e2e/load/upstream.mjs [--repeats 100] [--only expired]`.
// Nothing that is cut short looks whole, each request has one outcome on record, no key is told to an impostor, and
// all is given back.
import { createSocket as createUdpSocket } from "node:dgram";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { TLSSocket } from "node:tls";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { createCertificateAuthority } from "../support/certificate-authority.mjs";
import {
  CAPABILITY,
  call,
  chat,
  descriptorsOf,
  KEY,
  Rig,
  residentMiB,
  script,
  until,
} from "./harness.mjs";

const HOST = "api.openai.com";
/** Of a request that will hang, and of one that will not, however busy the machine is. */
const HANG_MS = 1_500;
const PATIENCE_MS = 60_000;
/** A request at a time may be answered so: whole, refused with a code, or visibly broken off. */
const WHOLE = "whole";
/** All there was, and marked, since nobody can tell whether it was all. */
const UNKNOWN = "whole, length unknown";
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
 * @property {boolean} [repeated] - A GET that got no octet of an answer is sent once more.
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
    "ends after the request": {
      serve: (socket) => socket.end(),
      expected: failed,
      repeated: true,
    },
    "resets after the request": {
      serve: (socket) => socket.destroy(),
      expected: failed,
      repeated: true,
    },
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
    "neither length nor chunks": {
      serve: say(`${head("content-type: text/plain")}part`),
      expected: [UNKNOWN],
    },
    "neither length nor chunks, reset": {
      serve: sayAndReset(`${head("content-type: text/plain")}part`),
      // Gone without a word of TLS, which looks like an end here too.
      expected: [UNKNOWN, ...failed],
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

/** @typedef {import("./harness.mjs").Options & { path: string }} Way */

const COMPLETIONS = "/v/openai/v1/chat/completions";
const JSON_TYPE = { "content-type": "application/json" };
/**
 * As an envelope; as an envelope whose body is streamed; and as the provider's SDK would ask: with a body,
 * with one that is streamed in chunks, and without.
 * @type {readonly Way[]}
 */
const WAYS = [
  { path: "/aivault/proxy", ...chat() },
  { path: "/aivault/proxy", ...uploaded('{"stream":true}') },
  { path: COMPLETIONS, method: "POST", headers: JSON_TYPE, body: '{"messages":[]}' },
  {
    path: COMPLETIONS,
    method: "POST",
    headers: { ...JSON_TYPE, "transfer-encoding": "chunked" },
    body: '{"stream":true}',
  },
  { path: "/v/openai/v1/models" },
];
const AT_A_TIME = 4;

/** An envelope whose body follows it. @param {string} body @returns {import("./harness.mjs").Options} */
function uploaded(body) {
  const envelope = {
    capability: CAPABILITY,
    request: {
      method: "POST",
      path: "/v1/chat/completions",
      headers: [{ name: "content-type", value: "application/json" }],
      bodyUpload: true,
    },
  };
  const part = (/** @type {string} */ name, /** @type {string} */ content) =>
    `--b0\r\ncontent-disposition: form-data; name="${name}"\r\ncontent-type: application/json\r\n\r\n${content}\r\n`;
  return {
    method: "POST",
    headers: { "content-type": "multipart/form-data; boundary=b0", "transfer-encoding": "chunked" },
    body: `${part("envelope", JSON.stringify(envelope))}${part("body", body)}--b0--\r\n`,
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
  const requests = { GET: 0, POST: 0 };
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
      requests[text.startsWith("GET ") ? "GET" : "POST"] += 1;
      serve(secure);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const ca = join(directory, "ca.pem");
  writeFileSync(ca, authority.certificatePem);
  const env = { AIVAULT_DEV_RESOLVE: `${HOST}=127.0.0.1:${port}`, AIVAULT_DEV_CA_CERT_PATH: ca };
  const rig = await Rig.make({ daemon: { env } });

  /** How one request ends. @param {Way} way @returns {Promise<string>} */
  async function ask({ path, headers, ...rest }) {
    const hangs = mode.expected.includes("upstream_timeout");
    const deadline = { "aivault-timeout-ms": String(hangs ? HANG_MS : PATIENCE_MS) };
    try {
      const answer = await call(rig.caller, path, {
        ...rest,
        headers: { ...headers, ...deadline },
        timeoutMs: 2 * PATIENCE_MS,
      });
      if (answer.text.includes(KEY)) return "the key was told";
      if (mode.names !== undefined && !answer.text.includes(mode.names)) return answer.text;
      const whole = answer.headers["aivault-length"] === "unknown" ? UNKNOWN : WHOLE;
      return String(answer.headers["aivault-error"] ?? whole);
    } catch {
      return BROKEN;
    }
  }

  try {
    await Promise.all(WAYS.map(ask));
    const before = { memory: residentMiB(rig.pid), descriptors: descriptorsOf(rig.pid) };
    let asked = WAYS.length;
    for (const [name, next] of Object.entries(modes)) {
      if (only !== undefined && !name.includes(only)) continue;
      mode = next;
      Object.assign(requests, { GET: 0, POST: 0 });
      /** @type {Record<string, number>} */
      const outcomes = {};
      const startedMs = performance.now();
      for (let done = 0; done < repeats; done += AT_A_TIME) {
        const some = Array.from({ length: Math.min(AT_A_TIME, repeats - done) }, () => WAYS);
        for (const outcome of await Promise.all(some.flat().map(ask))) {
          outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        }
      }
      const times = { GET: repeats, POST: repeats * (WAYS.length - 1) };
      asked += times.GET + times.POST;
      const fits = Object.keys(outcomes).every((outcome) => next.expected.includes(outcome));
      verdict.expect(`${name}: ${next.expected.join(" or ")}`, fits, JSON.stringify(outcomes));
      if (next.impostor === true) {
        const sent = requests.GET + requests.POST;
        verdict.expect(`${name}: is sent nothing`, sent === 0, `${sent} requests`);
      }
      // A POST that failed is the caller's to repeat.
      const { GET, POST } = requests;
      verdict.expect(`${name}: no POST is repeated`, POST <= times.POST, `${POST}`);
      const gets = times.GET * (next.repeated === true ? 2 : 1);
      verdict.expect(`${name}: no GET is repeated more than once`, GET <= gets, `${GET}`);
      const ms = Math.round(performance.now() - startedMs);
      const closed = next.unfinished === true || (await until(() => open.size === 0, 10_000));
      verdict.expect(`${name}: no connection is left`, closed, `${open.size} are`);
      verdict.figures(name, { ...outcomes, ms });
      for (const socket of open) socket.destroy();
    }
    server.close();
    mode = /** @type {Mode} */ (modes["good"]);

    // --- nobody there
    const nobody = await Promise.all(WAYS.map(ask));
    asked += WAYS.length;
    verdict.expect(
      "a closed port: upstream_unreachable",
      nobody.every((outcome) => outcome === "upstream_unreachable"),
      nobody.join(),
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
    await hangingNames(rig, verdict, env);
  } finally {
    await rig.dispose();
    rmSync(directory, { recursive: true, force: true });
  }
});

/**
 * Names that a name server never answers for, and one that it does: real look-ups, by the system's own resolver.
 * @param {Rig} rig @param {import("./harness.mjs").Verdict} verdict @param {Record<string, string>} env
 */
async function hangingNames(rig, verdict, env) {
  if (process.getuid?.() !== 0 || process.platform !== "linux") {
    process.stderr.write("SKIPPED: names that hang: only root can have a name server of its own\n");
    return;
  }
  const hanging = { openai: "/v1/models", anthropic: "/v1/models", github: "/user" };
  for (const name of ["ANTHROPIC_API_KEY", "GITHUB_TOKEN", "STRIPE_API_KEY"]) {
    await rig.storeSecret(name, `${KEY}${name}`);
  }
  await rig.stop();
  const server = await startNameServer("127.53.0.1");
  try {
    // Nothing is resolved by the development vault's table, so the system is asked.
    await rig.start({ env: { ...env, AIVAULT_DEV_RESOLVE: "" }, nameServer: "127.53.0.1" });
    const ask = async (/** @type {string} */ path) => {
      const startedMs = performance.now();
      const answer = await call(rig.caller, path);
      return {
        code: `${answer.headers["aivault-error"]} ${JSON.parse(answer.text).reason ?? ""}`.trim(),
        ms: Math.round(performance.now() - startedMs),
      };
    };
    const waiting = Promise.all(
      Object.entries(hanging).flatMap(([credential, path]) =>
        Array.from({ length: 20 }, () => ask(`/v/${credential}${path}`)),
      ),
    );
    const all = await until(() => server.silent.size === 3, 30_000);
    verdict.expect("names that hang: they are asked for", all, [...server.silent].join());
    const other = await ask("/v/stripe/v1/customers");
    // An internal address (G5), so the look-up came back; and it did so beside three that do not.
    verdict.expect(
      "names that hang: another is found meanwhile, and its address refused",
      other.code === "policy_violation address_blocked" && other.ms < 15_000,
      JSON.stringify(other),
    );
    const beganMs = performance.now();
    await rig.mint();
    const mintMs = Math.round(performance.now() - beganMs);
    verdict.expect("names that hang: the vault is written meanwhile", mintMs < 15_000, `${mintMs}`);
    const answers = await waiting;
    const told = answers.filter(({ code }) => code === "upstream_unreachable");
    const longestMs = Math.max(...answers.map(({ ms }) => ms));
    verdict.expect(
      "names that hang: upstream_unreachable",
      told.length === answers.length,
      JSON.stringify(answers.slice(0, 3)),
    );
    verdict.expect("names that hang: soon after 5 s", longestMs < 20_000, `${longestMs} ms`);
    // And the end of the daemon waits for its requests only.
    const last = ask("/v/openai/v1/models");
    await wait(200);
    const stoppedMs = performance.now();
    await rig.stop();
    const endedMs = Math.round(performance.now() - stoppedMs);
    verdict.expect("names that hang: SIGTERM is followed in time", endedMs < 30_000, `${endedMs}`);
    verdict.expect("names that hang: with status 0", rig.child?.exitCode === 0);
    await last.catch(() => undefined);
    verdict.figures(`${answers.length} requests to 3 names that hang`, {
      "told after ms": longestMs,
      "another name's ms": other.ms,
      "an operator's ms": mintMs,
      "ended after ms": endedMs,
    });
  } finally {
    server.close();
  }
}

/**
 * A name server (RFC 1035) that has an internal address for `api.stripe.com`, and no answer for anyone else.
 * @param {string} address
 */
async function startNameServer(address) {
  /** @type {Set<string>} */
  const silent = new Set();
  const socket = createUdpSocket("udp4");
  socket.on("message", (query, from) => {
    const labels = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString("latin1", at + 1, at + 1 + length));
      at += 1 + length;
    }
    const name = labels.join(".");
    const TYPE_A = 1;
    if (name !== "api.stripe.com") {
      silent.add(name);
      return;
    }
    const answers = query.readUInt16BE(at + 1) === TYPE_A ? 1 : 0;
    const head = Buffer.from(query.subarray(0, 12));
    head.writeUInt16BE(0x8180, 2);
    head.writeUInt16BE(answers, 6);
    head.writeUInt32BE(0, 8);
    // The name again, A, IN, a minute, 10.0.0.1.
    const record = Buffer.from("c00c000100010000003c00040a000001", "hex");
    const question = query.subarray(12, at + 5);
    socket.send(Buffer.concat([head, question, ...(answers === 1 ? [record] : [])]), from.port);
  });
  await new Promise((resolve, reject) => {
    socket.once("error", reject).bind(53, address, () => resolve(undefined));
  });
  return { silent, close: () => void socket.close() };
}
