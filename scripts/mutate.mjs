// @ts-check
// Mutation testing: `pnpm mutate`, or `pnpm mutate policy` for one package; what follows the name goes
// to Stryker (`pnpm mutate policy --mutate packages/policy/src/host.ts`).
import { spawnSync } from "node:child_process";

const PACKAGES = ["policy", "vault-core"];

const [name, ...options] = process.argv.slice(2);
const known = name === undefined || PACKAGES.includes(name);
if (!known) {
  process.stderr.write(`usage: pnpm mutate [${PACKAGES.join("|")} [STRYKER OPTION...]]\n`);
  process.exit(2);
}
let failed = false;
for (const one of name === undefined ? PACKAGES : [name]) {
  const { status } = spawnSync("stryker", ["run", `stryker.${one}.mjs`, ...options], {
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  failed ||= status !== 0;
}
process.exit(failed ? 1 : 0);
