import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MemberBlocker } from "./member-blocker.ts";

function block(text: string, places: readonly number[] = [], names = ["ssn", "card"]): string {
  const bytes = new Uint8Array(Buffer.from(text));
  const blocker = new MemberBlocker(names);
  const ends = [...places.filter((place) => place < bytes.length), bytes.length].sort(
    (a, b) => a - b,
  );
  const out = ends.flatMap((end, i) => [...blocker.push(bytes.slice(ends[i - 1] ?? 0, end))]);
  return Buffer.concat([...out, ...blocker.end()]).toString();
}

describe("MemberBlocker", () => {
  it.each([
    ['{"ssn":"1","a":2}', '{"ssn":"[REDACTED]","a":2}'],
    [
      '{"a":{"ssn" : 12},"b":[{"ssn":null}]}',
      '{"a":{"ssn": "[REDACTED]"},"b":[{"ssn":"[REDACTED]"}]}',
    ],
    ['{"ssn":{"x":["}",{"y":1}]},"b":1}', '{"ssn":"[REDACTED]","b":1}'],
    ['{"\\u0073sn":"1"}', '{"\\u0073sn":"[REDACTED]"}'],
    ['{"ssn":"a\\"b"}', '{"ssn":"[REDACTED]"}'],
    ['["ssn","ssn"]', '["ssn","ssn"]'],
    ['data: {"card":1}\n\n', 'data: {"card":"[REDACTED]"}\n\n'],
    ['{"SSN":"keep"}', '{"SSN":"keep"}'],
    ['{"a":"\\"ssn\\":1"}', '{"a":"\\"ssn\\":1"}'],
    [`{"${"x".repeat(100)}":"ssn"}`, `{"${"x".repeat(100)}":"ssn"}`],
    ['{"ssn"', '{"ssn"'],
  ])("turns %s into %s, however it is cut", (text, expected) => {
    for (let i = 0; i <= text.length; i++) expect(block(text, [i])).toBe(expected);
    expect(
      block(
        text,
        [...text].map((_, i) => i),
      ),
    ).toBe(expected);
  });

  it("changes nothing in JSON without such members", () => {
    fc.assert(
      fc.property(fc.json(), fc.array(fc.nat(200)), (json, places) => {
        expect(block(json, places, ["\u0001never"])).toBe(json);
      }),
    );
  });
});
