import { describe, expect, it } from "vitest";
import { parseEndpointUrl } from "./endpoint-url.ts";

const allowed = ["api.openai.com", "*.example.org"];

describe("parseEndpointUrl", () => {
  it.each([
    ["https://api.openai.com", "api.openai.com", "/", ""],
    ["HTTPS://API.openai.com:443/a?b=c", "api.openai.com", "/a", "b=c"],
    ["https://login.example.org?x=/y", "login.example.org", "/", "x=/y"],
  ])("reads %s", (text, host, path, query) => {
    expect(parseEndpointUrl(text, allowed)).toEqual({
      ok: true,
      value: { host, port: 443, path, query },
    });
  });

  it.each([
    "",
    "http://api.openai.com/",
    "https:/api.openai.com/",
    "https:///api.openai.com/",
    "https:\\\\api.openai.com/",
    "https://user@api.openai.com/",
    "https://api.openai.com@evil.test/",
    "https://api.openai.com:8443/",
    "https://api.openai.com:0443/",
    "https://api.openai.com:/",
    "https://api.openai.com./",
    "https://api.openai.com/#x",
    "https://api.openai.com/a b",
    "https://api.openai.com/../a",
    "https://api.openai.com//a",
    "https://%61pi.openai.com/",
    "https://[::1]/",
    "https://10.0.0.1/",
    `https://api.openai.com/${"a".repeat(5_000)}`,
  ])("refuses %s", (text) => {
    expect(parseEndpointUrl(text, allowed).ok).toBe(false);
  });

  it("takes the longest URL, and none that is longer", () => {
    const url = `https://api.openai.com/${"a".repeat(4096 - 23)}`;
    expect(url).toHaveLength(4096);
    expect(parseEndpointUrl(url, allowed).ok).toBe(true);
    expect(parseEndpointUrl(`${url}a`, allowed)).toMatchObject({ code: "invalid_request" });
  });

  it.each([
    ["a space at the end", "https://api.openai.com/a "],
    ["a line feed at the end", "https://api.openai.com/a\n"],
    ["a line feed at the beginning", "\nhttps://api.openai.com/a"],
    ["a delete", "https://api.openai.com/\u007f"],
    ["a letter beyond ASCII", "https://api.openai.com/é"],
    ["a backslash in the path", "https://api.openai.com/a\\b"],
    ["a fragment without path", "https://api.openai.com#/"],
    ["a fragment in the query", "https://api.openai.com/?a#b"],
    ["a password", "https://a:b@api.openai.com/"],
    ["something before the scheme", "xhttps://api.openai.com/"],
    ["another scheme of that length", "httpx://api.openai.com/"],
  ])("refuses %s", (_, text) => {
    expect(parseEndpointUrl(text, allowed)).toMatchObject({ code: "invalid_request" });
  });

  it.each([
    "https://api.openai.com/é/x",
    "https://api.openai.com/x y",
    "https://\tapi.openai.com/",
  ])("looks no further into %j", (text) => {
    expect(parseEndpointUrl(text, allowed)).toMatchObject({
      message: "the URL is empty or has characters other than printable ASCII",
    });
  });

  it("takes `@` and `:443` behind the authority for what they are", () => {
    expect(parseEndpointUrl("https://api.openai.com/@a:443", allowed)).toMatchObject({
      value: { host: "api.openai.com", path: "/@a:443" },
    });
    expect(parseEndpointUrl("https://api.openai.com?u=@:443", allowed)).toMatchObject({
      value: { path: "/", query: "u=@:443" },
    });
  });

  it("G5: goes to no host where none is allowed, or what is allowed is none", () => {
    for (const hosts of [[], [""], ["*"], ["openai.com"], ["API.openai.com/"]]) {
      expect(parseEndpointUrl("https://api.openai.com/", hosts)).toMatchObject({
        reason: "host_not_allowed",
      });
    }
    expect(parseEndpointUrl("https://api.openai.com/", ["", "api.openai.com"]).ok).toBe(true);
  });

  it.each([
    "https://evil.test/",
    "https://api.openai.com.evil.test/",
    "https://evil.test?@api.openai.com/",
  ])("G5: does not go to the host of %s", (text) => {
    expect(parseEndpointUrl(text, allowed)).toMatchObject({ reason: "host_not_allowed" });
  });
});
