/**
 * How many refusals a peer may have put on record.
 *
 * G18 says that every denial is recorded, and that would let any caller fill the disk, and so stop
 * everybody. A peer that is refused faster than any mistake explains is told `rate_limited` without an
 * entry for each; how often that happened is recorded once a second. Nothing is left out silently.
 *
 * What one process does is its own fault, and others of its account go on. But processes and derived tokens
 * cost nothing to make, so an account has a limit as well, for all of them together.
 */

/** Refusals at once, and per second after that. */
export const DENIALS_BURST = 500;
export const DENIALS_PER_SECOND = 20;
/** The same of everything that an account runs. */
export const ACCOUNT_DENIALS_BURST = 5_000;
export const ACCOUNT_DENIALS_PER_SECOND = 100;

const SUMMARY_MS = 1_000;
const PEERS_MAX = 10_000;

/** Who was refused. */
export interface DeniedPeer {
  /** A process, or a token. */
  readonly name: string;
  /** Whose it is. */
  readonly account: string;
}

/** What was not recorded one by one. */
export interface Suppressed {
  readonly peer: string;
  readonly count: number;
  /** Unix times in milliseconds of the first and the last of them. */
  readonly fromMs: number;
  readonly toMs: number;
}

interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

interface Bucket {
  left: number;
  atMs: number;
  suppressed: Suppressed | null;
}

const PEER: Rate = { burst: DENIALS_BURST, perSecond: DENIALS_PER_SECOND };
const ACCOUNT: Rate = { burst: ACCOUNT_DENIALS_BURST, perSecond: ACCOUNT_DENIALS_PER_SECOND };

export class DenialLimit {
  readonly #now: () => number;
  readonly #record: (suppressed: Suppressed) => Promise<void>;
  readonly #peers = new Map<string, Bucket>();
  readonly #accounts = new Map<string, Bucket>();
  #timer: NodeJS.Timeout | undefined;

  /** @param record - Puts a summary on record. Where it fails, the count is kept for the next one. */
  constructor(now: () => number, record: (suppressed: Suppressed) => Promise<void>) {
    this.#now = now;
    this.#record = record;
  }

  /** Whether another denial of this peer may be recorded; null when it may, else how long to wait. */
  waitOf({ name, account }: DeniedPeer): number | null {
    const waitMs = Math.max(
      this.#wait(this.#peers.get(name), PEER),
      this.#wait(this.#accounts.get(account), ACCOUNT),
    );
    return waitMs === 0 ? null : waitMs;
  }

  /** A denial of this peer is on record. */
  count({ name, account }: DeniedPeer): void {
    for (const [bucket, rate] of [
      [this.#peer(name), PEER],
      [this.#account(account), ACCOUNT],
    ] as const) {
      this.#refill(bucket, rate);
      bucket.left = Math.max(0, bucket.left - 1);
    }
  }

  /** A request of this peer was refused and is not on record by itself. */
  suppress({ name, account }: DeniedPeer): void {
    // Of an account that is refused too often there is one summary, however many processes it is.
    const isPeers = this.#wait(this.#accounts.get(account), ACCOUNT) === 0;
    const bucket = isPeers ? this.#peer(name) : this.#account(account);
    const nowMs = this.#now();
    const { count = 0, fromMs = nowMs } = bucket.suppressed ?? {};
    bucket.suppressed = {
      peer: isPeers ? name : account,
      count: count + 1,
      fromMs,
      toMs: nowMs,
    };
    this.#timer ??= setTimeout(() => void this.flush(), SUMMARY_MS).unref();
  }

  /** Put on record what was suppressed so far. Does not fail: what could not be recorded is kept. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const peer of [...this.#peers.values(), ...this.#accounts.values()]) {
      const { suppressed } = peer;
      if (suppressed === null) continue;
      peer.suppressed = null;
      try {
        await this.#record(suppressed);
      } catch {
        const since = peer.suppressed as Suppressed | null;
        const count = suppressed.count + (since?.count ?? 0);
        peer.suppressed = { ...suppressed, count, toMs: since?.toMs ?? suppressed.toMs };
        this.#timer ??= setTimeout(() => void this.flush(), SUMMARY_MS).unref();
      }
    }
  }

  #peer(name: string): Bucket {
    let peer = this.#peers.get(name);
    if (peer === undefined) {
      if (this.#peers.size >= PEERS_MAX) this.#forgetIdle();
      peer = { left: PEER.burst, atMs: this.#now(), suppressed: null };
      this.#peers.set(name, peer);
    }
    return peer;
  }

  /** There are as many as accounts that can connect. */
  #account(name: string): Bucket {
    let account = this.#accounts.get(name);
    if (account === undefined) {
      account = { left: ACCOUNT.burst, atMs: this.#now(), suppressed: null };
      this.#accounts.set(name, account);
    }
    return account;
  }

  #wait(bucket: Bucket | undefined, rate: Rate): number {
    if (bucket === undefined) return 0;
    this.#refill(bucket, rate);
    return bucket.left >= 1 ? 0 : Math.ceil((1 - bucket.left) * (1_000 / rate.perSecond));
  }

  #refill(bucket: Bucket, { burst, perSecond }: Rate): void {
    const nowMs = this.#now();
    const passedMs = Math.max(0, nowMs - bucket.atMs);
    bucket.left = Math.min(burst, bucket.left + (passedMs / 1_000) * perSecond);
    bucket.atMs = nowMs;
  }

  /** Peers that are as good as new; when there is none, the one that was there first. */
  #forgetIdle(): void {
    for (const [name, peer] of this.#peers) {
      this.#refill(peer, PEER);
      if (peer.left >= PEER.burst && peer.suppressed === null) this.#peers.delete(name);
    }
    if (this.#peers.size < PEERS_MAX) return;
    for (const [name, { suppressed }] of this.#peers) {
      if (suppressed !== null) continue;
      this.#peers.delete(name);
      return;
    }
  }
}
