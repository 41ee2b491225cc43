/**
 * Which signed requests have been seen, so that none is accepted twice (G12).
 *
 * A nonce is remembered for as long as its signature would be accepted. That is in memory only, and yet
 * survives a restart: whatever was signed before this daemon could have seen it is refused. More nonces
 * than the bound are not forgotten for new ones; the new ones wait.
 */

/** Seconds a signature is good for, and the most a signer's clock may be ahead of ours. */
export const SIGNATURE_AGE_S = 60;
export const SIGNATURE_AHEAD_S = 1;

export type NonceVerdict = "fresh" | "replayed" | "stale" | "early" | "full";

export class Nonces {
  readonly #max: number;
  /** Token and nonce to when it may be forgotten, oldest first. */
  readonly #seen = new Map<string, number>();
  #floorS = Number.POSITIVE_INFINITY;

  /** @param max - Nonces remembered at a time. */
  constructor(max = 100_000) {
    this.#max = max;
  }

  /**
   * Say from when on this daemon sees everything. Only the first time counts.
   *
   * @param sinceMs - Unix time in milliseconds, not before anything another daemon has accepted.
   */
  begin(sinceMs: number): void {
    if (this.#floorS !== Number.POSITIVE_INFINITY) return;
    this.#floorS = Math.floor(sinceMs / 1000) + SIGNATURE_AHEAD_S + 1;
  }

  /**
   * Judge a signature that was verified, and remember it when it is fresh.
   *
   * @returns `early`: it was signed before {@link begin}, or so soon after that another daemon may have
   * seen it; signed again in a second or two it is fresh.
   */
  judge(tokenId: string, nonce: string, createdS: number, nowMs: number): NonceVerdict {
    const nowS = Math.floor(nowMs / 1000);
    if (createdS > nowS + SIGNATURE_AHEAD_S || createdS < nowS - SIGNATURE_AGE_S) return "stale";
    if (createdS < this.#floorS) return "early";
    for (const [name, untilS] of this.#seen) {
      if (untilS >= nowS) break;
      this.#seen.delete(name);
    }
    const name = `${tokenId} ${nonce}`;
    if (this.#seen.has(name)) return "replayed";
    if (this.#seen.size >= this.#max) return "full";
    // As long as from now, whatever `created` says: so the oldest are the first, and go first.
    this.#seen.set(name, nowS + SIGNATURE_AGE_S + 2 * SIGNATURE_AHEAD_S);
    return "fresh";
  }
}
