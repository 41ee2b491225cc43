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

  it.each([
    "https://evil.test/",
    "https://api.openai.com.evil.test/",
    "https://evil.test?@api.openai.com/",
  ])("G5: does not go to the host of %s", (text) => {
    expect(parseEndpointUrl(text, allowed)).toMatchObject({ reason: "host_not_allowed" });
  });
});
