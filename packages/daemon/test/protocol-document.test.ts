import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { callerRoutes } from "../src/caller-routes.ts";
import { operatorRoutes } from "../src/operator-routes.ts";
import { settingsSchema } from "../src/settings.ts";
import { STATUS } from "../src/status.ts";

const lines = readFileSync(new URL("../../../docs/protocol.md", import.meta.url), "utf8").split(
  "\n",
);

/** `{idOrName}` and `{tokenId}` say more in a document than the `{id}` of a pattern. */
const anyParameter = (text: string) => text.replace(/\{\w+\}/g, "{}");

it("docs/protocol.md has every route, with its method", () => {
  for (const { method, path } of [...callerRoutes, ...operatorRoutes]) {
    const route = `\`${method} ${anyParameter(path)}`;
    const row = lines.find((line) => {
      const start = anyParameter(line).indexOf(route);
      return start >= 0 && /[`?]/.test(anyParameter(line)[start + route.length] ?? "");
    });
    expect(row, route).toBeDefined();
  }
});

it("docs/protocol.md has every error code with its status, and every setting", () => {
  for (const [code, status] of Object.entries(STATUS)) {
    const row = lines.find((line) => line.includes(`\`${code}\``) && /\| \d{3} \|/.test(line));
    expect(row, code).toContain(`| ${status} |`);
  }
  for (const name of Object.keys(settingsSchema.shape)) {
    expect(lines.some((line) => line.startsWith(`| \`${name}\` |`))).toBe(true);
  }
});
