import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { mintToken, parseToken, provesToken } from "./token.ts";

describe("mintToken", () => {
  it("makes a token that proves itself against its digest, and another does not", () => {
    const one = mintToken(randomBytes);
    const two = mintToken(randomBytes);
    const presented = parseToken(one.token);
    expect(presented?.tokenId).toBe(one.tokenId);
    expect(provesToken(presented?.proof ?? "", one.digest)).toBe(true);
    expect(provesToken(presented?.proof ?? "", two.digest)).toBe(false);
  });

  it("uses only characters that survive wherever SDKs put a key", () => {
    for (let i = 0; i < 100; i++) expect(mintToken(randomBytes).token).toMatch(/^avp_[\w-]{48}$/);
  });

  it("G12: keeps nothing in its digest from which the token could be had", () => {
    const { token, digest } = mintToken(() => new Uint8Array(24).fill(7));
    expect(token).not.toContain(digest);
    expect(digest).toHaveLength(43);
  });
});

describe("parseToken", () => {
  const { token } = mintToken(randomBytes);
  it.each([
    "",
    "avp_",
    token.slice(1),
    `${token}A`,
    token.slice(0, -1),
    ` ${token}`,
    `${token}\n`,
    token.toUpperCase(),
    token.replace("avp_", "avp-"),
  ])("does not take %j", (text) => {
    expect(parseToken(text)).toBeNull();
  });
});
