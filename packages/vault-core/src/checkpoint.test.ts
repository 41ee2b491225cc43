import { describe, expect, it } from "vitest";
import { constantKeyProvider, createVault, handClock, openVault } from "../test/support.ts";
import { verifyCheckpoints } from "./checkpoint.ts";
import { MemoryStore } from "./memory-store.ts";
import type { Vault } from "./vault.ts";

const DAY_MS = 86_400_000;

async function fill(days: number, store = new MemoryStore()) {
  const now = handClock();
  const vault = await createVault(store, constantKeyProvider(), now);
  for (let day = 0; day < days; day += 1) {
    for (let index = 0; index < 4; index += 1) await vault.audit.append({ kind: "test", index });
    await vault.audit.checkpoint();
    now.ms += DAY_MS;
  }
  return { store, vault, now };
}

async function linesOf(vault: Vault): Promise<Uint8Array[]> {
  const lines: Uint8Array[] = [];
  for await (const line of vault.audit.lines()) lines.push(line);
  return lines;
}

const check = (lines: readonly Uint8Array[], vault: Vault) =>
  verifyCheckpoints(
    async function* () {
      yield* lines;
    },
    { vaultId: vault.status().vaultId, publicKey: vault.auditPublicKey },
  );

describe("checkpoints", () => {
  it("let an auditor check the log without any secret", async () => {
    const { vault } = await fill(3);
    expect(await vault.audit.checkpoint()).toBeNull();
    const lines = await linesOf(vault);
    expect(await check(lines, vault)).toEqual({ ok: true, firstSeq: 1, toSeq: 15, checkpoints: 3 });
    expect(await vault.audit.verify()).toMatchObject({ ok: true, entries: 16 });
  });

  it("go on after the vault was closed", async () => {
    const { vault, store, now } = await fill(1);
    vault.lock();
    const again = await openVault(store, constantKeyProvider(), now);
    await again.audit.append({ kind: "more" });
    await again.audit.checkpoint();
    expect(await check(await linesOf(again), again)).toMatchObject({ ok: true, checkpoints: 2 });
  });

  it("G18: show every line that was edited, removed, repeated or moved", async () => {
    const { vault } = await fill(2);
    const lines = await linesOf(vault);
    const text = (line: Uint8Array) => new TextDecoder().decode(line);
    for (let at = 0; at < lines.length - 1; at += 1) {
      const changed = lines.with(
        at,
        new TextEncoder().encode(text(lines[at] as Uint8Array).replace(/"tsMs":1/, '"tsMs":2')),
      );
      const changes = [
        changed,
        lines.toSpliced(at, 1),
        lines.toSpliced(at, 0, lines[at] as Uint8Array),
        lines.toSpliced(at, 2, lines[at + 1] as Uint8Array, lines[at] as Uint8Array),
      ];
      for (const change of changes) expect((await check(change, vault)).ok).toBe(false);
    }
  });

  it("G18: are worth nothing under another key, or for another vault", async () => {
    const { vault } = await fill(1);
    const { vault: other } = await fill(1);
    const lines = await linesOf(vault);
    expect(await check(lines, other)).toMatchObject({ ok: false });
  });
});

describe("dropAuditBefore", () => {
  it("G18: drops whole days, and what is kept verifies, with and without the key", async () => {
    const { vault, store, now } = await fill(4);
    const third = handClock().ms + 2 * DAY_MS;
    expect(await vault.dropAuditBefore(third)).toBe(11);
    expect((await store.listLogs()).map(({ name }) => name)).toEqual([
      "2026-11-25.jsonl",
      "2026-11-26.jsonl",
      "2026-11-27.jsonl",
    ]);
    const verified = { ok: true, entries: 11 };
    expect(await vault.audit.verify()).toMatchObject(verified);
    expect(await check(await linesOf(vault), vault)).toMatchObject({ ok: true, firstSeq: 12 });
    vault.lock();
    const again = await openVault(store, constantKeyProvider(), now);
    expect(await again.audit.verify()).toMatchObject(verified);
    expect(await again.dropAuditBefore(third)).toBe(0);
    await store.deleteLog("2026-11-25.jsonl");
    expect(await again.audit.verify()).toMatchObject({ ok: false });
    expect(await check(await linesOf(again), again)).toMatchObject({ ok: false });
    await expect(again.dropAuditBefore(third + DAY_MS)).rejects.toMatchObject({
      code: "VAULT_TAMPERED",
    });
  });

  it("G20: deletes at the next start what it could not", async () => {
    class Stubborn extends MemoryStore {
      stubborn = true;
      override async deleteLog(name: string): Promise<void> {
        if (this.stubborn) throw new Error("cut off");
        return super.deleteLog(name);
      }
    }
    const store = new Stubborn();
    const { vault, now } = await fill(3, store);
    await expect(vault.dropAuditBefore(now.ms)).rejects.toThrow();
    vault.lock();
    store.stubborn = false;
    const again = await openVault(store, constantKeyProvider(), now);
    expect(await again.audit.verify()).toMatchObject({ ok: true });
    expect(await store.listLogs()).toHaveLength(2);
  });
});
