import { describe, expect, it } from "vitest";
import {
  ACCOUNT_DENIALS_BURST,
  ACCOUNT_DENIALS_PER_SECOND,
  DENIALS_BURST,
  DENIALS_PER_SECOND,
  DenialLimit,
  type Suppressed,
} from "./denial-limit.ts";

const peer = (name: string, account = "account") => ({ name, account });

function limit() {
  let nowMs = 0;
  let broken = false;
  const recorded: Suppressed[] = [];
  const denials = new DenialLimit(
    () => nowMs,
    async (suppressed) => {
      if (broken) throw new Error("no space left");
      recorded.push(suppressed);
    },
  );
  return {
    denials,
    recorded,
    wait: (ms: number) => (nowMs += ms),
    breakLog: (value: boolean) => (broken = value),
  };
}

describe("denials of one peer", () => {
  it("are recorded one by one up to a number, and then at a rate", () => {
    const { denials, wait } = limit();
    for (let i = 0; i < DENIALS_BURST; i++) {
      expect(denials.waitOf(peer("a"))).toBeNull();
      denials.count(peer("a"));
    }
    expect(denials.waitOf(peer("a"))).toBeGreaterThan(0);
    expect(denials.waitOf(peer("b"))).toBeNull();
    wait(1_000);
    for (let i = 0; i < DENIALS_PER_SECOND; i++) {
      expect(denials.waitOf(peer("a"))).toBeNull();
      denials.count(peer("a"));
    }
    expect(denials.waitOf(peer("a"))).toBeGreaterThan(0);
  });

  it("G18: are counted when they are not recorded one by one", async () => {
    const { denials, recorded, wait } = limit();
    denials.suppress(peer("a"));
    wait(10);
    denials.suppress(peer("a"));
    denials.suppress(peer("b"));
    await denials.flush();
    expect(recorded).toEqual([
      { peer: "a", count: 2, fromMs: 0, toMs: 10 },
      { peer: "b", count: 1, fromMs: 10, toMs: 10 },
    ]);
    await denials.flush();
    expect(recorded).toHaveLength(2);
  });

  it("G18: stay counted while nothing can be recorded", async () => {
    const { denials, recorded, breakLog } = limit();
    denials.suppress(peer("a"));
    breakLog(true);
    await denials.flush();
    denials.suppress(peer("a"));
    breakLog(false);
    await denials.flush();
    expect(recorded).toEqual([expect.objectContaining({ peer: "a", count: 2 })]);
  });

  it("are limited for all processes of an account together, and summed up as one", async () => {
    const { denials, recorded, wait } = limit();
    for (let i = 0; i < ACCOUNT_DENIALS_BURST; i++) {
      expect(denials.waitOf(peer(`${i}`))).toBeNull();
      denials.count(peer(`${i}`));
    }
    expect(denials.waitOf(peer("new"))).toBeGreaterThan(0);
    expect(denials.waitOf(peer("new", "other"))).toBeNull();
    for (let i = 0; i < 10; i++) denials.suppress(peer(`later-${i}`));
    await denials.flush();
    expect(recorded).toEqual([{ peer: "account", count: 10, fromMs: 0, toMs: 0 }]);
    wait(1_000);
    for (let i = 0; i < ACCOUNT_DENIALS_PER_SECOND; i++) {
      expect(denials.waitOf(peer(`again-${i}`))).toBeNull();
      denials.count(peer(`again-${i}`));
    }
    expect(denials.waitOf(peer("new"))).toBeGreaterThan(0);
  });

  it("do not fill the memory, whoever asks", () => {
    const { denials } = limit();
    for (let i = 0; i < DENIALS_BURST; i++) denials.count(peer("first"));
    expect(denials.waitOf(peer("first"))).not.toBeNull();
    for (let i = 0; i < 10_100; i++) denials.count(peer(`${i}`, `account-${i}`));
    // Time has not passed: the first is let in again because it is forgotten.
    expect(denials.waitOf(peer("first"))).toBeNull();
  });
});
