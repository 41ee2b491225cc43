import { expect, it } from "vitest";
import { rewriteLinks } from "./link.ts";

const base = {
  upstreamOrigin: "https://api.github.com",
  callerBase: "http://127.0.0.1:1/v/github",
};
const rewrite = (name: string, value: string) => rewriteLinks([{ name, value }], base)[0]?.value;

it.each([
  [
    "Location",
    "https://api.github.com/repositories/1",
    "http://127.0.0.1:1/v/github/repositories/1",
  ],
  ["location", "https://API.GitHub.com?a", "http://127.0.0.1:1/v/github?a"],
  ["location", "https://api.github.com", "http://127.0.0.1:1/v/github"],
  ["location", "https://api.github.com:443/a", "http://127.0.0.1:1/v/github/a"],
  ["location", "//api.github.com/a", "http://127.0.0.1:1/v/github/a"],
  ["location", "/a?b", "http://127.0.0.1:1/v/github/a?b"],
  [
    "Link",
    '<https://api.github.com/x?page=2>; rel="next", <https://api.github.com/x?page=9>; rel="last"',
    '<http://127.0.0.1:1/v/github/x?page=2>; rel="next", <http://127.0.0.1:1/v/github/x?page=9>; rel="last"',
  ],
])("points %s: %s at us", (name, value, expected) => {
  expect(rewrite(name, value)).toBe(expected);
});

it.each([
  ["location", "https://api.github.com.evil.test/"],
  ["location", "https://api.github.com:8443/"],
  ["location", "https://api.github.com@evil.test/"],
  ["location", "http://api.github.com/"],
  ["location", "?page=2"],
  ["location", "//api.github.com.evil.test/x"],
  ["link", "<https://evil.test/?u=https://api.github.com/>; rel=next"],
  ["x-other", "https://api.github.com/"],
])("leaves %s: %s alone", (name, value) => {
  expect(rewrite(name, value)).toBe(value);
});
