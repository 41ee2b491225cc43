import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import * as policy from "../src/index.ts";

it("prints what the README says it prints", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const [, code = ""] = /```js\n([\s\S]*?)```/.exec(readme) ?? [];
  const [, printed = ""] = /```text\n([\s\S]*?)```/.exec(readme) ?? [];
  const script = code.replace(/import (\{[^}]*\}) from "@aivault\/policy";/, "const $1 = policy;");
  const lines: unknown[] = [];
  const console = { log: (line: unknown) => lines.push(line) };
  new Function("policy", "console", script)(policy, console);
  expect(`${lines.join("\n")}\n`).toBe(printed);
});
