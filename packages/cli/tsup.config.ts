import { base } from "../../tsup.base.ts";

// Start-up time goes into finding, reading and linking modules, so one file holds all that is ours and
// what every call needs (yargs-parser and picocolors, ISC, 80 kB); the rest is imported when needed.
// That file is CommonJS: on Node 20 the ESM loader costs a call some 20 ms. main.js stays apart from
// it, so that `--version` loads nothing else; the command is main.cjs, for the same reason, and main.js is
// for whoever has to import.
const shared = {
  splitting: false,
  // The two builds run side by side; the build script empties `dist` before them.
  clean: false,
  noExternal: ["@aivault/client", "yargs-parser", "picocolors"],
  // The client's chunks say that they have no side effects, and a bundler may drop bare imports of them.
  esbuildOptions,
};

function esbuildOptions(options: {
  logOverride?: object;
  minifyWhitespace?: boolean;
  minifySyntax?: boolean;
}): void {
  options.logOverride = { "ignored-bare-import": "silent" };
  // A third less to read and scan is 3 ms. Names stay, for stack traces in bug reports.
  options.minifyWhitespace = true;
  options.minifySyntax = true;
}

export default [
  base({ ...shared, entry: ["src/index.ts", "src/main.ts"] }),
  base({
    ...shared,
    entry: ["src/main.ts", "src/program.ts"],
    format: ["cjs"],
    // The bundler's own stand-in for it breaks where a `#` is in the path.
    define: { "import.meta.url": "importMetaUrl" },
    banner: {
      js: '"use strict";var importMetaUrl=require("node:url").pathToFileURL(__filename).href;',
    },
  }),
].flat();
