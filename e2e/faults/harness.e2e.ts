// The crash harness is itself tested: it must find what careless writers do wrong.
import { describe, it } from "vitest";
import { expectNothingBad, PATIENCE } from "./run-script.ts";

describe("the crash harness", () => {
  it(
    "finds what is wrong with careless writers, and nothing with careful ones",
    PATIENCE,
    (context) => expectNothingBad(context, "seeded.mjs", ["--toy", "--sample", "5"]),
  );
});
