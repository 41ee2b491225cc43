import type { ServedCapability } from "@aivault/broker";
import { describe, expect, it } from "vitest";
import { findCapability } from "./find-capability.ts";

const capability = (id: string, ...rules: [string[], "prefix" | "exact", string][]) =>
  ({
    id,
    rules: rules.map(([methods, match, path]) => ({ methods, match, path })),
  }) as unknown as ServedCapability;

const capabilities = [
  capability("p/all-v1", [["GET"], "prefix", "/v1"]),
  capability("p/models", [["GET"], "prefix", "/v1/models"]),
  capability("p/models-2", [["GET"], "prefix", "/v1/models"]),
  capability("p/chat", [["POST"], "exact", "/v1/chat"]),
];

describe("findCapability", () => {
  it.each([
    ["GET", "/v1/models/m?x=1", "p/models"],
    ["GET", "/v1/files", "p/all-v1"],
    ["POST", "/v1/chat", "p/chat"],
  ])("finds for %s %s the one with the longest rule, then the first", (method, target, id) => {
    expect(findCapability(capabilities, method, target)).toMatchObject({ ok: true, value: { id } });
  });

  it.each([
    ["POST", "/v3/chat", "path_not_allowed"],
    ["DELETE", "/v1/chat", "method_not_allowed"],
    ["GET", "/v1/../v2", "path_traversal"],
    ["GET", "/v2", "path_not_allowed"],
  ])("G7: finds none for %s %s", (method, target, reason) => {
    expect(findCapability(capabilities, method, target)).toMatchObject({ ok: false, reason });
  });

  const git = (id: string, service: string): ServedCapability => {
    const query = { required: { service } };
    return { id, rules: [{ methods: ["GET"], match: "pattern", path: "/{o}/{r}/refs", query }] };
  };

  it("tells apart by the query what has the same path", () => {
    const both = [git("g/read", "fetch"), git("g/write", "push")];
    const find = (query: string) => findCapability(both, "GET", `/o/r/refs?service=${query}`);
    expect(find("fetch")).toMatchObject({ value: { id: "g/read" } });
    expect(find("push")).toMatchObject({ value: { id: "g/write" } });
    expect(find("other")).toMatchObject({ ok: false, reason: "path_not_allowed" });
  });

  it("reads an encoded slash only for a rule that admits it", () => {
    const rule = { methods: ["GET"], match: "prefix", path: "/v1" } as const;
    const find = (more: object) =>
      findCapability([{ id: "p/a", rules: [{ ...rule, ...more }] }], "GET", "/v1/a%2Fb");
    expect(find({})).toMatchObject({ ok: false, reason: "path_traversal" });
    expect(find({ encodedSlash: true })).toMatchObject({ value: { id: "p/a" } });
  });
});
