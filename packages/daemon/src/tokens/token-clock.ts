/** What was known when the wall clock was found to be behind: the time it had been, and what it showed then. */
export interface PutBack {
  readonly nowMs: number;
  readonly wallMs: number;
}

/** By less than this the two clocks drift apart by themselves. */
const TOLERANCE_MS = 1_000;

/**
 * No earlier than what time it is for a process that finds this on record.
 *
 * As long as the wall clock has not caught up, what it has advanced since is added. Once it has, it is right
 * again, or has at least nothing to bring back to life.
 */
export function timeAfter({ nowMs, wallMs }: PutBack, wallNowMs: number): number {
  if (wallNowMs >= nowMs) return wallNowMs;
  return nowMs + Math.max(0, wallNowMs - wallMs);
}

/**
 * The time by which tokens and operator sessions end: that of the wall clock, but it never goes back. What
 * has expired must not come back to life because somebody, or NTP, has put the clock back.
 *
 * Between two looks it advances at least as far as the monotonic clock does. A jump forward is believed, and
 * kept: what it ended stays ended. That the wall clock is behind is told once for each time it was put back, so
 * that it can be kept for the next process.
 */
export class TokenClock {
  readonly #wall: () => number;
  readonly #monotonic: () => number;
  readonly #onPutBack: (putBack: PutBack) => void;
  #nowMs: number;
  #seenAtMs: number;
  /** How far the wall clock was behind when it was told last. */
  #toldMs = 0;

  /**
   * @param wall - Unix time in milliseconds.
   * @param monotonic - Milliseconds since whenever; never set.
   * @param onPutBack - Hears of it as soon as somebody asks for the time; must not ask for it itself.
   */
  constructor(
    wall: () => number,
    monotonic: () => number,
    onPutBack: (putBack: PutBack) => void = () => {},
  ) {
    this.#wall = wall;
    this.#monotonic = monotonic;
    this.#onPutBack = onPutBack;
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
    const wallMs = this.#wall();
    this.#nowMs = Math.max(wallMs, this.#nowMs + passedMs);
    const behindMs = this.#nowMs - wallMs;
    if (behindMs < TOLERANCE_MS) this.#toldMs = 0;
    else if (behindMs > this.#toldMs + TOLERANCE_MS) {
      this.#toldMs = behindMs;
      this.#onPutBack({ nowMs: Math.floor(this.#nowMs), wallMs });
    }
    return Math.floor(this.#nowMs);
  }
}
