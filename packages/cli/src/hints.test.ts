import { describe, expect, it } from "vitest";
import { hintFor } from "./hints.ts";

const facts = { code: "internal", reason: null, command: null, capability: null };

describe("hintFor", () => {
  it("names the capability that was called, and the reason before the code", () => {
    const called = { ...facts, code: "policy_violation", capability: "acme/orders" };
    expect(hintFor({ ...called, reason: "method_not_allowed" })).toContain(
      "`aivault capability describe acme/orders`",
    );
    expect(hintFor({ ...called, reason: "capability_not_granted" })).toContain(
      "token mint --capability acme/orders",
    );
    expect(hintFor({ ...called, reason: "of a later version" })).toContain("acme/orders");
  });

  it("has something for whatever fails, and nothing for what was meant", () => {
    expect(hintFor({ ...facts, code: "of_a_later_version", command: "secrets list" })).toBe(
      "see `aivault secrets list --help`",
    );
    expect(hintFor({ ...facts, code: "CLI_CANCELLED" })).toBeNull();
  });
});
