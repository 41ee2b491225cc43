/**
 * What the templates of an `hmac` scheme may name besides secrets. One list for the validator of definitions
 * and for whoever signs.
 */

/** Parts that headers and parameters of the signed request may carry as well. */
export const HMAC_VALUE_PARTS = [
  "timestamp",
  /** 32 hexadecimal digits, new for each request. */
  "nonce",
  "body_sha256",
  "body_sha256_base64",
  "body_sha384",
  "body_sha384_base64",
  "body_sha512",
  "body_sha512_base64",
] as const;

/** Parts that only the message is made of. */
export const HMAC_MESSAGE_PARTS = [
  "method",
  "host",
  "path",
  "query",
  "path_and_query",
  /** The query's pairs in order of name, then value, as they are encoded. */
  "sorted_query",
  "body",
] as const;

/** `header_content_type` is the value of the request's `content-type`, nothing where it has none. */
const HEADER_PART = /^header_[a-z0-9_]{1,60}$/;

/** The name of the header that a part stands for; null where it is another part. */
export function hmacHeaderOf(part: string): string | null {
  return HEADER_PART.test(part) ? part.slice("header_".length).replaceAll("_", "-") : null;
}

/** Whether a message may name this part. */
export function isHmacPart(part: string): boolean {
  const known: readonly string[] = [...HMAC_VALUE_PARTS, ...HMAC_MESSAGE_PARTS];
  return known.includes(part) || hmacHeaderOf(part) !== null;
}
