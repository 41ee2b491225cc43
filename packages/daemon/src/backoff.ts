/** How long to wait after passphrases that did not fit. Pure: time comes in, the state goes out. */

/** Wrong passphrases in a row, and when the next one may come. */
export interface Attempts {
  readonly failures: number;
  /** Unix time in milliseconds. */
  readonly notBeforeMs: number;
}

export const NO_ATTEMPTS: Attempts = { failures: 0, notBeforeMs: 0 };

/** People mistype. */
const FREE_FAILURES = 3;
const WAIT_MS_MAX = 30_000;

/** What another wrong one makes of it: after a few, twice as long each time. */
export function countFailure({ failures }: Attempts, nowMs: number): Attempts {
  const over = failures + 1 - FREE_FAILURES;
  const waitMs = over > 0 ? Math.min(2 ** Math.min(over, 10) * 500, WAIT_MS_MAX) : 0;
  return { failures: failures + 1, notBeforeMs: nowMs + waitMs };
}

/**
 * Milliseconds to wait yet.
 *
 * A clock that was put back does not make it longer than it could have become.
 */
export function waitOf({ notBeforeMs }: Attempts, nowMs: number): number {
  return Math.min(Math.max(0, notBeforeMs - nowMs), WAIT_MS_MAX);
}
