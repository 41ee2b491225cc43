// A sample of the damage that damage.mjs does in full.
import { describe, it } from "vitest";
import { expectNothingBad, PATIENCE } from "./run-script.ts";

describe("a vault that was changed at rest", () => {
  it(
    "G11: shows every flipped bit, cut, swap, older copy and strange file, and uses none of it",
    PATIENCE,
    (context) => expectNothingBad(context, "damage.mjs", ["--short", "--edits", "0"]),
  );

  it("G18: shows every edit of its audit log", PATIENCE, (context) =>
    expectNothingBad(context, "damage.mjs", ["--short", "--sample", "0", "--edits", "500"]),
  );
});
