// dependency-cruiser passes silently when it cannot read TypeScript; refuse an empty run.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";

const src = readdirSync("packages").map((p) => `packages/${p}/src`);
const r = spawnSync(
  "depcruise",
  ["--config", ".dependency-cruiser.cjs", "--output-type", "err", ...src],
  {
    encoding: "utf8",
    shell: process.platform === "win32",
  },
);
process.stdout.write(r.stdout ?? "");
process.stderr.write(r.stderr ?? "");
const seen = Number(
  /\((\d+) modules,|(\d+) modules,/
    .exec(r.stdout ?? "")
    ?.slice(1)
    .find(Boolean) ?? 0,
);
if (r.status !== 0) process.exit(r.status ?? 1);
if (seen < src.length) {
  console.error(`dependency-cruiser saw ${seen} modules; expected at least ${src.length}`);
  process.exit(1);
}
