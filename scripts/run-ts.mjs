// @ts-check
// Runs a script written in TypeScript, on the sources of the workspace, with nothing built:
// `node scripts/run-ts.mjs fuzz/main.ts 60`. What transforms the tests transforms it.
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { createViteServer } from "vitest/node";

const [script, ...args] = process.argv.slice(2);
if (script === undefined) {
  process.stderr.write("usage: node scripts/run-ts.mjs SCRIPT.ts [ARGUMENT...]\n");
  process.exit(2);
}
const root = fileURLToPath(new URL("..", import.meta.url));
const conditions = ["@aivault/source", "node", "import", "module", "default"];
const server = await createViteServer({
  root,
  configFile: false,
  logLevel: "error",
  appType: "custom",
  server: { middlewareMode: true, hmr: false, ws: false, watch: null },
  optimizeDeps: { noDiscovery: true },
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
});
try {
  const { main } = await server.ssrLoadModule(resolve(root, script));
  process.exitCode = await main(args);
} finally {
  await server.close();
}
