// @ts-check
// docs/architecture.md states invariants by number, and says that the line which upholds each cites it.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const ARCHITECTURE = "docs/architecture.md";

export function checkInvariants() {
  const stated = [...readFileSync(ARCHITECTURE, "utf8").matchAll(/^- \*\*([A-Z]\d+)\.\*\*/gm)].map(
    (match) => match[1] ?? "",
  );
  const sources = execFileSync(
    "git",
    ["ls-files", "-co", "--exclude-standard", "packages/*/src/*.ts"],
    {
      encoding: "utf8",
    },
  )
    .split("\n")
    .filter((path) => path !== "" && !path.endsWith(".test.ts"))
    .flatMap((path) => {
      try {
        return [readFileSync(path, "utf8")];
      } catch {
        return []; // Deleted, and not committed yet.
      }
    });
  const uncited = stated.filter(
    (invariant) => !sources.some((source) => new RegExp(`\\b${invariant}\\b`).test(source)),
  );
  if (stated.length === 0) return { ok: false, detail: `${ARCHITECTURE} states no invariant` };
  return uncited.length > 0
    ? { ok: false, detail: `no line cites ${uncited.join(", ")}` }
    : { ok: true, detail: `${stated.length} invariants` };
}
