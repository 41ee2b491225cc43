/** G12: a request under a token that is bound to a key is signed with it, whole, and once. */

import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import { Readable } from "node:stream";
import { readBody } from "../body.ts";
import type { Exchange } from "../exchange.ts";
import { Problem } from "../problem.ts";
import { type Nonces, SIGNATURE_AGE_S } from "./nonces.ts";
import { parseSignature, type Signature, signatureBase } from "./signature.ts";

/** A body is read before it is believed, so a signed one is not as large as others may be. */
export const SIGNED_BODY_BYTES_MAX = 8 * 1024 * 1024;

/** What a signature must be over. */
const COMPONENTS = ["@method", "@authority", "@path", "@query"];
const NONCE = /^[\x21\x23-\x5b\x5d-\x7e]{16,128}$/;

/**
 * Verify the signature of a request, and let its body be read again.
 *
 * @throws {Problem} `token_invalid` with `signature_required`; `policy_violation` with
 * `signature_invalid` or `replayed`; `request_too_large`; `rate_limited`.
 */
export async function requireSignature(
  exchange: Exchange,
  token: { readonly tokenId: string; readonly publicKey: string },
  nonces: Nonces,
  nowMs: number,
): Promise<void> {
  const { request, path, query } = exchange;
  const { "signature-input": input, signature: value } = request.headers;
  if (input === undefined || value === undefined) {
    throw new Problem(
      "token_invalid",
      "this token is bound to a key: sign the request (RFC 9421)",
      {
        reason: "signature_required",
      },
    );
  }
  const signature = parseSignature(String(input), String(value));
  if (signature === null) throw invalid("the signature is malformed");
  const nonce = requireParameters(signature, token.tokenId, nowMs);
  const hasBody = mayHaveBody(exchange);
  requireCovered(signature, hasBody);
  const message = {
    method: request.method ?? "",
    authority: request.headers.host ?? "",
    path,
    query,
    rawHeaders: request.rawHeaders,
  };
  const base = signatureBase(message, signature);
  const key = keyOf(token.publicKey);
  // By OpenSSL, which refuses an S that is out of range (RFC 8032 section 5.1.7).
  if (base === null || key === null || !verify(null, Buffer.from(base), key, signature.octets)) {
    throw invalid("the signature does not fit the request and the token's key");
  }
  // Only what was signed by the holder of the key takes a place among the nonces.
  await judge(nonces, token.tokenId, nonce, signature.created, nowMs);
  if (hasBody) await requireDigest(exchange);
}

function requireParameters(signature: Signature, tokenId: string, nowMs: number): string {
  const { algorithm, keyId, nonce, expires } = signature;
  if (algorithm !== null && algorithm !== "ed25519") throw invalid("`alg` must be ed25519");
  // Else a signature for one of two tokens with the same key would be one for the other.
  if (keyId !== tokenId) throw invalid("`keyid` must be the token's id");
  if (nonce === null || !NONCE.test(nonce)) {
    throw invalid("`nonce` must be 16 to 128 printable characters");
  }
  if (expires !== null && expires * 1000 <= nowMs) throw invalid("the signature has expired");
  return nonce;
}

function requireCovered({ components }: Signature, hasBody: boolean): void {
  const needed = hasBody ? [...COMPONENTS, "content-digest"] : COMPONENTS;
  const left = needed.filter((name) => !components.includes(name));
  if (left.length > 0) throw invalid(`the signature must cover ${left.join(", ")}`);
}

async function judge(
  nonces: Nonces,
  tokenId: string,
  nonce: string,
  created: number,
  nowMs: number,
): Promise<void> {
  switch (await nonces.judge(tokenId, nonce, created, nowMs)) {
    case "fresh":
      return;
    case "replayed":
      throw replayed("this signed request was seen before");
    case "stale":
      throw replayed(`\`created\` must be within the last ${SIGNATURE_AGE_S} seconds`);
    case "early":
      throw replayed("the clock was put back; what was seen at that time may be forgotten", 60_000);
    case "full":
      throw new Problem("rate_limited", "too many signed requests at a time", {
        retryAfterMs: 1_000,
      });
  }
}

function mayHaveBody({ request }: Exchange): boolean {
  const { "content-length": length, "transfer-encoding": coding } = request.headers;
  return coding !== undefined || (length !== undefined && length !== "0");
}

/** `content-digest` of RFC 9530, with SHA-256 or SHA-512. */
async function requireDigest(exchange: Exchange): Promise<void> {
  const field = exchange.request.headers["content-digest"];
  const text = typeof field === "string" ? field : "";
  const [, name, expected] = /^(sha-256|sha-512)=:([A-Za-z0-9+/]+={0,2}):$/.exec(text) ?? [];
  if (name === undefined || expected === undefined) {
    throw invalid("`content-digest` must be one of sha-256 or sha-512");
  }
  exchange.continueBody();
  const body = await readBody(exchange.request, SIGNED_BODY_BYTES_MAX);
  const digest = createHash(name.replace("-", "")).update(body).digest("base64");
  if (digest !== expected) throw invalid("the body is not the one that was signed");
  exchange.body = Readable.from([body], { objectMode: false });
}

function keyOf(publicKey: string): KeyObject | null {
  try {
    return createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x: publicKey } });
  } catch {
    return null;
  }
}

function invalid(message: string): Problem {
  return new Problem("policy_violation", message, { reason: "signature_invalid" });
}

function replayed(message: string, retryAfterMs?: number): Problem {
  return new Problem("policy_violation", message, {
    reason: "replayed",
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}
