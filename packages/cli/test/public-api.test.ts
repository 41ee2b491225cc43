import { describe, expect, it } from "vitest";
import * as cli from "../src/index.ts";

describe("the public surface", () => {
  it("has these names and no others", () => {
    expect(Object.keys(cli).sort()).toEqual([
      "COMMANDS",
      "COMMAND_GROUPS",
      "EXIT",
      "Output",
      "exitStatusOf",
      "run",
    ]);
  });
});
