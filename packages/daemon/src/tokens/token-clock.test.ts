import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type PutBack, TokenClock, timeAfter } from "./token-clock.ts";

describe("TokenClock", () => {
  let wall = 0;
  let monotonic = 0;
  const make = (wallMs: number) => {
    wall = wallMs;
    monotonic = 7;
    return new TokenClock(
      () => wall,
      () => monotonic,
    );
  };

  it("follows the wall clock forward, and believes a jump", () => {
    const clock = make(1_000);
    wall = 1_500;
    expect(clock.now()).toBe(1_500);
    wall = 9_000_000;
    expect(clock.now()).toBe(9_000_000);
  });

  it("G12: goes on from where it was when the wall clock is put back", () => {
    const clock = make(1_000_000);
    wall = 2_000_000;
    clock.now();
    wall = 5;
    monotonic += 250;
    expect(clock.now()).toBe(2_000_250);
    monotonic += 250;
    expect(clock.now()).toBe(2_000_500);
  });

  it("G12: tells once for each time that the wall clock is put back", () => {
    const told: PutBack[] = [];
    monotonic = 0;
    wall = 100_000;
    const clock = new TokenClock(
      () => wall,
      () => monotonic,
      (putBack) => told.push(putBack),
    );
    wall = 99_500;
    clock.now();
    expect(told).toEqual([]);
    wall = 40_000;
    clock.now();
    monotonic += 5_000;
    wall += 5_000;
    clock.now();
    expect(told).toEqual([{ nowMs: 100_000, wallMs: 40_000 }]);
    wall = 20_000;
    clock.now();
    wall = 200_000;
    clock.now();
    wall = 190_000;
    clock.now();
    expect(told.slice(1)).toEqual([
      { nowMs: 105_000, wallMs: 20_000 },
      { nowMs: 200_000, wallMs: 190_000 },
    ]);
  });

  it("G12: is no earlier for the next process", () => {
    const putBack = { nowMs: 100_000, wallMs: 40_000 };
    // It goes on from where it was put to; is put back further; is right again.
    expect(timeAfter(putBack, 50_000)).toBe(110_000);
    expect(timeAfter(putBack, 10_000)).toBe(100_000);
    expect(timeAfter(putBack, 130_000)).toBe(130_000);
  });

  it("G12: begins no earlier than what is on record", () => {
    const clock = make(1_000);
    clock.notBefore(5_000);
    expect(clock.now()).toBe(5_000);
    clock.notBefore(4_000);
    expect(clock.now()).toBe(5_000);
    monotonic += 10;
    expect(clock.now()).toBe(5_010);
  });

  it("never goes back, whatever the clocks do", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(10_000_000), fc.nat(10_000))), (steps) => {
        const clock = make(1_000);
        let last = clock.now();
        for (const [wallMs, passedMs] of steps) {
          wall = wallMs;
          monotonic += passedMs;
          const next = clock.now();
          expect(next).toBeGreaterThanOrEqual(Math.max(last + passedMs, wallMs));
          last = next;
        }
      }),
    );
  });
});
