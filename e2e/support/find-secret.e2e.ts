import { describe, expect, it } from "vitest";
import { findSecret } from "./find-secret.mjs";
import { encodingsOf } from "./stand-in-misbehaviour.mjs";

const SECRET = "sk-proj-canary/+Zm9v==42";

describe("findSecret", () => {
  it.each(Object.entries(encodingsOf(SECRET)))("finds a secret in the form %s", (_, text) => {
    expect(findSecret(SECRET, `before ${text} after`)).not.toEqual([]);
  });

  it("finds a secret anywhere in a longer text that was encoded as a whole", () => {
    for (let before = 0; before < 7; before++) {
      for (const encoding of ["base64", "base64url", "hex", "latin1", "utf16le"] as const) {
        const text = Buffer.from(`${"x".repeat(before)}${SECRET}, it says`).toString(encoding);
        const haystack = encoding === "utf16le" ? Buffer.from(SECRET, "utf16le") : text;
        expect(findSecret(SECRET, haystack)).not.toEqual([]);
      }
    }
  });

  it("finds nothing where there is nothing", () => {
    expect(findSecret(SECRET, `${SECRET.slice(0, -1)} ${SECRET.slice(1)}`)).toEqual([]);
  });
});
