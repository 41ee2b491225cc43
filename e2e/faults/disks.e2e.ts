// Disks that fail and processes that meet; docs/faults.md has the long forms.
import { describe, it } from "vitest";
import { expectNothingBad, PATIENCE } from "./run-script.ts";

describe("a vault on a failing disk", () => {
  it(
    "G20: refuses what it cannot keep, loses nothing it kept, and goes on when the disk is well",
    PATIENCE,
    (context) => expectNothingBad(context, "disks.mjs", []),
  );
});

describe("eight processes on one vault", () => {
  it(
    "G20: lose no update, and take over the lock of a dead process but of no living one",
    PATIENCE,
    (context) =>
      expectNothingBad(context, "writers.mjs", [
        ...["--operations", "400", "--kills", "3", "--stopped-ms", "3000"],
      ]),
  );
});

describe("a vault that lost power on a real file system", () => {
  it("G20: has every change that was acknowledged, whole", PATIENCE, (context) =>
    expectNothingBad(context, "powercut.mjs", ["--cuts", "10"]),
  );
});
