/**
 * A proxy token: `avp_`, 16 digits that name it, 32 characters that prove it. Pure.
 *
 * G12: what is stored is a digest of the proof. The alphabet is base64url, so a token survives where
 * SDKs put a key: Basic pairs, paths, sub-protocol lists, SigV4 scopes.
 */

import { createHash, timingSafeEqual } from "node:crypto";

const PREFIX = "avp_";
const ID_BYTES = 8;
/** 192 bits: nobody guesses one, and a fast digest of it is enough at rest. */
const PROOF_BYTES = 24;
const TOKEN = /^avp_([0-9a-f]{16})([\w-]{32})$/;

/** The two halves of a token's text. */
export interface PresentedToken {
  readonly tokenId: string;
  readonly proof: string;
}

/** What {@link mintToken} makes. */
export interface MintedToken {
  /** Shown once, to whoever asked for it, and kept nowhere. */
  readonly token: string;
  readonly tokenId: string;
  /** SHA-256 of the proof, base64url. */
  readonly digest: string;
}

/** Make a token. */
export function mintToken(random: (length: number) => Uint8Array): MintedToken {
  const tokenId = Buffer.from(random(ID_BYTES)).toString("hex");
  const proof = Buffer.from(random(PROOF_BYTES)).toString("base64url");
  return { token: PREFIX + tokenId + proof, tokenId, digest: digestOf(proof) };
}

/** Take a token apart; null when it is not one. */
export function parseToken(text: string): PresentedToken | null {
  const [, tokenId, proof] = TOKEN.exec(text) ?? [];
  return tokenId === undefined || proof === undefined ? null : { tokenId, proof };
}

/** True for a text that is meant to be a token, whether or not it is one. */
export function looksLikeToken(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** Compare a proof with a stored digest in time that does not depend on where they differ. */
export function provesToken(proof: string, digest: string): boolean {
  const actual = Buffer.from(digestOf(proof), "base64url");
  const expected = Buffer.from(digest, "base64url");
  return actual.length === expected.length && timingSafeEqual(actual, expected);
}

function digestOf(proof: string): string {
  return createHash("sha256").update(proof, "ascii").digest("base64url");
}
