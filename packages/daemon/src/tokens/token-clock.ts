/**
 * The time by which tokens and operator sessions end: that of the wall clock, but it never goes back. What
 * has expired must not come back to life because somebody, or NTP, has put the clock back.
 *
 * Between two looks it advances at least as far as the monotonic clock does. A jump forward is believed, and
 * kept: what it ended stays ended.
 */
export class TokenClock {
  readonly #wall: () => number;
  readonly #monotonic: () => number;
  #nowMs: number;
  #seenAtMs: number;

  /**
   * @param wall - Unix time in milliseconds.
   * @param monotonic - Milliseconds since whenever; never set.
   */
  constructor(wall: () => number, monotonic: () => number) {
    this.#wall = wall;
    this.#monotonic = monotonic;
    this.#nowMs = wall();
    this.#seenAtMs = monotonic();
  }

  /** It was `atMs` already, in another process: the time of the newest entry on record. */
  notBefore(atMs: number): void {
    this.#nowMs = Math.max(this.now(), atMs);
  }

  /** Unix time in milliseconds; not smaller than any that was returned before. */
  now(): number {
    const monotonicMs = this.#monotonic();
    const passedMs = Math.max(0, monotonicMs - this.#seenAtMs);
    this.#seenAtMs = monotonicMs;
    this.#nowMs = Math.max(this.#wall(), this.#nowMs + passedMs);
    return Math.floor(this.#nowMs);
  }
}
