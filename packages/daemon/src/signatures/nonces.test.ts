import { randomBytes } from "node:crypto";
import { type KeyProvider, MemoryStore, Vault } from "@aivault/vault-core";
import { beforeEach, describe, expect, it } from "vitest";
import { Nonces } from "./nonces.ts";

const START_S = 1_000_000;
const at = (seconds: number) => (START_S + seconds) * 1000;
const key = new Uint8Array(32).fill(7);
const keyProvider: KeyProvider = {
  config: { kind: "env", variable: "TEST_KEY" },
  create: async () => new Uint8Array(key),
  obtain: async () => new Uint8Array(key),
};
const effects = { random: (length: number) => new Uint8Array(randomBytes(length)), now: Date.now };

let store: MemoryStore;
let vault: Vault;
beforeEach(async () => {
  store = new MemoryStore();
  vault = await Vault.create({ ...effects, store, keyProvider });
});

/** The nonces as the next process finds them. */
async function restarted(): Promise<Nonces> {
  vault.lock();
  vault = await Vault.open({ ...effects, store });
  await vault.unlock(keyProvider);
  return new Nonces({ vault });
}

describe("nonces", () => {
  it("G12: are accepted once", async () => {
    const nonces = new Nonces({ vault });
    expect(await nonces.judge("t", "n", START_S, at(0))).toBe("fresh");
    expect(await nonces.judge("t", "n", START_S, at(0))).toBe("replayed");
    expect(await nonces.judge("t", "n", START_S, at(60))).toBe("replayed");
    expect(await nonces.judge("other", "n", START_S, at(0))).toBe("fresh");
  });

  it("G12: are accepted once however many come at a time", async () => {
    const nonces = new Nonces({ vault });
    const verdicts = await Promise.all(
      Array.from({ length: 100 }, (_, i) => nonces.judge("t", `n${i % 50}`, START_S, at(0))),
    );
    expect(verdicts.filter((verdict) => verdict === "fresh")).toHaveLength(50);
    expect(verdicts.filter((verdict) => verdict === "replayed")).toHaveLength(50);
  });

  it("G12: are remembered for as long as their signature is good", async () => {
    const nonces = new Nonces({ vault });
    for (const ahead of [-60, 0, 1]) {
      await nonces.judge("t", `n${ahead}`, START_S + ahead, at(0));
      for (let later = 0; later < 100; later += 3) {
        // Others come meanwhile, and take what places are free.
        await nonces.judge("t", `other ${ahead} ${later}`, START_S + later, at(later));
        const again = await nonces.judge("t", `n${ahead}`, START_S + ahead, at(later));
        expect(again).not.toBe("fresh");
      }
      await vault.transaction(async (tx) => {
        for (let slot = 0; slot < 64; slot++) {
          const id = `nonces:${slot}`;
          if ((await tx.getDocument("state", id)) !== null) await tx.deleteDocument("state", id);
        }
      });
    }
  });

  it.each([
    [-61, "stale"],
    [-60, "fresh"],
    [1, "fresh"],
    [2, "stale"],
  ])("G12: of a signature %i s old are %s", async (age, verdict) => {
    expect(await new Nonces({ vault }).judge("t", "n", START_S + age, at(0))).toBe(verdict);
  });

  it("G12: are known after a restart, and to another daemon on the same vault", async () => {
    const first = new Nonces({ vault });
    expect(await first.judge("t", "n", START_S, at(0))).toBe("fresh");
    expect(await new Nonces({ vault }).judge("t", "n", START_S, at(0))).toBe("replayed");
    const second = await restarted();
    expect(await second.judge("t", "n", START_S, at(30))).toBe("replayed");
    expect(await second.judge("t", "n2", START_S, at(30))).toBe("fresh");
  });

  it("G12: are refused where a clock that was put back could have had them forgotten", async () => {
    const nonces = new Nonces({ vault });
    expect(await nonces.judge("t", "n", START_S, at(0))).toBe("fresh");
    expect(await nonces.judge("t", "late", START_S + 64, at(64))).toBe("fresh");
    expect(await nonces.judge("t", "n", START_S, at(0))).toBe("early");
    expect(await nonces.judge("t", "n3", START_S, at(0))).toBe("early");
  });

  it("G12: are not forgotten for new ones", async () => {
    const nonces = new Nonces({ vault, perSecondMax: 2 });
    for (const nonce of ["a", "b"]) await nonces.judge("t", nonce, START_S, at(0));
    expect(await nonces.judge("t", "c", START_S, at(0))).toBe("full");
    expect(await nonces.judge("t", "a", START_S, at(0))).toBe("replayed");
    expect(await nonces.judge("t", "c", START_S + 1, at(0))).toBe("fresh");
  });

  it("take no more room however long they come", async () => {
    const nonces = new Nonces({ vault });
    for (let s = 0; s < 200; s++) await nonces.judge("t", `${s}`, START_S + s, at(s));
    const { items } = await vault.listDocuments("state", { limit: 1000 });
    expect(items).toHaveLength(64);
  });

  it("G19: are not fresh in a locked vault", async () => {
    const nonces = new Nonces({ vault });
    vault.lock();
    await expect(nonces.judge("t", "n", START_S, at(0))).rejects.toMatchObject({
      code: "VAULT_LOCKED",
    });
    await vault.unlock(keyProvider);
    expect(await nonces.judge("t", "n", START_S, at(0))).toBe("fresh");
  });

  it("are not fresh where another version has written what this one does not read", async () => {
    await vault.transaction((tx) => tx.putDocument("state", `nonces:${START_S % 64}`, { v: 2 }));
    expect(await new Nonces({ vault }).judge("t", "n", START_S, at(0))).toBe("early");
  });

  it("tell whoever caches that nothing else has changed", async () => {
    const written: [number, number][] = [];
    const onStateWritten = (before: number, after: number) => written.push([before, after]);
    const nonces = new Nonces({ vault, onStateWritten });
    const { revision } = vault.status();
    await nonces.judge("t", "n", START_S, at(0));
    expect(written).toEqual([[revision, revision + 1]]);
  });

  it("G13: do not take somebody else's change for theirs when they write nothing", async () => {
    const written: [number, number][] = [];
    const onStateWritten = (before: number, after: number) => written.push([before, after]);
    const nonces = new Nonces({ vault, onStateWritten });
    await nonces.judge("t", "n", START_S, at(0));
    written.length = 0;
    const [, verdict] = await Promise.all([
      vault.transaction((tx) => tx.putDocument("state", "revoked", { by: "an operator" })),
      nonces.judge("t", "n", START_S, at(0)),
    ]);
    expect(verdict).toBe("replayed");
    expect(written).toEqual([]);
  });
});
