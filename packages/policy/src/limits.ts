import { accept, invalid, type Result } from "./result.ts";

/**
 * A sliding-window rate limit as a value (G10).
 *
 * The window is a minute cut into 60 slots of a second, with a count each. A request is admitted when the
 * counts of the current slot and of the 60 before it are below the limit: never more than the limit in
 * any 60 seconds, at the price of remembering a request for up to one second too long. The value is
 * small, is plain JSON, and can be stored, so a restart resets nothing.
 */
export interface RateWindow {
  /** The newest slot: Unix time in whole seconds. */
  readonly slot: number;
  /** Requests per slot, the newest last. At most 61. */
  readonly counts: readonly number[];
}

/** A window in which nothing has happened. */
export const EMPTY_WINDOW: RateWindow = { slot: 0, counts: [] };

/** Milliseconds the limit speaks about. */
export const RATE_WINDOW_MS = 60_000;

const SLOT_MS = 1_000;
const SLOTS = RATE_WINDOW_MS / SLOT_MS + 1;

/** What {@link take} decided, and the window that must replace the one it was given. */
export interface Taken {
  readonly allowed: boolean;
  readonly window: RateWindow;
  /** Milliseconds after which a request can be admitted again; 0 when this one was. */
  readonly retryAfterMs: number;
}

/**
 * Count one request, if the limit admits it. A refused request is not counted.
 *
 * @param nowMs - Unix time (P2: there is no clock here). A clock that was set back does not give slots back: the newest slot seen
 * stands for now.
 * @param perMinute - Whole number; 0 admits nothing.
 */
export function take(window: RateWindow, nowMs: number, perMinute: number): Taken {
  const slot = Math.max(Math.floor(nowMs / SLOT_MS), window.slot);
  const counts = advance(window, slot);
  let used = 0;
  for (const count of counts) used += count;
  if (used < perMinute) {
    counts[counts.length - 1] = (counts.at(-1) as number) + 1;
    return { allowed: true, window: { slot, counts }, retryAfterMs: 0 };
  }
  return {
    allowed: false,
    window: { slot, counts },
    retryAfterMs: waitMs(counts, used, perMinute, slot, nowMs),
  };
}

/** The counts of `window`, moved so that `slot` is the newest. */
function advance(window: RateWindow, slot: number): number[] {
  const steps = Math.min(slot - window.slot, SLOTS);
  const counts = window.counts.slice(Math.max(0, window.counts.length + steps - SLOTS));
  for (let i = 0; i < steps && counts.length < SLOTS; i++) counts.push(0);
  while (counts.length < 1) counts.push(0);
  return counts.slice(-SLOTS);
}

/** How many requests the window remembers at `nowMs`. */
export function used(window: RateWindow, nowMs: number): number {
  const slot = Math.max(Math.floor(nowMs / SLOT_MS), window.slot);
  return advance(window, slot).reduce((sum, count) => sum + count, 0);
}

/**
 * Count requests ahead of time: a window to store, under which `count` requests may be admitted until
 * `untilMs` without storing each.
 *
 * They are counted as if they had come at `untilMs`, so whoever begins from this window again admits no
 * more than the limit, whenever they came. Requests that are remembered stay remembered: those that
 * would leave the window by `untilMs` are counted with the oldest that stay.
 *
 * @param count - At most what the limit leaves.
 */
export function reserve(window: RateWindow, untilMs: number, count: number): RateWindow {
  const slot = Math.max(Math.floor(untilMs / SLOT_MS), window.slot);
  const counts = advance(window, slot);
  const kept = counts.reduce((sum, each) => sum + each, 0);
  const known = window.counts.reduce((sum, each) => sum + each, 0);
  counts[0] = (counts[0] as number) + (known - kept);
  counts[counts.length - 1] = (counts.at(-1) as number) + count;
  return { slot, counts };
}

/** Milliseconds until enough of the oldest slots have left the window. */
function waitMs(
  counts: readonly number[],
  used: number,
  perMinute: number,
  slot: number,
  nowMs: number,
): number {
  if (perMinute <= 0) return RATE_WINDOW_MS;
  let left = used;
  for (const [index, count] of counts.entries()) {
    left -= count;
    if (left < perMinute) {
      const slotOfCount = slot - (counts.length - 1 - index);
      return Math.max(1, (slotOfCount + SLOTS) * SLOT_MS - nowMs);
    }
  }
  return RATE_WINDOW_MS;
}

/**
 * Read a stored window.
 *
 * @returns `invalid_request` for anything {@link take} would not have made: a damaged window must not
 * be mistaken for an empty one.
 */
export function parseRateWindow(json: unknown): Result<RateWindow> {
  if (typeof json !== "object" || json === null) return invalid("a rate window is an object");
  const { slot, counts } = json as { slot?: unknown; counts?: unknown };
  if (!isCount(slot) || !Array.isArray(counts) || counts.length > SLOTS || !counts.every(isCount)) {
    return invalid(`a rate window is a slot and at most ${SLOTS} counts`);
  }
  return accept({ slot, counts });
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
