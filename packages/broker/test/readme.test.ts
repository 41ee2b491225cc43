import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import * as policy from "@aivault/policy";
import * as registry from "@aivault/registry";
import * as vaultCore from "@aivault/vault-core";
import { expect, it } from "vitest";
import * as broker from "../src/index.ts";

it("prints what the README says it prints", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const [, code = ""] = /```js\n([\s\S]*?)```/.exec(readme) ?? [];
  const [, printed = ""] = /```text\n([\s\S]*?)```/.exec(readme) ?? [];
  const script = code.replaceAll(/import (\{[^}]*\}) from "[^"]*";/g, "const $1 = modules;");
  const modules = { webcrypto, ...policy, ...registry, ...vaultCore, ...broker };
  const lines: string[] = [];
  const console = { log: (...parts: unknown[]) => lines.push(parts.join(" ")) };
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
  await new AsyncFunction("modules", "console", script)(modules, console);
  expect(`${lines.join("\n")}\n`).toBe(printed);
});
