import { describe, expect, it } from "vitest";
import { Nonces } from "./nonces.ts";

const START_S = 1_000_000;
const at = (seconds: number) => (START_S + seconds) * 1000;
function begun(max?: number): Nonces {
  const nonces = new Nonces(max);
  nonces.begin(at(-100));
  return nonces;
}

describe("nonces", () => {
  it("G12: are accepted once", () => {
    const nonces = begun();
    expect(nonces.judge("t", "n", START_S, at(0))).toBe("fresh");
    expect(nonces.judge("t", "n", START_S, at(0))).toBe("replayed");
    expect(nonces.judge("t", "n", START_S, at(60))).toBe("replayed");
    expect(nonces.judge("other", "n", START_S, at(0))).toBe("fresh");
  });

  it("G12: are remembered for as long as their signature is good", () => {
    const nonces = begun();
    for (const ahead of [-60, 0, 1]) {
      nonces.judge("t", `n${ahead}`, START_S + ahead, at(0));
      for (let later = 0; later < 100; later++) {
        expect(nonces.judge("t", `n${ahead}`, START_S + ahead, at(later))).not.toBe("fresh");
      }
    }
  });

  it.each([
    [-61, "stale"],
    [-60, "fresh"],
    [1, "fresh"],
    [2, "stale"],
  ])("G12: of a signature %i s old are %s", (age, verdict) => {
    expect(begun().judge("t", "n", START_S + age, at(0))).toBe(verdict);
  });

  it("G12: of before a restart are refused, whatever the daemon before has seen", () => {
    for (let created = -60; created <= 60; created++) {
      for (let restart = Math.max(created - 1, 0); restart < 60; restart++) {
        const before = begun();
        const seen = before.judge("t", "n", START_S + created, at(restart)) === "fresh";
        const after = new Nonces();
        after.begin(at(restart));
        const again = after.judge("t", "n", START_S + created, at(restart));
        if (seen) expect(again).toBe("early");
      }
    }
    const after = new Nonces();
    after.begin(at(0));
    expect(after.judge("t", "n", START_S + 2, at(2))).toBe("fresh");
  });

  it("are none before it is said when they begin", () => {
    expect(new Nonces().judge("t", "n", START_S, at(0))).toBe("early");
  });

  it("G12: are not forgotten for new ones", () => {
    const nonces = begun(2);
    for (const nonce of ["a", "b"]) nonces.judge("t", nonce, START_S, at(0));
    expect(nonces.judge("t", "c", START_S, at(0))).toBe("full");
    expect(nonces.judge("t", "a", START_S, at(0))).toBe("replayed");
    expect(nonces.judge("t", "c", START_S + 70, at(70))).toBe("fresh");
  });
});
