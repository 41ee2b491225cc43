// @ts-check
// Whether a request is signed as AWS Signature Version 4 prescribes, found out by signing it anew with
// AWS's own implementation.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { crc32 } from "node:zlib";

// Under the condition `module` that tests are resolved with, it has files that Node does not load.
const require = createRequire(import.meta.url);
/** @type {typeof import("@smithy/signature-v4")} */
const { SignatureV4 } = require("@smithy/signature-v4");
/** @type {typeof import("@smithy/hash-node")} */
const { Hash } = require("@smithy/hash-node");

/**
 * @typedef {import("./stand-in.mjs").Arrival} Arrival
 * @typedef {import("./stand-in.mjs").Verdict} Verdict
 */

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;

/**
 * @param {object} caller
 * @param {string} caller.accessKeyId
 * @param {string} caller.secretAccessKey
 * @param {string} caller.region
 * @param {string} caller.service
 * @returns {(arrival: Arrival) => Promise<Verdict>}
 */
export function inSignature({ accessKeyId, secretAccessKey, region, service }) {
  const signer = new SignatureV4({
    credentials: { accessKeyId, secretAccessKey },
    region,
    service,
    sha256: Hash.bind(null, "sha256"),
    uriEscapePath: service !== "s3",
    applyChecksum: false,
  });
  return async (arrival) => {
    const { host, method, target, headers, body } = arrival;
    const others = headers.filter(([name]) => name.toLowerCase() !== "authorization");
    const rest = [target, ...others.map(([name, value]) => `${name}: ${value}`)].join("\n");
    const refuse = (/** @type {string} */ why) => ({ complaints: [why], rest, target });

    const given = headers.filter(([name]) => name.toLowerCase() === "authorization");
    const [, id, date, ofRegion, ofService, names = "", signature] =
      AUTHORIZATION.exec(given[0]?.[1] ?? "") ?? [];
    if (given.length !== 1 || id === undefined) return refuse(`authorization: ${given}`);
    if (id !== accessKeyId) return refuse(`access key id ${id}`);
    if (ofRegion !== region || ofService !== service) return refuse(`${ofRegion}/${ofService}`);

    /** @type {Record<string, string>} */
    const byName = {};
    for (const [name, value] of others) {
      if (byName[name.toLowerCase()] !== undefined) return refuse(`${name} twice`);
      byName[name.toLowerCase()] = value;
    }
    const signed = names.split(";");
    const unsigned = Object.keys(byName).filter((name) => /^(?:host|x-amz-.*)$/.test(name));
    const missing = unsigned.filter((name) => !signed.includes(name));
    if (missing.length > 0) return refuse(`not signed: ${missing}`);
    const amzDate = byName["x-amz-date"] ?? "";
    const at = amzDate.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z");
    if (!amzDate.startsWith(date ?? "-") || !(Math.abs(Date.parse(at) - Date.now()) < 900_000)) {
      return refuse(`x-amz-date ${amzDate}`);
    }
    const payload = byName["x-amz-content-sha256"];
    if (service === "s3" && payload === undefined) return refuse("no x-amz-content-sha256");
    const wrong = payloadComplaint(payload, body, byName);
    if (wrong !== null) return refuse(wrong);

    const [path = "/", query = ""] = target.split(/\?(.*)/s);
    const again = await signer.sign(
      {
        method,
        protocol: "https:",
        hostname: host,
        path,
        query: Object.fromEntries(new URLSearchParams(query)),
        headers: Object.fromEntries(signed.map((name) => [name, byName[name] ?? ""])),
        body,
      },
      { signingDate: new Date(at), signableHeaders: new Set(signed) },
    );
    const expected = AUTHORIZATION.exec(again.headers["authorization"] ?? "")?.[6];
    return signature === expected
      ? { complaints: [], rest, target }
      : refuse("the signature is of something else");
  };
}

/**
 * What is wrong with a body by what `x-amz-content-sha256` says of it.
 *
 * @param {string | undefined} payload @param {Buffer} body
 * @param {Readonly<Record<string, string>>} headers
 */
function payloadComplaint(payload, body, headers) {
  if (payload === undefined || payload === "UNSIGNED-PAYLOAD") return null;
  if (payload !== "STREAMING-UNSIGNED-PAYLOAD-TRAILER") {
    const digest = createHash("sha256").update(body).digest("hex");
    return digest === payload ? null : "x-amz-content-sha256 is of another body";
  }
  const { content, trailers } = decodeChunks(body);
  if (headers["x-amz-decoded-content-length"] !== String(content.length)) return "another length";
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(content));
  return trailers === `x-amz-checksum-crc32:${sum.toString("base64")}` ? null : "another checksum";
}

/**
 * The content of an `aws-chunked` body, and the lines after it.
 *
 * @param {Buffer} body
 */
export function decodeChunks(body) {
  const parts = [];
  let at = 0;
  for (;;) {
    const end = body.indexOf("\r\n", at);
    const length = Number.parseInt(body.toString("latin1", at, end), 16);
    at = end + 2;
    if (!(length > 0)) break;
    parts.push(body.subarray(at, at + length));
    at += length + 2;
  }
  return { content: Buffer.concat(parts), trailers: body.toString("latin1", at).trim() };
}
