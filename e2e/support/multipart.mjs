// @ts-check
// Just enough multipart/form-data (RFC 7578) for a stand-in provider: parts are measured as they
// stream by, and only short ones without a file name are kept.
import { createHash } from "node:crypto";

/**
 * @typedef {object} Part
 * @property {string} name
 * @property {string | null} filename - Null for a plain field.
 * @property {number} bytes
 * @property {string} sha256 - Hexadecimal.
 * @property {string} text - The value of a plain field, at most 64 KiB of it; empty for a file.
 */

const FIELD_LIMIT = 65_536;
const HEADER_LIMIT = 16_384;

/** @param {string} headers */
function describePart(headers) {
  const disposition = /^content-disposition:(.*)$/im.exec(headers)?.[1] ?? "";
  // Some clients leave out the quotes that RFC 7578 asks for.
  const [, name, bareName] = /;\s*name=(?:"([^"]*)"|([^;\s]*))/.exec(disposition) ?? [];
  const [, file, bareFile] = /;\s*filename=(?:"([^"]*)"|([^;\s]*))/.exec(disposition) ?? [];
  return { name: name ?? bareName ?? "", filename: file ?? bareFile ?? null };
}

/**
 * @param {AsyncIterable<Buffer>} body
 * @param {string} contentType
 * @returns {Promise<Part[]>}
 * @throws {Error} The body is not well-formed multipart.
 */
export async function readMultipart(body, contentType) {
  const boundary = /boundary="?([^";]+)/i.exec(contentType)?.[1];
  if (boundary === undefined) throw new Error("multipart without a boundary");
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  /** @type {Part[]} */
  const parts = [];
  // The first delimiter has no line break before it; with this one, all are alike.
  let pending = Buffer.from("\r\n");
  /** @type {"preamble" | "after-delimiter" | "headers" | "content" | "end"} */
  let state = "preamble";
  let hash = createHash("sha256");
  /** @type {Part | undefined} */
  let part;

  /** @param {Buffer} bytes */
  function take(bytes) {
    if (part === undefined) return;
    hash.update(bytes);
    if (part.filename === null && part.bytes < FIELD_LIMIT) part.text += bytes.toString("utf8");
    part.bytes += bytes.length;
  }

  /** One step; false when more input is needed. */
  function step() {
    if (state === "preamble" || state === "content") {
      const at = pending.indexOf(delimiter);
      if (at < 0) {
        // A delimiter may begin in this chunk and end in the next.
        const safe = Math.max(0, pending.length - delimiter.length + 1);
        take(pending.subarray(0, safe));
        pending = pending.subarray(safe);
        return false;
      }
      take(pending.subarray(0, at));
      if (part !== undefined) parts.push({ ...part, sha256: hash.digest("hex") });
      part = undefined;
      pending = pending.subarray(at + delimiter.length);
      state = "after-delimiter";
      return true;
    }
    if (state === "after-delimiter") {
      if (pending.length < 2) return false;
      state = pending.subarray(0, 2).toString("latin1") === "--" ? "end" : "headers";
      pending = pending.subarray(2);
      return true;
    }
    if (state === "headers") {
      const at = pending.indexOf("\r\n\r\n");
      if (at < 0) {
        if (pending.length > HEADER_LIMIT) throw new Error("multipart part headers are too long");
        return false;
      }
      part = {
        ...describePart(pending.subarray(0, at).toString("utf8")),
        bytes: 0,
        sha256: "",
        text: "",
      };
      hash = createHash("sha256");
      // The line break that ends the headers also begins the delimiter of an empty part.
      pending = pending.subarray(at + 4);
      state = "content";
      return true;
    }
    return false;
  }

  for await (const chunk of body) {
    pending = Buffer.concat([pending, chunk]);
    while (step());
  }
  if (/** @type {string} */ (state) !== "end")
    throw new Error("multipart ends before its last delimiter");
  return parts;
}
