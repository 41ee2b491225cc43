import { describe, expect, it } from "vitest";
import { admitsMethod, HTTP_METHODS, parseMethod } from "./method.ts";

describe("parseMethod", () => {
  it("calls a long token a method, up to 32 characters", () => {
    expect(parseMethod("X".repeat(32))).toMatchObject({ reason: "method_not_allowed" });
    expect(parseMethod("X".repeat(33))).toMatchObject({ code: "invalid_request", reason: null });
  });

  it("accepts the closed set, in any case", () => {
    for (const method of HTTP_METHODS) {
      expect(parseMethod(method)).toEqual({ ok: true, value: method });
      expect(parseMethod(method.toLowerCase())).toEqual({ ok: true, value: method });
    }
  });

  it.each(["CONNECT", "trace", "M-SEARCH", "constructor"])("does not allow %s", (method) => {
    expect(parseMethod(method)).toMatchObject({ reason: "method_not_allowed" });
  });

  // U+017F upper-cases to S, U+0131 to I.
  it.each(["", " GET", "GET ", "GET\r\n", "PO\u017fT", "OPT\u0131ONS", "G|T,", "x".repeat(33)])(
    "refuses %j",
    (method) => {
      expect(parseMethod(method)).toMatchObject({ code: "invalid_request" });
    },
  );
});

describe("admitsMethod", () => {
  it("admits HEAD where GET is admitted, and nothing else that is not named", () => {
    for (const method of HTTP_METHODS) {
      expect(admitsMethod(["GET"], method)).toBe(method === "GET" || method === "HEAD");
      expect(admitsMethod(["POST", "OPTIONS"], method)).toBe(["POST", "OPTIONS"].includes(method));
    }
    expect(admitsMethod(["HEAD"], "GET")).toBe(false);
  });
});
