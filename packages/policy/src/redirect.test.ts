import { describe, expect, it } from "vitest";
import { isRedirect, parseRedirect, redirectedMethod } from "./redirect.ts";

const base = { host: "api.example.com", port: 443, path: "/v1/files/1" };

describe("parseRedirect", () => {
  it.each([
    ["/v1/files/2", "/v1/files/2"],
    ["./2?y=1", "/v1/files/2?y=1"],
    ["2", "/v1/files/2"],
    ["..", "/v1/"],
    ["../x/", "/v1/x/"],
    ["?page=2", "/v1/files/1?page=2"],
    ["HTTPS://api.example.com/v1/files/4", "/v1/files/4"],
    ["https://api.example.com:443/v1/files/8", "/v1/files/8"],
    ["//API.EXAMPLE.COM/v1/files/6", "/v1/files/6"],
    ["/v1/files/7#section", "/v1/files/7"],
  ])("takes %s to %s", (location, target) => {
    expect(parseRedirect(location, base)).toEqual({
      ok: true,
      value: { host: base.host, port: 443, sameOrigin: true, target },
    });
  });

  it.each([
    "",
    " ",
    "#top",
    "https://",
    "https:api.example.com/x",
    "////evil.test/y",
    "\\/evil.test/y",
    "/\t/evil.test/y",
    "https://evil.test/x",
    "https://user@api.example.com/x",
    "https://api.example.com%40evil.test/y",
    "https://evil.test?@api.example.com/",
    "https://api.example.com.:443/y",
    "http://api.example.com/v1/files/9",
    "https://api.example.com:444/v1/files/2",
    "file://localhost/etc/shadow",
    "javascript:alert(1)",
    "https://10.0.0.1/x",
    "https://[::ffff:127.0.0.1]/x",
  ])("G8: refuses %j", (location) => {
    expect(parseRedirect(location, base).ok).toBe(false);
  });

  it("G8: says when a host that is allowed is another origin", () => {
    expect(parseRedirect("https://cdn.example.com/v1/x", base, ["cdn.example.com"])).toMatchObject({
      value: { host: "cdn.example.com", sameOrigin: false },
    });
    const internal = { host: "internal", port: 8443, path: "/a" };
    expect(parseRedirect("https://internal:8443/b", internal)).toMatchObject({
      value: { port: 8443, sameOrigin: true, target: "/b" },
    });
    expect(parseRedirect("https://internal:8443?q", internal)).toMatchObject({
      value: { target: "/?q" },
    });
    expect(parseRedirect("https://internal/b", internal).ok).toBe(false);
  });
});

describe("redirectedMethod", () => {
  it.each([
    [301, "POST", "GET"],
    [302, "POST", "GET"],
    [302, "PUT", "PUT"],
    [303, "DELETE", "GET"],
    [303, "HEAD", "HEAD"],
    [307, "POST", "POST"],
    [308, "POST", "POST"],
  ])("after %i for %s is %s", (status, method, expected) => {
    expect(redirectedMethod(status, method)).toBe(expected);
  });

  it("knows which statuses redirect", () => {
    expect([300, 301, 302, 303, 304, 305, 306, 307, 308].filter(isRedirect)).toEqual([
      301, 302, 303, 307, 308,
    ]);
  });
});
