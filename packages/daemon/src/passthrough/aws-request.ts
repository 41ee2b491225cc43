/**
 * A request that an AWS SDK has signed with what it took for its keys, made ready to be signed anew.
 * Pure, but for the body that passes through.
 */

import type { HeaderPair } from "@aivault/policy";
import { Problem } from "../problem.ts";

export interface AwsRequest {
  /** Without what belonged to the signature. */
  readonly headers: readonly HeaderPair[];
  /** What to sign as the hash of the body; null where the SDK said nothing. */
  readonly payloadHash: string | null;
  /**
   * The body is `aws-chunked`, and its chunks are signed by the SDK's key: it has to be decoded, and then has
   * this length.
   */
  readonly decodedLength: number | null;
}

const SIGNED_CHUNKS = /^STREAMING-AWS4-(?:HMAC-SHA256|ECDSA-P256-SHA256)-PAYLOAD(?:-TRAILER)?$/;
/** What is about the chunks and what stands behind the last one. */
const OF_CHUNKS = new Set(["x-amz-decoded-content-length", "x-amz-trailer"]);

/**
 * Take the statement about the payload out of a request's headers.
 *
 * Hashes, `UNSIGNED-PAYLOAD` and `STREAMING-UNSIGNED-PAYLOAD-TRAILER` are reused, and the body stays as it is.
 * Signed chunks chain from a signature that nobody made with the real key, so they are not passed on.
 *
 * @throws {Problem} `invalid_request`: signed chunks without `x-amz-decoded-content-length`.
 */
export function readAwsRequest(headers: readonly HeaderPair[]): AwsRequest {
  const textOf = (wanted: string) =>
    headers.find(({ name }) => name.toLowerCase() === wanted)?.value.trim();
  const payloadHash = textOf("x-amz-content-sha256") ?? null;
  const rest = headers.filter(({ name }) => name.toLowerCase() !== "x-amz-content-sha256");
  if (payloadHash === null || !SIGNED_CHUNKS.test(payloadHash)) {
    return { headers: rest, payloadHash, decodedLength: null };
  }
  const length = textOf("x-amz-decoded-content-length") ?? "";
  if (!/^\d{1,15}$/.test(length)) {
    throw new Problem("invalid_request", "signed chunks need `x-amz-decoded-content-length`");
  }
  // A checksum that only the trailer holds is dropped with it, and so is the word that announces it.
  const hasChecksum = rest.some(({ name }) => /^x-amz-checksum-/i.test(name));
  const plain = rest.flatMap(({ name, value }) => {
    const folded = name.toLowerCase();
    if (OF_CHUNKS.has(folded)) return [];
    if (folded === "x-amz-sdk-checksum-algorithm" && !hasChecksum) return [];
    if (folded !== "content-encoding") return [{ name, value }];
    const codings = value.split(",").map((coding) => coding.trim());
    const others = codings.filter((coding) => coding.toLowerCase() !== "aws-chunked");
    return others.length === 0 ? [] : [{ name, value: others.join(", ") }];
  });
  return { headers: plain, payloadHash: "UNSIGNED-PAYLOAD", decodedLength: Number(length) };
}

const LINE_BYTES_MAX = 1024;
/** `400000;chunk-signature=…`; at most 2^52 octets. */
const CHUNK_HEAD = /^([0-9A-Fa-f]{1,13})(?:;[\x20-\x7e]*)?$/;

/**
 * The data of an `aws-chunked` body, without signatures and trailers, which nobody here can check.
 *
 * @throws {Problem} `invalid_request`: it is not that.
 */
export async function* decodeAwsChunked(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let held = Buffer.alloc(0);
  let left = 0;
  let part: "head" | "data" | "after" | "trailer" = "head";
  for await (const chunk of body) {
    held = held.length === 0 ? Buffer.from(chunk) : Buffer.concat([held, chunk]);
    while (held.length > 0) {
      if (part === "trailer") {
        held = Buffer.alloc(0);
      } else if (part === "data") {
        const data = held.subarray(0, left);
        held = held.subarray(data.length);
        left -= data.length;
        if (left === 0) part = "after";
        yield data;
      } else {
        const end = held.indexOf("\r\n");
        if (end < 0) {
          if (held.length > LINE_BYTES_MAX) throw malformed();
          break;
        }
        const line = held.subarray(0, end).toString("latin1");
        held = held.subarray(end + 2);
        if (part === "after") {
          if (line !== "") throw malformed();
          part = "head";
        } else {
          const [, size] = CHUNK_HEAD.exec(line) ?? [];
          if (size === undefined) throw malformed();
          left = Number.parseInt(size, 16);
          part = left === 0 ? "trailer" : "data";
        }
      }
    }
  }
  if (part !== "trailer") throw malformed();
}

function malformed(): Problem {
  return new Problem("invalid_request", "the body is not aws-chunked, as its headers say");
}
