// Builds vault-core from its sources into a directory of its own, with or without a fault put into a
// copy of them.
//
//   node e2e/faults/build-core.mjs DIR      for `--core DIR/dist`, without a fault
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const SOURCES = path.join(import.meta.dirname, "../../packages/vault-core");

/**
 * Copy vault-core's sources, or those in `sources`, put `fault` into them, and bundle the copy with its dependencies.
 *
 * @returns The directory of the bundle, laid out like `dist`.
 * @throws {Error} A text to replace is not there exactly once.
 */
export async function buildWith(fault, directory, sources = path.join(SOURCES, "src")) {
  const copy = path.join(directory, "src");
  fs.cpSync(sources, copy, { recursive: true });
  for (const { file, from, to } of fault.patches) {
    const target = path.join(copy, file);
    const text = fs.existsSync(target) ? fs.readFileSync(target, "utf8") : "";
    const times = text.split(from).length - 1;
    if (times !== 1) {
      throw new Error(
        `the fault \`${fault.name}\` no longer fits ${file}: found ${times} times:\n${from}`,
      );
    }
    fs.writeFileSync(
      target,
      text.replace(from, () => to),
    );
  }
  // The copy finds its dependencies where the original does.
  fs.symlinkSync(path.join(SOURCES, "node_modules"), path.join(directory, "node_modules"));
  const tsup = createRequire(import.meta.url).resolve("tsup/package.json");
  const esbuild = createRequire(tsup)("esbuild");
  const out = path.join(directory, "dist");
  await esbuild.build({
    entryPoints: {
      index: path.join(copy, "index.ts"),
      "node/index": path.join(copy, "node/index.ts"),
    },
    outdir: out,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    logLevel: "error",
  });
  fs.writeFileSync(path.join(out, "package.json"), '{"type":"module"}\n');
  return out;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [directory] = process.argv.slice(2);
  fs.rmSync(directory, { recursive: true, force: true });
  fs.mkdirSync(directory, { recursive: true });
  console.log(await buildWith({ name: "none", patches: [] }, directory));
}
