import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  EMPTY_WINDOW,
  parseRateWindow,
  RATE_WINDOW_MS,
  type RateWindow,
  reserve,
  take,
  used,
} from "./limits.ts";

const T = 1_700_000_000_000;

function takeMany(window: RateWindow, times: number, nowMs: number, perMinute: number): RateWindow {
  let now = window;
  for (let i = 0; i < times; i++) now = take(now, nowMs, perMinute).window;
  return now;
}

describe("take", () => {
  it("G10: admits as many as the limit says, then says when to come back", () => {
    const window = takeMany(EMPTY_WINDOW, 3, T + 500, 3);
    const refused = take(window, T + 10_000, 3);
    expect(refused).toMatchObject({ allowed: false, retryAfterMs: 51_000 });
    expect(take(refused.window, T + 10_000 + refused.retryAfterMs - 1, 3).allowed).toBe(false);
    expect(take(refused.window, T + 10_000 + refused.retryAfterMs, 3).allowed).toBe(true);
  });

  it("G10: never admits more than the limit in any sixty seconds", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 60 }),
        fc.integer({ min: 0, max: 6 }),
        (steps, perMinute) => {
          let nowMs = T;
          let window: RateWindow = EMPTY_WINDOW;
          const admitted: number[] = [];
          for (const step of steps) {
            nowMs += step;
            // Storing and loading changes nothing.
            const stored = parseRateWindow(JSON.parse(JSON.stringify(window)));
            if (!stored.ok) throw new Error(stored.message);
            const taken = take(stored.value, nowMs, perMinute);
            window = taken.window;
            if (taken.allowed) admitted.push(nowMs);
            else
              expect(take(window, nowMs + taken.retryAfterMs, perMinute).allowed).toBe(
                perMinute > 0,
              );
          }
          for (const start of admitted) {
            const inside = admitted.filter((at) => at >= start && at < start + RATE_WINDOW_MS);
            expect(inside.length).toBeLessThanOrEqual(perMinute);
          }
        },
      ),
    );
  });

  it("does not count what it refused", () => {
    const window = takeMany(EMPTY_WINDOW, 100, T, 2);
    expect(take(window, T + 61_000, 2).allowed).toBe(true);
  });

  it("admits nothing at a limit of zero", () => {
    expect(take(EMPTY_WINDOW, T, 0)).toMatchObject({ allowed: false, retryAfterMs: 60_000 });
  });

  it("G10: gives nothing back when the clock is set back", () => {
    const window = takeMany(EMPTY_WINDOW, 2, T, 2);
    expect(take(window, T - 3_600_000, 2).allowed).toBe(false);
    expect(take(window, 0, 2).allowed).toBe(false);
  });

  it("leaves the window it was given as it was", () => {
    const window = takeMany(EMPTY_WINDOW, 1, T, 5);
    const before = JSON.stringify(window);
    take(window, T + 1_000, 5);
    expect(JSON.stringify(window)).toBe(before);
    expect(EMPTY_WINDOW).toEqual({ slot: 0, counts: [] });
  });
});

describe("parseRateWindow", () => {
  it.each([
    null,
    [],
    {},
    { slot: 1 },
    { slot: -1, counts: [] },
    { slot: 1.5, counts: [] },
    { slot: 1, counts: [-1] },
    { slot: 1, counts: ["1"] },
    { slot: 1, counts: Array(62).fill(0) },
  ])("does not mistake %j for a window", (json) => {
    expect(parseRateWindow(json)).toMatchObject({ code: "invalid_request" });
  });
});

describe("reserve", () => {
  it("counts ahead, and forgets nothing for it", () => {
    const window = takeMany(EMPTY_WINDOW, 2, T, 10);
    const reserved = reserve(window, T + 62_000, 3);
    expect(used(reserved, T)).toBe(5);
    expect(parseRateWindow(reserved).ok).toBe(true);
    expect(used(EMPTY_WINDOW, T)).toBe(0);
  });

  it("G10: never admits more than the limit, however often one begins from what was stored", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ step: fc.integer({ min: 0, max: 4_000 }), restart: fc.boolean() }), {
          maxLength: 80,
        }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 3 }),
        (events, perMinute, block) => {
          let nowMs = T;
          let stored: RateWindow = EMPTY_WINDOW;
          let window: RateWindow = EMPTY_WINDOW;
          let left = 0;
          let untilMs = 0;
          const admitted: number[] = [];
          for (const { step, restart } of events) {
            nowMs += step;
            if (restart) {
              window = stored;
              left = 0;
            }
            const taken = take(window, nowMs, perMinute);
            window = taken.window;
            if (!taken.allowed) continue;
            if (left > 0 && nowMs < untilMs) left--;
            else {
              left = Math.min(block, perMinute - used(window, nowMs));
              untilMs = (Math.floor(nowMs / 1000) + 5) * 1000;
              stored = reserve(window, untilMs, left);
            }
            admitted.push(nowMs);
          }
          for (const start of admitted) {
            const inside = admitted.filter((at) => at >= start && at < start + RATE_WINDOW_MS);
            expect(inside.length).toBeLessThanOrEqual(perMinute);
          }
        },
      ),
    );
  });
});
