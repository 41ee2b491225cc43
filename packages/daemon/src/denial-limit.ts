/**
 * How many refusals a peer may have put on record.
 *
 * G18 says that every denial is recorded, and that would let any caller fill the disk, and so stop
 * everybody. A peer that is refused faster than any mistake explains is told `rate_limited` without an
 * entry for each; how often that happened is recorded once a second. Nothing is left out silently.
 */

/** Refusals at once, and per second after that. */
export const DENIALS_BURST = 500;
export const DENIALS_PER_SECOND = 20;

const SUMMARY_MS = 1_000;
const PEERS_MAX = 10_000;

/** What was not recorded one by one. */
export interface Suppressed {
  readonly peer: string;
  readonly count: number;
  /** Unix times in milliseconds of the first and the last of them. */
  readonly fromMs: number;
  readonly toMs: number;
}

interface Peer {
  left: number;
  atMs: number;
  suppressed: Suppressed | null;
}

export class DenialLimit {
  readonly #now: () => number;
  readonly #record: (suppressed: Suppressed) => Promise<void>;
  readonly #peers = new Map<string, Peer>();
  #timer: NodeJS.Timeout | undefined;

  /** @param record - Puts a summary on record. Where it fails, the count is kept for the next one. */
  constructor(now: () => number, record: (suppressed: Suppressed) => Promise<void>) {
    this.#now = now;
    this.#record = record;
  }

  /** Whether another denial of this peer may be recorded; null when it may, else how long to wait. */
  waitOf(name: string): number | null {
    const peer = this.#peers.get(name);
    if (peer === undefined) return null;
    this.#refill(peer);
    return peer.left >= 1 ? null : Math.ceil((1 - peer.left) * (1_000 / DENIALS_PER_SECOND));
  }

  /** A denial of this peer is on record. */
  count(name: string): void {
    const peer = this.#peer(name);
    this.#refill(peer);
    peer.left = Math.max(0, peer.left - 1);
  }

  /** A request of this peer was refused and is not on record by itself. */
  suppress(name: string): void {
    const peer = this.#peer(name);
    const nowMs = this.#now();
    const { count = 0, fromMs = nowMs } = peer.suppressed ?? {};
    peer.suppressed = { peer: name, count: count + 1, fromMs, toMs: nowMs };
    this.#timer ??= setTimeout(() => void this.flush(), SUMMARY_MS).unref();
  }

  /** Put on record what was suppressed so far. Does not fail: what could not be recorded is kept. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const peer of this.#peers.values()) {
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

  #peer(name: string): Peer {
    let peer = this.#peers.get(name);
    if (peer === undefined) {
      if (this.#peers.size >= PEERS_MAX) this.#forgetIdle();
      peer = { left: DENIALS_BURST, atMs: this.#now(), suppressed: null };
      this.#peers.set(name, peer);
    }
    return peer;
  }

  #refill(peer: Peer): void {
    const nowMs = this.#now();
    const passedMs = Math.max(0, nowMs - peer.atMs);
    peer.left = Math.min(DENIALS_BURST, peer.left + (passedMs / 1_000) * DENIALS_PER_SECOND);
    peer.atMs = nowMs;
  }

  /** Peers that are as good as new; when there is none, the one that was there first. */
  #forgetIdle(): void {
    for (const [name, peer] of this.#peers) {
      this.#refill(peer);
      if (peer.left >= DENIALS_BURST && peer.suppressed === null) this.#peers.delete(name);
    }
    if (this.#peers.size < PEERS_MAX) return;
    for (const [name, { suppressed }] of this.#peers) {
      if (suppressed !== null) continue;
      this.#peers.delete(name);
      return;
    }
  }
}
