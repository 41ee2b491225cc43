import { randomBytes } from "node:crypto";
import { type KeyProvider, MemoryStore, Vault } from "@aivault/vault-core";
import { describe, expect, it } from "vitest";
import type { TokenGrant } from "./grant.ts";
import { TokenStore } from "./token-store.ts";

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

async function makeStore() {
  const store = new MemoryStore();
  const vault = await Vault.create({ store, keyProvider, random, now: Date.now });
  const written: [before: number, after: number][] = [];
  const tokens = new TokenStore({
    vault,
    random,
    now: Date.now,
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
