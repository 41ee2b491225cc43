// What our documents say in passing: links, commands in the text, names of variables. Nothing is run.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { faultsOf } from "./shell-commands.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

const documents = [
  ...markdownIn("."),
  ...markdownIn("docs"),
  ...readdirSync(join(root, "packages")).flatMap((name) => markdownIn(`packages/${name}`)),
];

function markdownIn(folder: string): string[] {
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".md") && name !== "CHANGELOG.md")
    .map((name) => join(folder, name));
}

/** The text without fenced blocks. */
function prose(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```$/gm, "");
}

const anchors = new Map<string, Set<string>>();

/** The anchors that GitHub makes of a document's headings, and those that it has of its own. */
function anchorsOf(file: string): Set<string> {
  const known = anchors.get(file);
  if (known !== undefined) return known;
  const text = prose(readFileSync(file, "utf8"));
  const made = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
  const own = [...text.matchAll(/<a (?:id|name)="([^"]+)"/g)].map(([, id = ""]) => id);
  const found = new Set([...made, ...own]);
  anchors.set(file, found);
  return found;
}

describe.each(documents)("%s", (file) => {
  const text = readFileSync(join(root, file), "utf8");

  it("links to files and headings that exist", () => {
    const broken = [...prose(text).matchAll(/\]\((?!https?:|mailto:)([^)\s]*)\)/g)].flatMap(
      ([, link = ""]) => {
        const [path = "", anchor] = link.split("#");
        const target = path === "" ? join(root, file) : join(root, dirname(file), path);
        if (!existsSync(target)) return [link];
        if (anchor === undefined) return [];
        const page = statSync(target).isDirectory() ? join(target, "README.md") : target;
        return anchorsOf(page).has(anchor) ? [] : [link];
      },
    );
    expect(broken).toEqual([]);
  });

  it("names commands and flags that exist", () => {
    const commands = [...prose(text).matchAll(/`((?:sudo )?aivaultd? [^`]+)`/g)]
      .map(([, code = ""]) => code.replaceAll("\n", " "))
      // A placeholder, or several commands in one.
      .filter((code) => !/[<>|…{[]|\bCOMMAND\b/.test(code));
    expect(commands.flatMap((command) => faultsOf(command))).toEqual([]);
  });
});

describe("docs/environment.md", () => {
  const text = readFileSync(join(root, "docs/environment.md"), "utf8");
  // Not a variable: the beginning of some, a name of a TypeScript constant, or read by tests alone.
  const others = new Set(["AIVAULT_DEV_", "AIVAULT_ERROR", "AIVAULT_VECTORS"]);
  const variable = /\bAIVAULTD?_[A-Z0-9_]+\b/g;

  it("has every variable that the code reads, and no other", () => {
    const read = sourcesIn(join(root, "packages"))
      .flatMap((file) => readFileSync(file, "utf8").match(variable) ?? [])
      .concat([...developmentNames()].map((name) => `AIVAULT_DEV_${name}`));
    const said = text.match(variable) ?? [];
    expect([...new Set(said)].sort()).toEqual(
      [...new Set(read)].filter((name) => !others.has(name)).sort(),
    );
  });

  /** Development variables are put together from a prefix. */
  function developmentNames(): Set<string> {
    const source = readFileSync(join(root, "packages/daemon/src/development.ts"), "utf8");
    const list = /const READERS = new Set\(\s*\[([^\]]+)\]/.exec(source)?.[1] ?? "";
    return new Set(list.match(/[A-Z][A-Z0-9_]+/g));
  }

  it("has every variable of Node's that the daemon refuses", () => {
    const source = readFileSync(join(root, "packages/daemon/src/environment.ts"), "utf8");
    const refused = /const REFUSED = \[([^\]]+)\]/.exec(source)?.[1]?.match(/[A-Z_]{4,}/g) ?? [];
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });
});

/** The sources of our packages that ship: no tests. */
function sourcesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      const isOurs = !["node_modules", "dist", "test"].includes(entry.name);
      return isOurs ? sourcesIn(path) : [];
    }
    const isSource = relative(root, path).includes("/src/") && /(?<!\.test)\.ts$/.test(path);
    return isSource ? [path] : [];
  });
}
