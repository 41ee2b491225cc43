// What the earlier aivault could call, by id. Scripts and policies name these.
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { builtinRegistry } from "../src/index.ts";

const earlier = readFileSync(new URL("earlier-capabilities.txt", import.meta.url), "utf8")
  .trimEnd()
  .split("\n");

it("has every capability of the earlier aivault, or says in its provider's notes why not", () => {
  const registry = builtinRegistry();
  const missing = earlier.filter((id) => registry.capability(id) === null);
  const unsaid = missing.filter((id) => {
    const [provider = "", name = ""] = id.split("/");
    const notes = registry.provider(provider)?.notes ?? [];
    return !notes.some((note) => note.includes(name) && / (?:is|are) left out/.test(note));
  });
  expect(earlier).toHaveLength(283);
  expect(unsaid).toEqual([]);
  expect(missing).toEqual([
    "openai/assistants",
    "openai/codex-realtime",
    "openai/codex-responses",
    "openai/codex-usage",
    "openai/videos",
    "openrouter/api-keys",
    "openrouter/credits",
    "plaid/item-public-token-exchange",
    "slack/admin",
    "slack/apps",
    "trello/batch",
    "trello/tokens",
  ]);
});
