import { describe, expect, it } from "vitest";
import { callerRoutes } from "./caller-routes.ts";
import { operatorRoutes } from "./operator-routes.ts";
import { matchRoute } from "./routes.ts";

describe("matchRoute", () => {
  it("decodes the one segment that an id takes", () => {
    const match = matchRoute(callerRoutes, "GET", "/aivault/capabilities/openai%2Fchat");
    expect(match?.parameters.get("id")).toBe("openai/chat");
  });

  it.each([
    ["PUT", "/aivault/proxy"],
    ["post", "/aivault/proxy"],
    ["POST", "/aivault/proxy/"],
    ["POST", "/aivault//proxy"],
    ["POST", "//aivault/proxy"],
    ["POST", "/aivault/%70roxy"],
    ["POST", "/aivault/proxy%00"],
    ["POST", "/aivault/PROXY"],
    ["POST", "/aivault/./proxy"],
    ["POST", "/aivault/x/../proxy"],
    ["GET", "/aivault/capabilities/"],
    ["GET", "/aivault/capabilities/a/b"],
    ["GET", "/aivault/capabilities/%zz"],
    ["GET", "/aivault/capabilities/%ff"],
    ["GET", "/"],
    ["GET", ""],
  ])("does not know %s %s", (method, path) => {
    expect(matchRoute(operatorRoutes, method, path)).toBeNull();
  });

  it("has each method and path once", () => {
    for (const routes of [callerRoutes, operatorRoutes]) {
      const keys = routes.map(({ method, path }) => `${method} ${path}`);
      expect(new Set(keys).size).toBe(keys.length);
    }
  });

  it("G14: gives the caller socket nothing but to invoke and to narrow a token", () => {
    expect(callerRoutes.filter(({ method }) => method !== "GET").map(({ path }) => path)).toEqual([
      "/aivault/proxy",
      "/aivault/tokens/derive",
    ]);
  });
});
