import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { manualPages } from "../src/manual.ts";

const DIRECTORY = new URL("../man/", import.meta.url);
const pages = manualPages();

const groff = (args: readonly string[], input: string) =>
  spawnSync("groff", args, { input, encoding: "utf8" });
const hasGroff = groff(["--version"], "").error === undefined;
if (!hasGroff) process.stderr.write("SKIPPED: there is no groff to read the manual pages\n");

describe("the manual", () => {
  it.each(pages)(
    "has $file as the declarations say; `vitest run -u` writes it anew",
    async ({ file, text }) => {
      await expect(text).toMatchFileSnapshot(new URL(file, DIRECTORY).pathname);
    },
  );

  it("has no other page, and ships every one", () => {
    const files = pages.map(({ file }) => file).sort();
    expect(readdirSync(DIRECTORY).sort()).toEqual(files);
    const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
    expect(manifest.man).toEqual(files.map((file) => `./man/${file}`));
    expect(manifest.files).toContain("man");
  });

  it.skipIf(!hasGroff)("is what roff understands", () => {
    const all = pages.map(({ text }) => text).join("");
    const { status, stderr } = groff(["-man", "-Tutf8", "-ww", "-z"], all);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  it.skipIf(!hasGroff)("shows what is typed as it is typed", () => {
    const invoke = pages.find(({ file }) => file === "aivault-invoke.1")?.text ?? "";
    const { stdout } = groff(["-man", "-Tascii", "-P-c"], invoke);
    // Bold is struck over.
    const shown = stdout.split(/.[\b]/).join("");
    expect(shown).toContain("--body-file-path");
    expect(shown).toContain("aivault invoke openai/models --dry-run");
  });
});
