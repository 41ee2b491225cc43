// @ts-check
// AWS Signature Version 4 as a service verifies it: from AWS's documentation, and from nothing in this
// repository. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
// and https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
import { createHash, createHmac } from "node:crypto";

/**
 * @typedef {object} SignedRequest
 * @property {string} method
 * @property {string} target - Path and query as they arrived.
 * @property {readonly (readonly [name: string, value: string])[]} headers - As they arrived.
 * @property {Buffer} body
 *
 * @typedef {object} AwsCaller
 * @property {string} accessKeyId
 * @property {string} secretAccessKey
 * @property {string} [sessionToken]
 * @property {string} region
 * @property {string} service
 */

const UNRESERVED = /[A-Za-z0-9._~-]/;

/** Percent-encodes byte by byte, upper-case, all but the unreserved. @param {Buffer} bytes */
function uriEncode(bytes) {
  let encoded = "";
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    encoded += UNRESERVED.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

/** @param {string} text */
function uriDecode(text) {
  /** @type {number[]} */
  const bytes = [];
  for (let i = 0; i < text.length; i += 1) {
    const hex = /^%([0-9A-Fa-f]{2})/.exec(text.slice(i, i + 3))?.[1];
    if (hex === undefined) bytes.push(...Buffer.from(text.charAt(i)));
    else {
      bytes.push(Number.parseInt(hex, 16));
      i += 2;
    }
  }
  return Buffer.from(bytes);
}

/** What S3 takes instead of a hash, over TLS. */
const UNSIGNED = ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"];

/** @param {Buffer | string} data */
const hexSha256 = (data) => createHash("sha256").update(data).digest("hex");
/** @param {Buffer | string} key @param {string} data */
const hmac = (key, data) => createHmac("sha256", key).update(data).digest();

/**
 * @param {SignedRequest} request @param {AwsCaller} caller @param {readonly string[]} signedHeaders
 * @param {string} payloadHash
 */
function canonicalRequest({ method, target, headers }, { service }, signedHeaders, payloadHash) {
  const [path = "/", query = ""] = target.split(/\?(.*)/s);
  // Every service but S3 encodes the path a second time.
  const uri = path
    .split("/")
    .map((segment) => uriEncode(service === "s3" ? uriDecode(segment) : Buffer.from(segment)))
    .join("/");
  const parameters = query
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const [name = "", value = ""] = pair.split(/=(.*)/s);
      return [uriEncode(uriDecode(name)), uriEncode(uriDecode(value))];
    })
    .sort((a, b) => Buffer.compare(Buffer.from(a.join("\0")), Buffer.from(b.join("\0"))))
    .map(([name, value]) => `${name}=${value}`);
  const canonicalHeaders = signedHeaders.map((name) => {
    const values = headers
      .filter(([given]) => given.toLowerCase() === name)
      .map(([, value]) => value.trim().replace(/ +/g, " "));
    return `${name}:${values.join(",")}\n`;
  });
  return [
    method,
    uri,
    parameters.join("&"),
    canonicalHeaders.join(""),
    signedHeaders.join(";"),
    payloadHash,
  ].join("\n");
}

/**
 * The signature that a request with these signed headers has to have.
 *
 * @param {SignedRequest} request @param {AwsCaller} caller @param {readonly string[]} signedHeaders
 * @param {string} amzDate @param {string} payloadHash
 */
export function awsSignature(request, caller, signedHeaders, amzDate, payloadHash) {
  const date = amzDate.slice(0, 8);
  const stringToSign = [
    "AWS4-HMAC-SHA256",
    amzDate,
    `${date}/${caller.region}/${caller.service}/aws4_request`,
    hexSha256(canonicalRequest(request, caller, signedHeaders, payloadHash)),
  ].join("\n");
  const dateKey = hmac(`AWS4${caller.secretAccessKey}`, date);
  const signingKey = hmac(hmac(hmac(dateKey, caller.region), caller.service), "aws4_request");
  return hmac(signingKey, stringToSign).toString("hex");
}

/**
 * What a service would find wrong with a request; nothing when it is signed as documented.
 *
 * @param {SignedRequest} request @param {AwsCaller} caller @param {number} nowMs
 * @returns {string[]}
 */
export function awsComplaints(request, caller, nowMs) {
  /** @param {string} name */
  const all = (name) =>
    request.headers.filter(([given]) => given.toLowerCase() === name).map(([, value]) => value);
  const [authorization, ...more] = all("authorization");
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^/ ,]+)\/(\d{8})\/([^/ ,]+)\/([^/ ,]+)\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/.exec(
      authorization ?? "",
    );
  if (parts === null || more.length > 0) return ["authorization is not AWS4-HMAC-SHA256, once"];
  const [, accessKeyId, date, region, service, names = "", signature] = parts;
  const signedHeaders = names.split(";");
  const [amzDate = "", ...otherDates] = all("x-amz-date");

  const complaints = [];
  if (accessKeyId !== caller.accessKeyId) complaints.push("another access key id");
  if (region !== caller.region) complaints.push(`scoped to ${region}, not ${caller.region}`);
  if (service !== caller.service) complaints.push(`scoped to ${service}, not ${caller.service}`);
  const time = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(amzDate);
  const signedAtMs =
    time === null
      ? Number.NaN
      : Date.parse(amzDate.replace(/^(....)(..)(.....)(..)/, "$1-$2-$3:$4:"));
  if (otherDates.length > 0 || !(Math.abs(signedAtMs - nowMs) <= 5 * 60_000)) {
    complaints.push(`x-amz-date ${amzDate} is not within five minutes, once`);
  }
  if (!amzDate.startsWith(date ?? "-")) complaints.push("the scope has another date");
  if (signedHeaders.join(";") !== [...signedHeaders].sort().join(";")) {
    complaints.push("signed headers are not sorted");
  }
  for (const [name] of request.headers) {
    const must = /^(?:host|content-type|x-amz-.*)$/i.test(name);
    if (must && !signedHeaders.includes(name.toLowerCase()))
      complaints.push(`${name} is not signed`);
  }
  for (const name of signedHeaders) {
    if (all(name).length === 0) complaints.push(`${name} is signed and absent`);
  }
  if (!signedHeaders.includes("host")) complaints.push("host is not signed");
  if (caller.sessionToken !== all("x-amz-security-token").join()) {
    if (caller.sessionToken !== undefined || all("x-amz-security-token").length > 0) {
      complaints.push("another session token");
    }
  }
  let payloadHash = hexSha256(request.body);
  if (caller.service === "s3") {
    const [stated] = all("x-amz-content-sha256");
    if (stated !== payloadHash && !UNSIGNED.includes(stated ?? "")) {
      complaints.push("x-amz-content-sha256 is not the body's");
    }
    payloadHash = stated ?? "";
  }
  if (signature !== awsSignature(request, caller, signedHeaders, amzDate, payloadHash)) {
    complaints.push("the signature does not match");
  }
  return complaints;
}
