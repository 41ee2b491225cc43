import type { CapabilityView } from "@aivault/broker";
import { describe, expect, it } from "vitest";
import { findCapability } from "./find-capability.ts";

const capability = (id: string, ...rules: [string[], "prefix" | "exact", string][]) =>
  ({
    id,
    rules: rules.map(([methods, match, path]) => ({ methods, match, path })),
  }) as unknown as CapabilityView;

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
});
