import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Confirmations } from "./confirmations.ts";

function questions() {
  let nowMs = 0;
  const confirmations = new Confirmations(() => nowMs, randomBytes);
  return { confirmations, wait: (ms: number) => (nowMs += ms) };
}

describe("a confirmation", () => {
  it("G17: is good once", () => {
    const { confirmations } = questions();
    const token = confirmations.ask("delete a");
    expect(confirmations.take(token, "delete a")).toBe(true);
    expect(confirmations.take(token, "delete a")).toBe(false);
  });

  it("G17: is good for what was asked, and gone after anything else", () => {
    const { confirmations } = questions();
    const token = confirmations.ask("delete a");
    expect(confirmations.take(token, "delete b")).toBe(false);
    expect(confirmations.take(token, "delete a")).toBe(false);
  });

  it("G17: is good for a minute", () => {
    const { confirmations, wait } = questions();
    const [early, late] = [confirmations.ask("a"), confirmations.ask("a")];
    wait(59_999);
    expect(confirmations.take(early, "a")).toBe(true);
    wait(1);
    expect(confirmations.take(late, "a")).toBe(false);
  });

  it("forgets the oldest of very many", () => {
    const { confirmations } = questions();
    const tokens = Array.from({ length: 300 }, () => confirmations.ask("a"));
    expect(tokens.filter((token) => confirmations.take(token, "a"))).toHaveLength(256);
  });
});
