/**
 * Which signed requests have been seen, so that none is accepted twice (G12).
 *
 * They are in the vault before their request is acted on, so a restart forgets none, and another daemon
 * on the same vault knows them. There is a document for each second in which a signature can have been
 * made, in a ring that is a little longer than a signature is good: what is overwritten is too old to be
 * accepted. More than the bound are not forgotten for new ones; the new ones wait.
 */

import { createHash } from "node:crypto";
import type { JsonValue, Vault } from "@aivault/vault-core";
import * as z from "zod";

/** Seconds a signature is good for, and the most a signer's clock may be ahead of ours. */
export const SIGNATURE_AGE_S = 60;
export const SIGNATURE_AHEAD_S = 1;

/** Two seconds that are good at one time never share a document: 64 > 60 + 1 + 1. */
const RING = 64;
/** Nonces of one second. At 16 characters each a document stays below 40 KiB. */
const PER_SECOND_MAX = 2_000;
/** Of 96 bits: that two of a second are alike by chance does not happen. */
const DIGEST_CHARS = 16;

export type NonceVerdict = "fresh" | "replayed" | "stale" | "early" | "full";

export interface NoncesOptions {
  readonly vault: Vault;
  /** Nonces remembered of one second; for tests. */
  readonly perSecondMax?: number;
  /** Called after a write that changed nothing but nonces, with the revisions around it. */
  readonly onStateWritten?: (before: number, after: number) => void;
}

/** The nonces of one second. */
interface Second {
  readonly createdS: number;
  readonly seen: readonly string[];
}

const schema = z.strictObject({
  createdS: z.number().int().nonnegative(),
  seen: z.array(z.string().length(DIGEST_CHARS)),
});

interface Waiting {
  readonly createdS: number;
  readonly digest: string;
  settle(verdict: NonceVerdict): void;
  fail(error: unknown): void;
}

export class Nonces {
  readonly #vault: Vault;
  readonly #perSecondMax: number;
  readonly #onStateWritten: (before: number, after: number) => void;
  #waiting: Waiting[] = [];
  #writing = false;

  constructor({ vault, perSecondMax = PER_SECOND_MAX, onStateWritten = () => {} }: NoncesOptions) {
    this.#vault = vault;
    this.#perSecondMax = perSecondMax;
    this.#onStateWritten = onStateWritten;
  }

  /**
   * Judge a signature that was verified, and remember it when it is fresh.
   *
   * @returns When it is in the vault. `early`: a later second stands where this one would, so the clock
   * was put back; what was seen in this one may have been forgotten since.
   * @throws {VaultError} It could not be remembered. It is not fresh then.
   */
  judge(tokenId: string, nonce: string, createdS: number, nowMs: number): Promise<NonceVerdict> {
    const nowS = Math.floor(nowMs / 1000);
    if (createdS > nowS + SIGNATURE_AHEAD_S || createdS < nowS - SIGNATURE_AGE_S) {
      return Promise.resolve("stale");
    }
    const hash = createHash("sha256").update(`${tokenId} ${nonce}`).digest("base64url");
    const digest = hash.slice(0, DIGEST_CHARS);
    return new Promise((settle, fail) => {
      this.#waiting.push({ createdS, digest, settle, fail });
      void this.#write();
    });
  }

  /** Those that wait together share a write. */
  async #write(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        const verdicts = await this.#judgeAll(batch);
        for (const [i, waiting] of batch.entries()) waiting.settle(verdicts[i] ?? "full");
      } catch (error) {
        for (const waiting of batch) waiting.fail(error);
      }
    }
    this.#writing = false;
  }

  async #judgeAll(batch: readonly Waiting[]): Promise<NonceVerdict[]> {
    const before = this.#vault.status().revision;
    const changed = new Set<string>();
    const verdicts = await this.#vault.transaction(async (tx) => {
      const seconds = new Map<string, Second | null>();
      const judged: NonceVerdict[] = [];
      for (const waiting of batch) {
        const id = `nonces:${waiting.createdS % RING}`;
        let second = seconds.get(id);
        if (second === undefined) {
          second = parse((await tx.getDocument("state", id))?.value ?? null);
          seconds.set(id, second);
        }
        const { verdict, next } = this.#judgeOne(waiting, second);
        judged.push(verdict);
        if (next === null) continue;
        seconds.set(id, next);
        changed.add(id);
      }
      for (const id of changed) {
        await tx.putDocument("state", id, seconds.get(id) as unknown as JsonValue);
      }
      return judged;
    });
    // G13: where nothing was written here, a revision that is greater by one is somebody else's change.
    if (changed.size > 0) this.#onStateWritten(before, this.#vault.status().revision);
    return verdicts;
  }

  #judgeOne(
    { createdS, digest }: Waiting,
    second: Second | null,
  ): { readonly verdict: NonceVerdict; readonly next: Second | null } {
    if (second === null || second.createdS < createdS) {
      return { verdict: "fresh", next: { createdS, seen: [digest] } };
    }
    if (second.createdS > createdS) return { verdict: "early", next: null };
    if (second.seen.includes(digest)) return { verdict: "replayed", next: null };
    if (second.seen.length >= this.#perSecondMax) return { verdict: "full", next: null };
    return { verdict: "fresh", next: { createdS, seen: [...second.seen, digest] } };
  }
}

/** What a version that is not this one has written is not overwritten: nothing of that second is fresh. */
const UNREADABLE: Second = { createdS: Number.MAX_SAFE_INTEGER, seen: [] };

function parse(value: JsonValue | null): Second | null {
  if (value === null) return null;
  const result = schema.safeParse(value);
  return result.success ? result.data : UNREADABLE;
}
