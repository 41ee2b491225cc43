import { describe, expect, it } from "vitest";
import { constantKeyProvider, createVault, handClock, openVault } from "../test/support.ts";
import type { AuditEvent } from "./audit-entry.ts";
import { encodeBase64, encodeUtf8 } from "./bytes.ts";
import {
  auditPublicKey,
  CHECKPOINT,
  type Checkpoint,
  checkpointEvent,
  foldLine,
  NO_LINES,
  verifyCheckpoints,
} from "./checkpoint.ts";
import { encodeJsonFile } from "./json.ts";
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

describe("verifyCheckpoints", () => {
  const VAULT = "00112233445566778899aabbccddeeff";
  const seed = new Uint8Array(32).fill(3);
  const publicKey = auditPublicKey(seed);

  /** The line of an entry; its place in the chain says nothing to somebody without the key. */
  const line = (seq: number, event: AuditEvent = { kind: "test" }): Uint8Array =>
    encodeJsonFile({ event, mac: encodeBase64(new Uint8Array(32)), seq, tsMs: seq });
  const numbers = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, at) => from + at);
  const digestOf = (lines: readonly Uint8Array[]) => encodeBase64(lines.reduce(foldLine, NO_LINES));

  /** A log of the entries `seqs`, in which some are checkpoints of ranges. */
  function log(
    seqs: readonly number[],
    checkpoints: Readonly<Record<number, Partial<Checkpoint>>>,
    sign: (checkpoint: Checkpoint) => AuditEvent = (checkpoint) =>
      checkpointEvent(checkpoint, seed),
  ): Uint8Array[] {
    const lines = new Map<number, Uint8Array>();
    for (const seq of seqs) {
      const range = checkpoints[seq];
      if (range === undefined) {
        lines.set(seq, line(seq));
        continue;
      }
      const { fromSeq = seqs[0] as number, toSeq = seq - 1 } = range;
      const covered = [...lines].filter(([at]) => at >= fromSeq && at <= toSeq);
      const digest = digestOf(covered.map(([, bytes]) => bytes));
      const firstSeq = seqs[0] as number;
      const whole = { version: 1, vaultId: VAULT, firstSeq, fromSeq, toSeq, digest, ...range };
      lines.set(seq, line(seq, sign(whole as Checkpoint)));
    }
    return [...lines.values()];
  }

  const judge = (lines: readonly Uint8Array[], vault = { vaultId: VAULT, publicKey }) =>
    verifyCheckpoints(async function* () {
      yield* lines;
    }, vault);
  const broken = (seq: number, problem: string) => ({ ok: false, seq, problem });

  it("looks at entries of one kind", () => {
    expect(CHECKPOINT).toBe("audit.checkpoint");
  });

  it("says from where to where a log is vouched for", async () => {
    const lines = log(numbers(1, 9), { 4: { toSeq: 3 }, 7: { fromSeq: 4 } });
    expect(await judge(lines)).toEqual({ ok: true, firstSeq: 1, toSeq: 6, checkpoints: 2 });
    // What comes later is not vouched for yet, and a log without checkpoints not at all.
    expect(await judge([line(1), line(2)])).toEqual({
      ok: true,
      firstSeq: 1,
      toSeq: 0,
      checkpoints: 0,
    });
  });

  it("takes a checkpoint right behind what it speaks of, and ranges that overlap", async () => {
    const lines = log(numbers(1, 12), {
      2: {},
      6: { fromSeq: 1, toSeq: 4 },
      9: { fromSeq: 3, toSeq: 8 },
      10: { fromSeq: 5, toSeq: 6 },
      12: { fromSeq: 1, toSeq: 11 },
    });
    expect(await judge(lines)).toEqual({ ok: true, firstSeq: 1, toSeq: 11, checkpoints: 5 });
  });

  it("refuses an empty log, and a line that is no entry", async () => {
    expect(await judge([])).toEqual(broken(1, "the log is empty"));
    expect(await judge([encodeUtf8("x\n")])).toEqual(broken(1, "a line is not an audit entry"));
    const lines = [line(1), line(2), line(3).subarray(0, -1)];
    expect(await judge(lines)).toEqual(broken(3, "a line is not an audit entry"));
  });

  it("G18: refuses entries out of order, and one that comes twice", async () => {
    expect(await judge([line(1), line(3), line(2)])).toEqual(
      broken(2, "entry 2 comes after entry 3"),
    );
    expect(await judge([line(1), line(2), line(2)])).toEqual(
      broken(2, "entry 2 comes after entry 2"),
    );
    expect(await judge([line(0)])).toEqual(broken(0, "entry 0 comes after entry 0"));
  });

  it("G18: refuses a checkpoint that is not signed by the vault, as it stands", async () => {
    const stranger = new Uint8Array(32).fill(4);
    const signed = (checkpoint: Checkpoint) => checkpointEvent(checkpoint, seed);
    const signs: ((checkpoint: Checkpoint) => AuditEvent)[] = [
      (checkpoint) => checkpointEvent(checkpoint, stranger),
      (checkpoint) => ({ ...signed(checkpoint), signature: "" }),
      (checkpoint) => ({ ...signed(checkpoint), signature: "?" }),
      (checkpoint) => ({ ...signed(checkpoint), signature: 1 }),
      (checkpoint) => ({ ...signed(checkpoint), signature: [signed(checkpoint).signature] }),
      (checkpoint) => ({ ...signed(checkpoint), signature: encodeBase64(new Uint8Array(64)) }),
      (checkpoint) => ({ ...signed(checkpoint), signature: encodeBase64(new Uint8Array(63)) }),
      (checkpoint) => ({ ...signed(checkpoint), checkpoint: { ...checkpoint, firstSeq: 2 } }),
      (checkpoint) => ({ kind: signed(checkpoint).kind, checkpoint: { ...checkpoint } }),
      (checkpoint) => ({ kind: signed(checkpoint).kind, signature: signed(checkpoint).signature }),
    ];
    for (const sign of signs) {
      expect(await judge(log(numbers(1, 4), { 3: {} }, sign))).toEqual(
        broken(3, "checkpoint 3 has no valid signature"),
      );
    }
  });

  it("G18: takes no key that every signature fits, as looser rules than RFC 8032's do", async () => {
    // The neutral element, as key and in the signature, with zero behind it.
    const neutral = new Uint8Array(32).with(0, 1);
    const signature = encodeBase64(new Uint8Array(64).with(0, 1));
    const sign = (checkpoint: Checkpoint) => ({ ...checkpointEvent(checkpoint, seed), signature });
    const lines = log(numbers(1, 4), { 3: {} }, sign);
    expect(await judge(lines, { vaultId: VAULT, publicKey: neutral })).toEqual(
      broken(3, "checkpoint 3 has no valid signature"),
    );
  });

  it.each([
    ["of another version", { version: 2 }],
    ["of another vault", { vaultId: "ff".repeat(16) }],
    ["without a vault", { vaultId: 1 }],
    ["without a digest", { digest: 1 }],
    ["with a broken first number", { firstSeq: 1.5 }],
    ["with a first number that is text", { fromSeq: "1" }],
    ["without a last number", { toSeq: null }],
  ])("G18: refuses a checkpoint %s, though it is signed", async (_, changes) => {
    const sign = (checkpoint: Checkpoint) =>
      checkpointEvent({ ...checkpoint, ...changes } as unknown as Checkpoint, seed);
    expect(await judge(log(numbers(1, 4), { 3: {} }, sign))).toEqual(
      broken(3, "checkpoint 3 has no valid signature"),
    );
  });

  it("G18: refuses a checkpoint that speaks of itself or of what comes later", async () => {
    for (const toSeq of [3, 4]) {
      expect(await judge(log(numbers(1, 4), { 3: { toSeq } }))).toEqual(
        broken(3, "checkpoint 3 speaks of itself"),
      );
    }
  });

  it("G18: takes a log that begins later only where it is signed that it does", async () => {
    const lines = log(numbers(5, 8), { 8: { fromSeq: 5 } });
    expect(await judge(lines)).toEqual({ ok: true, firstSeq: 5, toSeq: 7, checkpoints: 1 });
    const unsaid = log(numbers(5, 8), { 8: { fromSeq: 5, firstSeq: 4 } });
    expect(await judge(unsaid)).toEqual(
      broken(5, "nothing signed says that the log begins with entry 5"),
    );
    expect(await judge([line(2)])).toEqual(
      broken(2, "nothing signed says that the log begins with entry 2"),
    );
  });

  it("leaves aside a checkpoint of entries that retention has dropped", async () => {
    const lines = log(numbers(5, 9), {
      6: { fromSeq: 1, toSeq: 5, digest: "" },
      9: { fromSeq: 5 },
    });
    expect(await judge(lines)).toEqual({ ok: true, firstSeq: 5, toSeq: 8, checkpoints: 1 });
  });

  it("G18: names the first entry that no checkpoint vouches for", async () => {
    const lines = log(numbers(1, 9), { 4: { fromSeq: 1, toSeq: 3 }, 9: { fromSeq: 5, toSeq: 8 } });
    expect(await judge(lines)).toEqual(broken(4, "no checkpoint vouches for this entry"));
    const late = log(numbers(1, 4), { 4: { fromSeq: 2 } });
    expect(await judge(late)).toEqual(broken(1, "no checkpoint vouches for this entry"));
  });

  it("G18: names the range in which a line was changed, added or left out", async () => {
    const good = log(numbers(1, 9), { 4: {}, 9: { fromSeq: 4 } });
    const first = broken(1, "entries 1 to 3 are not those that were signed");
    const second = broken(4, "entries 4 to 8 are not those that were signed");
    const other = (seq: number) => line(seq, { kind: "other" });
    expect(await judge(good)).toMatchObject({ ok: true });
    expect(await judge(good.with(1, other(2)))).toEqual(first);
    expect(await judge(good.toSpliced(1, 1))).toEqual(first);
    expect(await judge(good.with(7, other(8)))).toEqual(second);
    expect(await judge(good.toSpliced(5, 1))).toEqual(second);
  });

  it("G18: sees that the lines of a range that is the log's end are gone", async () => {
    const lines = log(numbers(1, 6), { 6: { fromSeq: 4, toSeq: 5 }, 3: {} });
    // Two ranges; of the second, which the last line speaks of, no line is left.
    expect(await judge(lines.toSpliced(2, 3))).toMatchObject({ ok: false });
  });

  it("G18: sees that the log is another one when it is read again", async () => {
    const good = log(numbers(1, 4), { 4: {} });
    for (const later of [[], [encodeUtf8("x\n")], good.slice(1)]) {
      let reads = 0;
      const changing = await verifyCheckpoints(
        async function* () {
          reads += 1;
          yield* reads === 1 ? good : later;
        },
        { vaultId: VAULT, publicKey },
      );
      expect(changing).toEqual(broken(1, "entries 1 to 3 are not those that were signed"));
    }
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
