import type { JsonValue, RandomBytes, Vault, VaultTransaction } from "@aivault/vault-core";
import { readCount, readMembers, readString } from "./shape.ts";

/** Who renews a credential's token, in a sealed document of kind `state`, written before the request. */
interface Lease {
  /** The broker that holds it. */
  readonly holder: string;
  /** Counts up while the holder lives. */
  readonly beat: number;
  /** Of the secret whose refresh token is being used. */
  readonly valueVersion: number;
  readonly startedAtMs: number;
}

/** A lease that was taken. */
export interface TakenLease {
  /** When a renewal with the same refresh token began whose end nobody stored; null when none did. */
  readonly interruptedAtMs: number | null;
  /** Takes the lease back, in the transaction that stores what came of it; another's is left alone. */
  release(tx: VaultTransaction): Promise<void>;
  /** Stops the beats. A lease that was not released stays, and says that a renewal was cut off. */
  stop(): void;
}

const POLL_MS = 100;
const BEAT_MS = 2_000;
/** A holder whose beat has not changed for so many looks, 6 s, is gone. */
const LOOKS_MAX = 60;

/**
 * One renewal at a time among everything that works on one vault, and a trace of the one that was cut
 * off: what a refresh token was spent for may be lost with the process, but not silently.
 *
 * Nobody's clock is compared with anybody else's: a holder is gone when its beat stands still.
 */
export class OAuthLeases {
  readonly #vault: Vault;
  readonly #holder: string;

  constructor(vault: Vault, random: RandomBytes) {
    this.#vault = vault;
    this.#holder = Buffer.from(random(16)).toString("hex");
  }

  /**
   * Waits for whoever renews, and takes the lease.
   *
   * @param isDone - True when another has done what the lease is wanted for. Asked before the lease is
   * taken, and once it is: what was done in between nobody else will do again.
   * @returns Null when it is done.
   */
  async take(
    credentialId: string,
    valueVersion: number,
    nowMs: number,
    isDone: () => Promise<boolean>,
  ): Promise<TakenLease | null> {
    let seen = "";
    let looks = 0;
    for (;;) {
      if (await isDone()) return null;
      const found = await this.#claim(credentialId, valueVersion, nowMs, looks >= LOOKS_MAX);
      if (found.taken) {
        if (await this.#isDoneUnder(credentialId, isDone)) return null;
        const timer = setInterval(() => void this.#beat(credentialId), BEAT_MS);
        timer.unref();
        return {
          interruptedAtMs: found.interruptedAtMs,
          release: (tx) => this.#release(tx, credentialId),
          stop: () => clearInterval(timer),
        };
      }
      looks = found.state === seen ? looks + 1 : 0;
      seen = found.state;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** Asks under the lease, and gives it back unless there is something to do. */
  async #isDoneUnder(credentialId: string, isDone: () => Promise<boolean>): Promise<boolean> {
    let isKept = false;
    try {
      isKept = !(await isDone());
      return !isKept;
    } finally {
      if (!isKept) {
        await this.#vault.transaction((tx) => this.#release(tx, credentialId));
      }
    }
  }

  /** A holder that stood still for too long has lost it to somebody, who goes on needing it. */
  async #release(tx: VaultTransaction, credentialId: string): Promise<void> {
    const document = await tx.getDocument("state", leaseId(credentialId));
    if (document !== null && parseLease(document.value).holder === this.#holder) {
      await tx.deleteDocument("state", leaseId(credentialId));
    }
  }

  async #claim(
    credentialId: string,
    valueVersion: number,
    nowMs: number,
    force: boolean,
  ): Promise<{ taken: true; interruptedAtMs: number | null } | { taken: false; state: string }> {
    return await this.#vault.transaction(async (tx) => {
      const document = await tx.getDocument("state", leaseId(credentialId));
      const lease = document === null ? null : parseLease(document.value);
      if (lease !== null && lease.holder !== this.#holder && !force) {
        return { taken: false, state: `${lease.holder} ${lease.beat}` };
      }
      const mine: Lease = { holder: this.#holder, beat: 0, valueVersion, startedAtMs: nowMs };
      await tx.putDocument("state", leaseId(credentialId), { ...mine } as unknown as JsonValue);
      const wasSpent = lease !== null && lease.valueVersion === valueVersion;
      return { taken: true, interruptedAtMs: wasSpent ? lease.startedAtMs : null };
    });
  }

  async #beat(credentialId: string): Promise<void> {
    await this.#vault
      .transaction(async (tx) => {
        const document = await tx.getDocument("state", leaseId(credentialId));
        const lease = document === null ? null : parseLease(document.value);
        if (lease?.holder !== this.#holder) return;
        const next: Lease = { ...lease, beat: lease.beat + 1 };
        await tx.putDocument("state", leaseId(credentialId), { ...next } as unknown as JsonValue);
      })
      // A vault that was locked meanwhile has no more use for the lease.
      .catch(() => {});
  }
}

/** The document's id. */
function leaseId(credentialId: string): string {
  return `oauth-lease:${credentialId}`;
}

function parseLease(value: JsonValue): Lease {
  const members = readMembers(value, "the lease", [
    "holder",
    "beat",
    "valueVersion",
    "startedAtMs",
  ]);
  return {
    holder: readString(members.get("holder"), "holder"),
    beat: readCount(members.get("beat"), "beat"),
    valueVersion: readCount(members.get("valueVersion"), "valueVersion"),
    startedAtMs: readCount(members.get("startedAtMs"), "startedAtMs"),
  };
}
