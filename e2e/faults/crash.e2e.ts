// A part of the crash enumeration that is the same each time; docs/faults.md has the whole of it.
import { describe, it } from "vitest";
import { expectNothingBad, PATIENCE } from "./run-script.ts";

describe("a process that is stopped, or a machine that loses power, at any file call", () => {
  it.for([
    ["creating secrets", "create"],
    ["rotating a value", "rotate"],
    ["deleting a secret", "delete"],
    ["replacing the vault's key", "rotate-master:1"],
    ["putting a backup in place of a vault", "restore:over"],
  ] as const)(
    "G20: while %s loses nothing acknowledged and leaves a vault that opens",
    PATIENCE,
    ([, scenario], context) =>
      expectNothingBad(context, "enumerate.mjs", ["--short", "--scenario", scenario]),
  );

  it("G20: while appending to the audit log leaves a log that verifies", PATIENCE, (context) =>
    expectNothingBad(context, "enumerate.mjs", ["--short", "--scenario", "audit"]),
  );
});
