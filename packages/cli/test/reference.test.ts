import { describe, expect, it } from "vitest";
import { cliReference } from "../src/reference.ts";

describe("docs/cli.md", () => {
  it("is what the declarations say; `vitest run -u` writes it anew", async () => {
    await expect(cliReference()).toMatchFileSnapshot("../../../docs/cli.md");
  });
});
