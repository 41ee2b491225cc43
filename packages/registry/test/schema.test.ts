import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readProvider } from "../src/provider-shape.ts";
import { isValid } from "./json-schema.ts";
import { sample } from "./sample.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const schema = JSON.parse(readFileSync(`${root}/schema/provider.schema.json`, "utf8"));
const parserAccepts = (json: unknown): boolean => readProvider(json, []) !== null;

/** What a value could be mistaken for, and values at and beyond the edge of every rule. */
const REPLACEMENTS: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  443,
  65536,
  "",
  "x",
  "X_Y",
  "a b",
  "two\nlines",
  "/",
  "//",
  "/v1/%2e",
  "/v1/./x",
  "/v1?x=1",
  "https://example.com",
  "http://example.com",
  "{{key}}",
  "{x}.example.com",
  "example.com",
  "EXAMPLE.COM",
  "2026-13-01",
  "(",
  "DELETE",
  "a".repeat(700),
  [],
  ["x"],
  ["x", "x"],
  {},
  { x: 1 },
  { "": "x" },
  { "X-Y": "z" },
];

/** Every copy of a value in which one place is spoilt, with a description of how. */
function* spoilt(value: unknown, path = "$"): Generator<[string, unknown]> {
  for (const other of REPLACEMENTS)
    yield [`${path} = ${JSON.stringify(other)?.slice(0, 40)}`, other];
  if (Array.isArray(value)) {
    yield [`${path} twice`, [...value, ...value]];
    yield [`${path} many`, Array.from({ length: 300 }, () => value[0])];
    for (const [i, entry] of value.entries()) {
      yield [`${path}[${i}] removed`, value.toSpliced(i, 1)];
      for (const [how, copy] of spoilt(entry, `${path}[${i}]`)) yield [how, value.with(i, copy)];
    }
  } else if (typeof value === "object" && value !== null) {
    yield [`${path}.unknown added`, { ...value, unknown: 1 }];
    yield [
      `${path}.__proto__ added`,
      Object.fromEntries([...Object.entries(value), ["__proto__", 1]]),
    ];
    for (const [key, entry] of Object.entries(value)) {
      const { [key]: _, ...rest } = value as Record<string, unknown>;
      yield [`${path}.${key} removed`, rest];
      for (const [how, copy] of spoilt(entry, `${path}.${key}`))
        yield [how, { ...rest, [key]: copy }];
    }
  }
}

describe("the published schema", () => {
  it("accepts every built-in definition and the sample that uses every part of the format", () => {
    expect(isValid(sample(), schema)).toBe(true);
    expect(parserAccepts(sample())).toBe(true);
    for (const file of readdirSync(`${root}/providers`)) {
      const json = JSON.parse(readFileSync(`${root}/providers/${file}`, "utf8"));
      expect(isValid(json, schema), file).toBe(true);
    }
  });

  it("gives the parser's answer for every way to spoil one place of the sample", () => {
    let count = 0;
    for (const [how, copy] of spoilt(sample())) {
      count++;
      const answer = parserAccepts(copy);
      if (isValid(copy, schema) !== answer) {
        expect.fail(`${how}: the parser ${answer ? "accepts" : "refuses"} it, the schema does not`);
      }
    }
    expect(count).toBeGreaterThan(5000);
  }, 120_000);
});
