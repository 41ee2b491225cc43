/**
 * `Location` and `Link` that point back at the provider, pointed at us instead. Pure.
 *
 * GitHub's pages are absolute URLs, and so is its 301 for a renamed repository: an SDK that followed
 * one would leave with no credential but its token.
 */

import type { HeaderPair } from "@aivault/policy";

/** Where a caller sees a provider. */
export interface LinkBase {
  /** `https://api.github.com`: only this origin is rewritten. */
  readonly upstreamOrigin: string;
  /** `http://127.0.0.1:19790/v/github`, without a final slash. */
  readonly callerBase: string;
}

/** Rewrite the headers that hold links; all others pass as they are. */
export function rewriteLinks(headers: readonly HeaderPair[], base: LinkBase): HeaderPair[] {
  return headers.map(({ name, value }) => {
    switch (name.toLowerCase()) {
      case "location":
      case "content-location":
        return { name, value: rewriteUrl(value, base) };
      case "link":
        return {
          name,
          value: value.replace(/<([^<>]*)>/g, (_, url) => `<${rewriteUrl(url, base)}>`),
        };
      default:
        return { name, value };
    }
  });
}

function rewriteUrl(url: string, { upstreamOrigin, callerBase }: LinkBase): string {
  // An absolute path is one on the provider's host, and would be taken for one on ours.
  if (/^\/(?!\/)/.test(url)) return callerBase + url;
  const [scheme = "", authority = ""] = upstreamOrigin.split("//");
  const [, start = "", rest = ""] = /^((?:https?:)?\/\/[^/?#]*)(.*)$/is.exec(url) ?? [];
  const named = start.toLowerCase().replace(/^(?=\/\/)/, scheme);
  const isOurs = named === `${scheme}//${authority}` || named === `${scheme}//${authority}:443`;
  return isOurs ? callerBase + rest : url;
}
