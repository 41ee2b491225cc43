import { randomBytes } from "node:crypto";
import { type KeyProvider, MemoryStore, Vault } from "@aivault/vault-core";
import { describe, expect, it } from "vitest";
import type { TokenGrant } from "./grant.ts";
import { DERIVED_MAX, TokenStore } from "./token-store.ts";

const key = new Uint8Array(32).fill(7);
const keyProvider: KeyProvider = {
  config: { kind: "env", variable: "TEST_KEY" },
  create: async () => new Uint8Array(key),
  obtain: async () => new Uint8Array(key),
};
const random = (length: number) => new Uint8Array(randomBytes(length));
const OPERATOR = { kind: "operator", transport: "unix", uid: 0, pid: null } as const;
const GRANT: TokenGrant = {
  capabilities: ["*"],
  credential: null,
  expiresAtMs: Date.now() + 3_600_000,
  usesMax: null,
  perMinute: null,
  concurrency: null,
  requestBytesMax: null,
  responseBytesMax: null,
  workspaceId: null,
  groupId: null,
  publicKey: null,
};

async function makeStore(now: () => number = Date.now) {
  const store = new MemoryStore();
  const vault = await Vault.create({ store, keyProvider, random, now: Date.now });
  const written: [before: number, after: number][] = [];
  const tokens = new TokenStore({
    vault,
    random,
    now,
    onRevoked: () => {},
    onStateWritten: (before, after) => written.push([before, after]),
  });
  const mint = async (grant: Partial<TokenGrant>) => {
    const { token } = await tokens.mint({ ...GRANT, ...grant, label: null }, OPERATOR);
    return tokens.verify(token);
  };
  return { vault, tokens, written, mint };
}

describe("a use of a token", () => {
  it("says between which revisions it was counted, so that nothing else is read again", async () => {
    const { vault, tokens, written, mint } = await makeStore();
    const chain = await mint({ usesMax: 2 });
    const before = vault.revision;
    await tokens.spend(chain);
    expect(written).toEqual([[before, before + 1]]);
    expect(vault.revision).toBe(before + 1);
  });

  it("says nothing where nothing was counted", async () => {
    const { tokens, written, mint } = await makeStore();
    await tokens.spend(await mint({}));
    const used = await mint({ usesMax: 1 });
    await tokens.spend(used);
    await expect(tokens.spend(used)).rejects.toMatchObject({ code: "token_invalid" });
    expect(written).toHaveLength(1);
  });

  it("shows a change that came at the same time as more than its own", async () => {
    const { vault, tokens, written, mint } = await makeStore();
    const chain = await mint({ usesMax: 2 });
    await Promise.all([
      vault.transaction((tx) => tx.putDocument("state", "another", {})),
      tokens.spend(chain),
    ]);
    const [[before = 0, after = 0] = []] = written;
    expect(after - before).toBeGreaterThan(1);
  });
});

describe("tokens that have ended", () => {
  it("are listed for a day, and then forgotten with all that was counted, on record", async () => {
    let nowMs = Date.now();
    const { vault, tokens, mint } = await makeStore(() => nowMs);
    const chain = await mint({ usesMax: 5, expiresAtMs: nowMs + 60_000 });
    const [{ tokenId }] = chain;
    await tokens.spend(chain);
    await tokens.mint({ ...GRANT, label: null }, OPERATOR, chain);
    await mint({ expiresAtMs: nowMs + 100 * 86_400_000 });
    nowMs += 86_400_000;
    expect(await tokens.dropEnded()).toBe(0);
    nowMs += 120_000;
    expect(await tokens.dropEnded()).toBe(2);
    expect((await tokens.list({})).items).toHaveLength(1);
    for (const id of [`token:${tokenId}`, `derived:${tokenId}`]) {
      expect(await vault.getDocument("state", id)).toBeNull();
    }
    const [, ended] = await vault.audit.read({ limit: 2 });
    expect(ended?.event).toMatchObject({ kind: "token.ended", revokedAtMs: null });
    expect(await tokens.dropEnded()).toBe(0);
  });
});

describe("tokens that are derived", () => {
  it("are not made without end, however the chain goes", async () => {
    const { vault, tokens, mint } = await makeStore();
    const chain = await mint({});
    const child = await tokens.mint({ ...GRANT, label: null }, OPERATOR, chain);
    const id = `derived:${chain[0].tokenId}`;
    expect((await vault.getDocument("state", id))?.value).toEqual({ derived: 1 });
    await vault.transaction((tx) => tx.putDocument("state", id, { derived: DERIVED_MAX - 1 }));
    const below = await tokens.verify(child.token);
    await tokens.mint({ ...GRANT, label: null }, OPERATOR, below);
    for (const parent of [chain, below]) {
      await expect(tokens.mint({ ...GRANT, label: null }, OPERATOR, parent)).rejects.toMatchObject({
        code: "policy_violation",
        reason: "capability_not_granted",
      });
    }
  });
});
