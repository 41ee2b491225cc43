import { describe, expect, it } from "vitest";
import { guardRequest } from "./request-guard.ts";

const head = (change: object = {}, ...headers: [string, string][]) => ({
  httpVersion: "1.1",
  method: "POST",
  url: "/aivault/proxy",
  rawHeaders: [["Host", "aivault"], ...headers].flat(),
  ...change,
});

describe("guardRequest", () => {
  it.each(["aivault", "localhost", "LocalHost", "AIVAULT"])("lets Host: %s pass", (host) => {
    expect(guardRequest(head({ rawHeaders: ["Host", host] }))).toBeNull();
  });

  it.each([
    "evil.test",
    "127.0.0.1",
    "aivault.evil.test",
    "evil.test/aivault",
    "aivault:80",
    "aivault@evil.test",
    "aivault.",
    " aivault",
    "",
    "aivault,localhost",
  ])("G14: refuses Host: %j", (host) => {
    expect(guardRequest(head({ rawHeaders: ["Host", host] }))).toMatchObject({
      code: "policy_violation",
    });
  });

  it.each<[string, string]>([
    ["Origin", "null"],
    ["Origin", ""],
    ["ORIGIN", "http://localhost"],
    ["Sec-Fetch-Site", "none"],
    ["sec-fetch-site", "same-origin"],
    ["Sec-Fetch-Dest", "empty"],
    ["Sec-Fetch-User", "?1"],
  ])("G14: refuses a browser's %s: %s", (name, value) => {
    expect(guardRequest(head({}, [name, value]))).toMatchObject({ code: "policy_violation" });
  });

  it("lets the header pass that Node's own fetch sends", () => {
    expect(guardRequest(head({}, ["sec-fetch-mode", "cors"]))).toBeNull();
  });

  it.each<[string, object]>([
    ["HTTP/1.0", { httpVersion: "1.0" }],
    ["HTTP/0.9", { httpVersion: "0.9" }],
    ["TRACE", { method: "TRACE" }],
    ["CONNECT", { method: "CONNECT" }],
    ["absolute form", { url: "http://aivault/aivault/proxy" }],
    ["asterisk form", { method: "OPTIONS", url: "*" }],
    ["no Host", { rawHeaders: [] }],
    ["two Host lines", { rawHeaders: ["Host", "aivault", "host", "aivault"] }],
  ])("refuses %s", (_, change) => {
    expect(guardRequest(head(change))).toMatchObject({ code: "invalid_request" });
  });

  it.each(["Content-Type", "content-length", "Expect", "Aivault-Timeout-Ms"])(
    "refuses two lines of %s",
    (name) => {
      expect(guardRequest(head({}, [name, "1"], [name.toUpperCase(), "1"]))).toMatchObject({
        code: "invalid_request",
      });
    },
  );

  it("never repeats a header's value", () => {
    const problem = guardRequest(head({}, ["Origin", "canary-value"]));
    expect(`${problem?.message}${problem?.hint}`).not.toContain("canary");
  });
});
