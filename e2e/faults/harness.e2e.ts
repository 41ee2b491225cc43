// The crash harness is itself tested: it must find what careless writers do wrong.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, expect, it } from "vitest";

const CANNOT_RUN = 77;

describe("the crash harness", () => {
  it("finds what is wrong with careless writers, and nothing with careful ones", (context) => {
    const script = path.join(import.meta.dirname, "seeded.mjs");
    const run = spawnSync(process.execPath, [script, "--toy", "--sample", "8"], {
      encoding: "utf8",
    });
    process.stderr.write(run.stdout + run.stderr);
    if (run.status === CANNOT_RUN) context.skip("no C compiler");
    expect(run.status).toBe(0);
  });
});
