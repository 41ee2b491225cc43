import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkGrant, isCapabilityPattern, matchesId, pinnedCredential } from "./grant.ts";

const grant = (change: object = {}) => ({
  capabilities: ["openai/*"],
  credential: null,
  expiresAtMs: 1,
  usesMax: null,
  perMinute: null,
  concurrency: null,
  requestBytesMax: null,
  responseBytesMax: null,
  workspaceId: null,
  groupId: null,
  publicKey: null,
  ...change,
});

describe("matchesId", () => {
  it.each([
    ["openai/chat", "openai/chat"],
    ["openai/*", "openai/chat"],
    ["openai/*", "openai/"],
    ["*/chat", "openai/chat"],
    ["openai/chat-*", "openai/chat-completions"],
    ["openai/*-list", "openai/models-list"],
    ["openai/*-*-*", "openai/a-b-c"],
    ["*", "a/b/c"],
    ["a*a/x", "aa/x"],
  ])("%s matches %s", (pattern, id) => {
    expect(matchesId(pattern, id)).toBe(true);
  });

  it.each([
    ["openai/chat", "openai/chatter"],
    ["openai/chat", "openai/cha"],
    ["openai/*", "openai"],
    ["openai/*", "openai-2/chat"],
    ["openai*", "openai-2/chat"],
    ["openai/*", "openai/a/b"],
    ["*chat", "openai/chat"],
    ["openai/*-list", "openai/models-lists"],
    ["a*a/x", "a/x"],
    ["OpenAI/*", "openai/chat"],
    ["", "openai/chat"],
  ])("%s does not match %s", (pattern, id) => {
    expect(matchesId(pattern, id)).toBe(false);
  });

  it("agrees with a regular expression", () => {
    const text = fc.stringMatching(/^[ab/]{0,8}$/);
    fc.assert(
      fc.property(fc.stringMatching(/^[ab/*]{2,8}$/), text, (pattern, id) => {
        const expression = new RegExp(`^${pattern.split("*").join("[^/]*")}$`);
        expect(matchesId(pattern, id)).toBe(expression.test(id));
      }),
      { numRuns: 5_000 },
    );
  });
});

describe("checkGrant", () => {
  it("G13: allows what one of its patterns matches, and nothing else", () => {
    expect(checkGrant(grant(), { capability: "openai/chat", credential: null })).toBeNull();
    expect(checkGrant(grant(), { capability: "stripe/charge", credential: null })).toMatch(/grant/);
  });

  it("G13: never lets a caller name another credential than the pinned one", () => {
    const pinned = grant({ credential: "a" });
    expect(checkGrant(pinned, { capability: "openai/chat", credential: "b" })).toMatch(/pinned/);
    expect(checkGrant(pinned, { capability: "openai/chat", credential: "a" })).toBeNull();
  });
});

describe("pinnedCredential", () => {
  it.each<[(string | null)[], string | null, string | null | undefined]>([
    [[null, null], null, null],
    [[null, "a"], null, "a"],
    [["a", "a"], null, "a"],
    [["a", "b"], null, undefined],
    [[null], "b", "b"],
    [["a"], "b", undefined],
  ])("of %j for a caller who asks for %j is %j", (pins, asked, expected) => {
    const chain = pins.map((credential) => grant({ credential }));
    expect(pinnedCredential(chain, asked)).toBe(expected);
  });
});

describe("isCapabilityPattern", () => {
  it.each(["*", "openai/*", "openai/chat-completions", "a.b_c/d"])("takes %s", (pattern) => {
    expect(isCapabilityPattern(pattern)).toBe(true);
  });
  it.each(["", "a b", "é", "*".repeat(10), "a".repeat(257), "a\n"])("refuses %j", (pattern) => {
    expect(isCapabilityPattern(pattern)).toBe(false);
  });
});
