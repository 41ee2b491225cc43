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

  it.each([
    ["a/./b", "/v1/files/a/b"],
    ["a/.", "/v1/files/a/"],
    [".", "/v1/files/"],
    ["a/..", "/v1/files/"],
    ["a/../b", "/v1/files/b"],
    ["../../../../x", "/x"],
    ["../..", "/"],
    ["a/", "/v1/files/a/"],
    ["a//b", "/v1/files/a//b"],
    ["...", "/v1/files/..."],
    ["a?b/../c?d", "/v1/files/a?b/../c?d"],
    ["a?", "/v1/files/a?"],
    ["?", "/v1/files/1?"],
    ["a:b", null],
    ["./a:b", "/v1/files/a:b"],
    ["1a:b", "/v1/files/1a:b"],
    ["a#b#c", "/v1/files/a"],
    ["/", "/"],
    ["/?a", "/?a"],
    ["/a/../b", "/a/../b"],
  ])("resolves %s as RFC 3986 section 5.2 does, to %s", (location, target) => {
    const redirect = parseRedirect(location, base);
    expect(redirect.ok ? redirect.value.target : null).toBe(target);
  });

  it("resolves against a path without folders, too", () => {
    const root = { ...base, path: "/" };
    const target = (location: string) => {
      const redirect = parseRedirect(location, root);
      return redirect.ok ? redirect.value.target : null;
    };
    expect(["a", "..", "?b", "a/b"].map(target)).toEqual(["/a", "/", "/?b", "/a/b"]);
  });

  it("takes the longest location, of printable ASCII only", () => {
    const longest = `/${"a".repeat(16_383)}`;
    expect(parseRedirect(longest, base).ok).toBe(true);
    expect(parseRedirect(`${longest}a`, base)).toMatchObject({ code: "invalid_request" });
    for (const wrong of ["/a b", "/a\u007f", "/é", "/a\n", "\n/a", "/a\\b", "/\u0000"]) {
      expect(parseRedirect(wrong, base)).toMatchObject({ code: "invalid_request" });
    }
    expect(parseRedirect("/!~", base).ok).toBe(true);
  });

  it("G8: refuses another host as such, whatever is wrong with it", () => {
    for (const location of [
      "https://evil.test/x",
      "//evil.test/x",
      "ftp://api.example.com/",
      "mailto:a@b",
      "https:///x",
      "HTTP://api.example.com/",
    ]) {
      expect(parseRedirect(location, base)).toMatchObject({ reason: "host_not_allowed" });
    }
  });

  it("says what else is wrong with a location whose host is allowed", () => {
    expect(parseRedirect("https://api.example.com/a/../b", base)).toMatchObject({
      reason: "path_traversal",
    });
  });

  it("G8: takes a host for allowed only where it is exactly that", () => {
    const allow = ["cdn.example.com", "*.files.test"];
    const to = (location: string) => parseRedirect(location, base, allow);
    expect(to("https://CDN.example.com:443/a?b#c")).toEqual({
      ok: true,
      value: { host: "cdn.example.com", port: 443, sameOrigin: false, target: "/a?b" },
    });
    expect(to("https://a.files.test")).toMatchObject({
      value: { host: "a.files.test", sameOrigin: false, target: "/" },
    });
    for (const location of [
      "https://cdn.example.com:444/",
      "https://cdn.example.com.evil.test/",
      "https://evil-cdn.example.com/",
      "https://files.test/",
      "https://cdn.example.com@evil.test/",
    ]) {
      expect(to(location).ok).toBe(false);
    }
  });

  it("G8: keeps the credential only at the same host and port", () => {
    const internal = { host: "api.example.com", port: 8443, path: "/a" };
    // 443 of the same host is another origin than 8443.
    expect(parseRedirect("https://api.example.com/b", internal)).toMatchObject({
      value: { host: "api.example.com", port: 443, sameOrigin: false, target: "/b" },
    });
    expect(parseRedirect("https://API.example.com:8443", internal)).toMatchObject({
      value: { host: "api.example.com", port: 8443, sameOrigin: true, target: "/" },
    });
    expect(parseRedirect("//api.example.com:8443/b?c", internal)).toMatchObject({
      value: { port: 8443, sameOrigin: true, target: "/b?c" },
    });
    for (const port of ["843", "84430", "08443", "8444", ""]) {
      expect(parseRedirect(`https://api.example.com:${port}/b`, internal).ok).toBe(false);
    }
    expect(parseRedirect("https://xapi.example.com:8443/b", internal).ok).toBe(false);
    expect(parseRedirect("https://user@api.example.com:8443/b", internal).ok).toBe(false);
    expect(parseRedirect("http://api.example.com:8443/b", internal).ok).toBe(false);
    // Only at its beginning is it the origin.
    for (const before of ["x:", "xhttps://evil.test/", "https://evil.test/?", "//evil.test/#"]) {
      expect(parseRedirect(`${before}https://api.example.com:8443/b`, internal).ok).toBe(false);
    }
  });

  it("G8: knows an IPv6 address by its brackets", () => {
    const internal = { host: "fd00::7", port: 8443, path: "/a" };
    expect(parseRedirect("https://[fd00::7]:8443/b", internal)).toEqual({
      ok: true,
      value: { host: "fd00::7", port: 8443, sameOrigin: true, target: "/b" },
    });
    expect(parseRedirect("https://fd00::7:8443/b", internal).ok).toBe(false);
    expect(parseRedirect("https://[fd00::8]:8443/b", internal).ok).toBe(false);
    expect(parseRedirect("b", internal)).toMatchObject({ value: { host: "fd00::7", port: 8443 } });
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
    [301, "PUT", "PUT"],
    [301, "GET", "GET"],
    [301, "HEAD", "HEAD"],
    [303, "POST", "GET"],
    [303, "GET", "GET"],
    [307, "DELETE", "DELETE"],
    [308, "PATCH", "PATCH"],
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
