import { createHash, createHmac, randomBytes } from "node:crypto";
import { HMAC_VALUE_PARTS, type HmacScheme, hmacHeaderOf } from "@aivault/registry";
import { BrokerError } from "../errors.ts";
import { placeholders, render } from "../template.ts";
import {
  encodeParam,
  type Injection,
  type OpenSecrets,
  requireHeaderText,
  secretText,
  unusable,
} from "./injection.ts";
import type { SigningContext } from "./signing-context.ts";

/**
 * Signs the request with a keyed hash. Only the result leaves: a template cannot name the key (W-A2).
 *
 * @throws {BrokerError} `auth_failed`: the key is not in its encoding; `invalid_request`: the message
 * covers a body that is streamed.
 * @see RFC 2104
 */
export function injectHmac(
  scheme: HmacScheme,
  secrets: OpenSecrets,
  context: SigningContext,
): Injection {
  const timestamp = formatTimestamp(scheme.timestamp, context.nowMs);
  let nonce: string | null = null;
  const partText = (placeholder: string) => {
    if (placeholder === scheme.key) throw unusable(placeholder, "is a signing key and is not sent");
    if (placeholder === "timestamp") return timestamp;
    if (placeholder === "nonce") {
      nonce ??= randomBytes(16).toString("hex");
      return nonce;
    }
    return BODY_HASHES.has(placeholder)
      ? hashBody(placeholder, context.body)
      : secretText(secrets, placeholder);
  };
  const paramsBefore: string[] = [];
  for (const { name, template } of scheme.params ?? []) {
    if (placeholders(template).includes("signature")) break;
    paramsBefore.push(`${name}=${encodeParam(render(template, partText))}`);
  }
  const query = [...(context.target.query === "" ? [] : [context.target.query]), ...paramsBefore];
  const signature = sign(scheme, secrets, context, query.join("&"), partText);
  const valueFor = (placeholder: string) =>
    placeholder === "signature" ? signature : partText(placeholder);
  return {
    headers: (scheme.headers ?? []).map(({ name, template }) => [
      name.toLowerCase(),
      requireHeaderText(render(template, valueFor), scheme.key),
    ]),
    params: (scheme.params ?? []).map(
      ({ name, template }) => `${name}=${encodeParam(render(template, valueFor))}`,
    ),
    pathPrefix: "",
    derived: [],
  };
}

function sign(
  scheme: HmacScheme,
  secrets: OpenSecrets,
  { method, authority, headers, target, body }: SigningContext,
  query: string,
  partText: (placeholder: string) => string,
): string {
  const key = decodeKey(scheme, secrets);
  try {
    const hmac = createHmac(scheme.algorithm, key);
    // Piece by piece, because a body need not be text.
    for (const piece of scheme.message.split(/(\{\{[A-Za-z0-9_]+\}\})/)) {
      const [placeholder] = placeholders(piece);
      switch (placeholder) {
        case undefined:
          hmac.update(piece);
          break;
        case "method":
          hmac.update(method);
          break;
        case "host":
          hmac.update(authority);
          break;
        case "path":
          hmac.update(target.path);
          break;
        case "query":
          hmac.update(query);
          break;
        case "sorted_query":
          hmac.update(sortQuery(query));
          break;
        case "path_and_query":
          hmac.update(query === "" ? target.path : `${target.path}?${query}`);
          break;
        case "body":
          if (body === "streamed") throw cannotSignStream();
          if (body !== null) hmac.update(body);
          break;
        default: {
          const header = hmacHeaderOf(placeholder);
          const found = headers.find(({ name }) => name === header);
          hmac.update(header === null ? partText(placeholder) : (found?.value ?? ""));
        }
      }
    }
    return hmac.digest(scheme.signatureEncoding);
  } finally {
    key.fill(0);
  }
}

const BODY_HASHES: ReadonlySet<string> = new Set(
  HMAC_VALUE_PARTS.filter((part) => part.startsWith("body_")),
);

/** `body_sha256`, `body_sha512_base64`: of no body it is the hash of nothing. */
function hashBody(part: string, body: SigningContext["body"]): string {
  if (body === "streamed") throw cannotSignStream();
  const [, algorithm = "", encoding] = part.split("_");
  const hash = createHash(algorithm).update(body ?? new Uint8Array(0));
  return hash.digest(encoding === "base64" ? "base64" : "hex");
}

/** Pairs in order of name, then value, octet by octet, as they are encoded. */
function sortQuery(query: string): string {
  const pairs = query.split("&").filter((pair) => pair !== "");
  const keyed = pairs.map((pair) => {
    const [name = "", ...value] = pair.split("=");
    return { pair, name, value: value.join("=") };
  });
  const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return keyed
    .sort((a, b) => order(a.name, b.name) || order(a.value, b.value))
    .map(({ pair }) => pair)
    .join("&");
}

function decodeKey({ key, keyEncoding }: HmacScheme, secrets: OpenSecrets): Buffer {
  const value = secrets.get(key);
  if (value === undefined || value.length === 0) throw unusable(key, "is empty");
  if (keyEncoding === "utf8") return Buffer.from(value);
  const text = secretText(secrets, key).trim();
  const pattern = keyEncoding === "hex" ? /^(?:[0-9a-f]{2})+$/i : /^[A-Za-z0-9+/_-]+={0,2}$/;
  if (!pattern.test(text)) throw unusable(key, `is not ${keyEncoding}`);
  return Buffer.from(text, keyEncoding);
}

/** The error for a signature over bytes that are not there yet. */
export function cannotSignStream(): BrokerError {
  return new BrokerError(
    "invalid_request",
    "this provider's signature covers the body, so it cannot be streamed; send it as body or bodyBase64",
    { reason: "body_mode_conflict" },
  );
}

function formatTimestamp(format: HmacScheme["timestamp"], nowMs: number): string {
  switch (format) {
    case "unix-s":
      return String(Math.floor(nowMs / 1000));
    case "unix-ms":
      return String(Math.floor(nowMs));
    case "iso-8601-ms":
      return new Date(nowMs).toISOString();
  }
}
