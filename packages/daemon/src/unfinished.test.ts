import { describe, expect, it } from "vitest";
import { unfinishedInvocations, unknownOutcome } from "./unfinished.ts";

type Event = { kind: string; requestId?: string; [member: string]: string | number | undefined };

/** An audit log of these events, oldest first. */
function logOf(...events: Event[]) {
  const entries = events.map((event, i) => ({ seq: i + 1, tsMs: 0, event, mac: "" }));
  return {
    async read({ limit = 100, beforeSeq = Infinity } = {}) {
      return entries
        .filter(({ seq }) => seq < beforeSeq)
        .reverse()
        .slice(0, limit);
    },
  };
}

const started = { kind: "daemon.started" };
const decided = (requestId: string, decision = "allow") => ({
  kind: "invocation.decided",
  requestId,
  decision,
  capability: "openai/chat-completions",
});
const completed = (requestId: string) => ({ kind: "invocation.completed", requestId });

describe("what a killed daemon leaves behind", () => {
  it("G18: is what was allowed and has no outcome, oldest first", async () => {
    const log = logOf(
      started,
      decided("a"),
      decided("b"),
      completed("a"),
      decided("c", "deny"),
      decided("d"),
    );
    const found = await unfinishedInvocations(log);
    expect(found.map(({ requestId }) => requestId)).toEqual(["b", "d"]);
    expect(unknownOutcome(found[0] as Event)).toMatchObject({
      kind: "invocation.completed",
      requestId: "b",
      capability: "openai/chat-completions",
      outcome: "unknown",
    });
  });

  it("was settled before each activation", async () => {
    expect(await unfinishedInvocations(logOf(started, decided("a"), started))).toEqual([]);
  });

  it("is nothing after an orderly end that says so", async () => {
    const log = logOf(started, decided("a"), { kind: "daemon.stopped", unfinished: 0 });
    expect(await unfinishedInvocations(log)).toEqual([]);
  });

  it("is found however much was recorded since", async () => {
    const others = Array.from({ length: 2_500 }, (_, i) => [decided(`${i}`), completed(`${i}`)]);
    const found = await unfinishedInvocations(logOf(started, decided("x"), ...others.flat()));
    expect(found.map(({ requestId }) => requestId)).toEqual(["x"]);
  });
});
