/**
 * Finding the caller's token where an SDK puts a provider's key, and taking it out. Pure.
 *
 * Each SDK has exactly one place for its key, so a caller's token stands in that place: any header, a
 * query parameter, a Basic pair, the first segments of a path, an AWS credential scope. Everything
 * that carried it is removed, and a request in which it is left anywhere else is refused.
 */

import type { HeaderPair } from "@aivault/policy";
import { looksLikeToken } from "../tokens/token.ts";

/** A request's head, as an SDK made it. */
export interface PassthroughHead {
  /** Begins with `/`. Octets as they came. */
  readonly path: string;
  /** Without `?`. Octets as they came; empty when there is none. */
  readonly query: string;
  readonly headers: readonly HeaderPair[];
  /** Sub-protocols that a WebSocket's handshake offers; none for anything else. */
  readonly protocols: readonly string[];
}

export type Extraction =
  | {
      readonly ok: true;
      /** Null when there is none; `head` is then unchanged. */
      readonly token: string | null;
      readonly head: PassthroughHead;
      /** A sub-protocol that only announced the token. The client waits to hear it agreed to. */
      readonly announced: string | null;
      /** Where in the path it stood, as a credential's template says it: `/bot{{secret}}`. */
      readonly placedAt: string | null;
    }
  | { readonly ok: false; readonly message: string };

/** Take the token out of a request. */
export function extractToken(head: PassthroughHead): Extraction {
  const found = new Set<string>();
  const { path, placedAt } = takeFromPath(head.path, found);
  const isAws = head.headers.some(({ value }) => value.startsWith("AWS4-HMAC-SHA256 "));
  const headers = head.headers.filter((header) => !takeFromHeader(header, found));
  const query = takeFromQuery(head.query, found);
  const { protocols, announced } = takeFromProtocols(head.protocols, found);
  if (found.size > 1) return { ok: false, message: "the request has more than one token" };
  const [token = null] = found;
  if (token === null) return { ok: true, token, head, announced: null, placedAt: null };
  const left = isAws ? headers.filter(({ name }) => !AWS_SIGNED.has(name.toLowerCase())) : headers;
  const rest = [path, query, ...protocols, ...left.map(({ value }) => value)].join("\n");
  if (rest.includes(token)) {
    return { ok: false, message: "the token is also where it would be sent to the provider" };
  }
  return { ok: true, token, head: { path, query, headers: left, protocols }, announced, placedAt };
}

// What belongs to the signature made with the token's half; the broker signs anew.
const AWS_SIGNED = new Set(["x-amz-date", "x-amz-security-token"]);

/** `Bearer T`, `token T`, `Bot T`, and whatever other word an SDK puts before a key. */
const SCHEME = /^[A-Za-z][A-Za-z0-9_-]{0,31}[ \t]+(\S+)$/;
const AWS = /^AWS4-HMAC-SHA256 +Credential=([^/,\s]+)\//;

function takeFromHeader({ value }: HeaderPair, found: Set<string>): boolean {
  const text = value.trim();
  for (const candidate of [text, SCHEME.exec(text)?.[1], AWS.exec(text)?.[1], ...basicPair(text)]) {
    if (candidate !== undefined && looksLikeToken(candidate)) {
      found.add(candidate);
      return true;
    }
  }
  return false;
}

/** User and password of `Basic`: SDKs differ in which of them is the key (RFC 7617). */
function basicPair(text: string): string[] {
  const encoded = /^Basic +([A-Za-z0-9+/=_-]{1,8192})$/i.exec(text)?.[1];
  if (encoded === undefined) return [];
  const pair = Buffer.from(encoded, "base64").toString("latin1");
  const colon = pair.indexOf(":");
  return colon < 0 ? [pair] : [pair.slice(0, colon), pair.slice(colon + 1)];
}

function takeFromQuery(query: string, found: Set<string>): string {
  if (query === "") return "";
  const pairs = query.split("&");
  let isPresigned = false;
  const kept = pairs.filter((pair) => {
    const [name = "", ...rest] = pair.split("=");
    const value = decode(rest.join("="));
    if (name === "X-Amz-Credential" && looksLikeToken(value)) {
      found.add(value.split("/")[0] ?? "");
      isPresigned = true;
      return false;
    }
    if (!looksLikeToken(value)) return true;
    found.add(value);
    return false;
  });
  return kept.filter((pair) => !(isPresigned && pair.startsWith("X-Amz-"))).join("&");
}

/** `/bot<T>/…` and `/file/bot<T>/…`, as Telegram has them. */
const BOT_PATH = /^(\/file)?\/bot(avp_[^/]*)(\/.*)?$/;

/** What is left is the path behind the credential's place, as the broker puts the credential there. */
function takeFromPath(
  path: string,
  found: Set<string>,
): { readonly path: string; readonly placedAt: string | null } {
  const [, file = "", token, rest = "/"] = BOT_PATH.exec(path) ?? [];
  if (token === undefined) return { path, placedAt: null };
  found.add(token);
  return { path: rest, placedAt: `${file}/bot{{secret}}` };
}

/** A word before the key, as Deepgram's `token, T`. */
const ANNOUNCES = /^(?:token|bearer|authorization|api-?key|key)$/i;

/** A sub-protocol that is the token, or ends in it: `openai-insecure-api-key.T`. */
function takeFromProtocols(
  offered: readonly string[],
  found: Set<string>,
): { protocols: string[]; announced: string | null } {
  const protocols: string[] = [];
  let announced: string | null = null;
  for (const name of offered) {
    const candidate = name.slice(name.lastIndexOf(".") + 1);
    if (!looksLikeToken(candidate)) {
      protocols.push(name);
      continue;
    }
    found.add(candidate);
    const before = protocols.at(-1);
    if (before === undefined || !ANNOUNCES.test(before)) continue;
    announced = before;
    protocols.pop();
  }
  return { protocols, announced };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
