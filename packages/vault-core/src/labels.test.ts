import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FORMAT_VERSION, LABELS } from "./labels.ts";

const format = readFileSync(new URL("../../../docs/format.md", import.meta.url), "utf8");

describe("the labels", () => {
  it("are all different, each with the format version in it", () => {
    const labels = Object.values(LABELS);
    expect(new Set(labels).size).toBe(labels.length);
    for (const label of labels) expect(label).toMatch(/^aivault\/v1\/[a-z-]+$/);
    expect(FORMAT_VERSION).toBe(1);
  });

  it("are those that docs/format.md lists", () => {
    const listed = new Set(format.match(/aivault\/v1\/[a-z-]+/g));
    expect([...listed].sort()).toEqual([...Object.values(LABELS)].sort());
  });
});
