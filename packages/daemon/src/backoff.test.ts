import { describe, expect, it } from "vitest";
import { countFailure, NO_ATTEMPTS, waitOf } from "./backoff.ts";

const after = (failures: number, nowMs = 1_000) => {
  let attempts = NO_ATTEMPTS;
  for (let i = 0; i < failures; i++) attempts = countFailure(attempts, nowMs);
  return attempts;
};

describe("waiting after wrong passphrases", () => {
  it.each([
    [0, 0],
    [3, 0],
    [4, 1_000],
    [5, 2_000],
    [8, 16_000],
    [9, 30_000],
    [5_000, 30_000],
  ])("after %i in a row is %i ms", (failures, waitMs) => {
    expect(waitOf(after(failures), 1_000)).toBe(waitMs);
  });

  it("ends, and is not prolonged by a clock that goes back", () => {
    expect(waitOf(after(4), 2_000)).toBe(0);
    expect(waitOf(after(4, 10_000_000), 0)).toBe(30_000);
  });
});
