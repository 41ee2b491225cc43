import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { manualPages } from "../src/manual.ts";

const DIRECTORY = new URL("../man/", import.meta.url);
const pages = manualPages();

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

  it("is what roff understands", (context) => {
    const all = pages.map(({ text }) => text).join("");
    const done = spawnSync("groff", ["-man", "-Tutf8", "-ww", "-z"], { input: all });
    if (done.error !== undefined) {
      process.stderr.write("manual.test.ts: there is no groff, so the pages are not read\n");
      context.skip();
    }
    expect(done.stderr.toString()).toBe("");
  });

  it("shows what is typed as it is typed", (context) => {
    const invoke = pages.find(({ file }) => file === "aivault-invoke.1")?.text ?? "";
    const done = spawnSync("groff", ["-man", "-Tascii", "-P-c"], { input: invoke });
    if (done.error !== undefined) context.skip();
    // Bold is struck over.
    const shown = done.stdout.toString().split(/.[\b]/).join("");
    expect(shown).toContain("--body-file-path");
    expect(shown).toContain("aivault invoke openai/models --dry-run");
  });
});
