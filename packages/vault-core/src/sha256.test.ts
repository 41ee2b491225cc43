import { createHash } from "node:crypto";
import { sha256 as portable } from "@noble/hashes/sha2.js";
import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "./bytes.ts";
import { installSha256, sha256 } from "./sha256.ts";

const expected = new Uint8Array(createHash("sha256").update("abc").digest());

describe("sha256", () => {
  it("is SHA-256, whoever computes it", () => {
    expect(sha256(encodeUtf8("abc"))).toEqual(expected);
    let calls = 0;
    installSha256((bytes) => {
      calls += 1;
      return new Uint8Array(createHash("sha256").update(bytes).digest());
    });
    try {
      expect(sha256(encodeUtf8("abc"))).toEqual(expected);
      expect(calls).toBe(1);
    } finally {
      installSha256(portable);
    }
    expect(sha256(encodeUtf8("abc"))).toEqual(expected);
    expect(calls).toBe(1);
  });
});
