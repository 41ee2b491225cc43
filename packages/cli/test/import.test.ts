// `secrets import` against a real daemon: what goes into the vault, what stays in the file, and back.
import { chmodSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createOperatorClient } from "@aivault/client/operator";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseEnvFile } from "../src/env-file.ts";
import { withPlaceholders } from "../src/env-placeholders.ts";
import { replaceWithUndo } from "../src/import-undo.ts";
import { locateVault } from "../src/location.ts";
import { filesBelow, type RealDaemon, realDaemon } from "./real-daemon.ts";
import { aivault } from "./terminal.ts";

const OPENAI = `sk-proj-${"c4n4ry".repeat(8)}`;
const GITHUB = `ghp_${"c4n4ry".repeat(6)}`;
const OTHER = "c4n4ry-of-nobody";
const FILE = [
  "\ufeff# keys",
  `export OPENAI_API_KEY = '${OPENAI}' # mine`,
  `GITHUB_TOKEN="${GITHUB}"\r`,
  "PORT=8080",
  `OWN_PASSWORD=${OTHER}   # nobody's`,
  "EMPTY=",
  "no newline at the end=1".replaceAll(" ", "_"),
].join("\n");

let daemon: RealDaemon;
let path: string;

beforeAll(async () => {
  daemon = await realDaemon();
  path = join(daemon.directory, "project.env");
});
afterAll(() => daemon[Symbol.asyncDispose]());

const cli = (...argv: string[]) => aivault(["secrets", "import", ...argv], { env: daemon.env });

describe("aivault secrets import", () => {
  it("stores what it recognised, and leaves the file as it is", async () => {
    writeFileSync(path, FILE);
    const done = await cli("--env-file", path, "--recognised");
    expect(JSON.parse(done.stdout)).toEqual({
      created: ["OPENAI_API_KEY", "GITHUB_TOKEN"],
      rotated: [],
      skipped: ["EMPTY"],
      recognised: { OPENAI_API_KEY: "openai", GITHUB_TOKEN: "github" },
      left: ["PORT", "OWN_PASSWORD", "no_newline_at_the_end"],
      replaced: [],
      undoUntilMs: null,
    });
    expect(readFileSync(path, "utf8")).toBe(FILE);
  });

  it("G2: replaces values by look-alikes, and puts them back octet for octet", async () => {
    writeFileSync(path, FILE);
    chmodSync(path, 0o640);
    const link = join(daemon.directory, "link.env");
    symlinkSync(path, link);
    const done = await cli("--env-file", link, "--all", "--replace");
    const { replaced, undoUntilMs } = JSON.parse(done.stdout);
    expect(replaced).toContain("OWN_PASSWORD");
    expect(undoUntilMs).toBeGreaterThan(Date.now());
    const after = readFileSync(path, "utf8");
    expect(after).toMatch(/^\ufeff# keys\nexport OPENAI_API_KEY = 'sk-[^']+' # mine\n/);
    expect(after).toContain("OWN_PASSWORD=stored-in-aivault   # nobody's\n");
    expect(statSync(path).mode & 0o777).toBe(0o640);
    for (const file of filesBelow(daemon.directory)) {
      const octets = readFileSync(file);
      for (const value of [OPENAI, GITHUB, OTHER]) expect(octets.includes(value), file).toBe(false);
    }
    const asked = await cli("--undo", "--env-file", path);
    expect(asked).toMatchObject({ status: 2, stderr: expect.stringContaining("in clear") });
    expect(readFileSync(path, "utf8")).toBe(after);
    expect(await cli("--undo", "--env-file", path, "--yes")).toMatchObject({ status: 0 });
    expect(readFileSync(path, "utf8")).toBe(FILE);
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(await cli("--undo", "--env-file", path, "--yes")).toMatchObject({ status: 1 });
  });

  it("does not take placeholders for values", async () => {
    writeFileSync(path, FILE);
    await cli("--env-file", path, "--recognised", "--replace");
    const again = JSON.parse((await cli("--env-file", path, "--recognised")).stdout);
    expect(again).toMatchObject({ created: [], rotated: [] });
    expect(again.skipped).toEqual(["OPENAI_API_KEY", "GITHUB_TOKEN", "EMPTY"]);
  });

  it("does not undo over what was changed since, unless told to", async () => {
    writeFileSync(path, FILE);
    await cli("--env-file", path, "--recognised", "--replace");
    writeFileSync(path, `${readFileSync(path, "utf8")}\nNEW=1\n`);
    const done = await cli("--undo", "--env-file", path, "--yes");
    expect(done.stderr).toContain("was changed since");
    expect(readFileSync(path, "utf8")).toBe(FILE);
  });

  it("does not replace over what was changed since it was read, and keeps the earlier undo", async () => {
    writeFileSync(path, FILE);
    await cli("--env-file", path, "--recognised", "--replace");
    const placeholders = readFileSync(path);
    const { operatorSocket } = locateVault(daemon.env);
    const operator = createOperatorClient({ socket: operatorSocket });
    const read = { before: Buffer.from(FILE), after: Buffer.from("") };
    await expect(
      replaceWithUndo(operator, locateVault(daemon.env), path, read),
    ).rejects.toMatchObject({ code: "CLI_INPUT" });
    operator.close();
    expect(readFileSync(path)).toEqual(placeholders);
    expect(await cli("--undo", "--env-file", path, "--yes")).toMatchObject({ status: 0 });
    expect(readFileSync(path, "utf8")).toBe(FILE);
  });

  it("rotates the secret of the scope that it is told, and no other of that name", async () => {
    writeFileSync(path, "SHARED_NAME=1\n");
    const workspace = ["--env-file", path, "--workspace-id", "w"];
    await cli("--env-file", path);
    for (const done of [await cli(...workspace), await cli(...workspace)]) {
      expect(done).toMatchObject({ status: 0 });
    }
    const list = await aivault(["secrets", "list", "--json"], { env: daemon.env });
    const versions = (JSON.parse(list.stdout) as { name: string; valueVersion: number }[])
      .filter(({ name }) => name === "SHARED_NAME")
      .map((secret) => [JSON.stringify(secret).includes('"w"'), secret.valueVersion]);
    expect(new Map(versions as [boolean, number][])).toEqual(
      new Map([
        [false, 1],
        [true, 2],
      ]),
    );
  });

  it("says of nothing that is not in the file that it was replaced there", async () => {
    writeFileSync(path, FILE);
    const done = await cli("--env-file", path, "--recognised", "--replace", "--entry", "X=1");
    expect(JSON.parse(done.stdout).replaced).toEqual(["OPENAI_API_KEY", "GITHUB_TOKEN"]);
    const other = await cli(
      "--env-file",
      path,
      "--recognised",
      "--replace",
      "--entry",
      "STRIPE_SECRET_KEY=1",
    );
    expect(JSON.parse(other.stdout)).toMatchObject({ replaced: [], undoUntilMs: null });
  });

  it("G3: the daemon gives back only what its sender had sealed", async () => {
    writeFileSync(path, FILE);
    const done = await cli("--env-file", path, "--all", "--replace", "--json");
    expect(done.stdout + done.stderr).not.toContain("c4n4ry");
    const audit = await aivault(["audit", "--json"], { env: daemon.env });
    expect(audit.stdout).toContain("undo.kept");
    expect(audit.stdout).not.toContain("c4n4ry");
  });

  it.each([
    ["no file to undo", ["--undo"], 2],
    ["a file that is not there", ["--undo", "--env-file", "/nonexistent"], 1],
    ["nothing to import", [], 2],
    ["undo and replace at once", ["--undo", "--replace", "--env-file", "x"], 2],
  ])("refuses %s, and says what to do", async (_, argv, status) => {
    const done = await cli(...argv);
    expect(done).toMatchObject({ status });
    expect(done.stderr).toContain("hint:");
  });
});

describe("withPlaceholders", () => {
  it("changes nothing but the values, in quotes that hold them", () => {
    const file = Buffer.from(`A='x'\nB=y # c\nC="z"\nD=\`w\`\n`);
    const placeholders = new Map([
      ["A", "it's"],
      ["B", 'a "b"'],
      ["C", '{"k":"v"}'],
      ["D", "plain"],
    ]);
    const after = withPlaceholders(file, parseEnvFile(file), placeholders);
    expect(after.toString()).toBe(`A="it's"\nB='a "b"' # c\nC='{"k":"v"}'\nD=\`plain\`\n`);
    expect(parseEnvFile(after).map(({ value }) => value.toString())).toEqual([
      "it's",
      'a "b"',
      '{"k":"v"}',
      "plain",
    ]);
  });
});
