// Reads definition files, and the TypeScript sources that judge them. Used by the other scripts here.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
/** Where the built-in definitions are. */
export const providersDirectory = join(root, "providers");

/** Canonical JSON: sorted keys, no space, so that equal definitions have equal bytes. */
export function canonicalJson(value) {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`);
  return `{${entries.join(",")}}`;
}

/** Lower-case hexadecimal SHA-256 over the canonical JSON of the array of definitions. */
export function digestOf(definitions) {
  return createHash("sha256").update(canonicalJson(definitions)).digest("hex");
}

/** Every `*.json` of a directory as text, in the order of provider ids. */
export function readDefinitionFiles(directory = providersDirectory) {
  return readdirSync(directory)
    .filter((name) => name.endsWith(".json"))
    .map((name) => name.slice(0, -5))
    .sort()
    .map((id) => `${id}.json`)
    .map((name) => ({ name, text: readFileSync(join(directory, name), "utf8") }));
}

/**
 * Imports a module of `src/` from its sources. Node 20 does not run TypeScript, and these scripts must
 * run before anything is built, so it is bundled in memory by the esbuild that tsup brings along.
 */
export async function importSource(name) {
  const fromTsup = createRequire(createRequire(import.meta.url).resolve("tsup"));
  const { build } = fromTsup("esbuild");
  const { outputFiles } = await build({
    entryPoints: [join(root, "src", name)],
    bundle: true,
    format: "esm",
    target: "es2023",
    write: false,
  });
  const code = Buffer.from(outputFiles[0].contents).toString("base64");
  return await import(`data:text/javascript;base64,${code}`);
}
