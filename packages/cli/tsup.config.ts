import { base } from "../../tsup.base.ts";

// Start-up time is spent resolving and reading files: what every call needs is bundled (MIT and ISC,
// 80 kB), what few need stays outside and is imported when it is needed.
export default base({
  entry: ["src/index.ts", "src/main.ts"],
  noExternal: ["@aivault/client", "yargs-parser", "picocolors"],
});
