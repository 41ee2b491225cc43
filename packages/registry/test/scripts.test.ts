import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { sample } from "./sample.ts";

const scripts = fileURLToPath(new URL("../scripts", import.meta.url));

/** Runs a script; its exit status and everything it printed. */
function run(script: string, ...args: string[]): { status: number; output: string } {
  try {
    const output = execFileSync(process.execPath, [`${scripts}/${script}`, ...args], {
      encoding: "utf8",
      stdio: "pipe",
    });
    return { status: 0, output };
  } catch (error) {
    const { status, stdout, stderr } = error as { status: number; stdout: string; stderr: string };
    return { status, output: stdout + stderr };
  }
}

/** A small definition with a name, a secret and a host of its own. */
function plain(id: string): Record<string, unknown> {
  const host = `api.${id}.dev`;
  return {
    id,
    name: id,
    category: "developer",
    docsUrl: `https://docs.${id}.dev/`,
    checked: "2026-11-23",
    secrets: [
      {
        name: `${id.toUpperCase()}_KEY`,
        placeholder: "secret",
        description: "Key.",
        pattern: `^${id}_[0-9]{4}$`,
        example: `${id}_1234`,
      },
    ],
    auth: { strategy: "header", name: "Authorization", template: "Bearer {{secret}}" },
    hosts: [host],
    capabilities: [
      {
        id: `${id}/things`,
        description: "Read things.",
        host,
        risk: "read",
        rules: [{ methods: ["GET"], match: "prefix", path: "/v1/things" }],
      },
    ],
    verify: { capability: `${id}/things`, method: "GET", path: "/v1/things" },
  };
}

const capability = (id: string, rule: object, more: object = {}): object => ({
  id: `${id}/things`,
  description: "Read things.",
  host: `api.${id}.dev`,
  risk: "read",
  rules: [{ methods: ["GET"], match: "prefix", path: "/v1/things", ...rule }],
  ...more,
});

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "aivault-registry-"));
});
beforeEach(() => {
  rmSync(directory, { recursive: true });
  directory = mkdtempSync(join(tmpdir(), "aivault-registry-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

const write = (name: string, json: unknown): void =>
  writeFileSync(join(directory, name), typeof json === "string" ? json : JSON.stringify(json));

describe("registry:check", { timeout: 60_000 }, () => {
  it("finds no fault in the built-in definitions", () => {
    expect(run("check.mjs")).toMatchObject({ status: 0 });
  });

  it("finds no fault in two definitions that keep apart", () => {
    write("one.json", plain("one"));
    write("two.json", plain("two"));
    expect(run("check.mjs", directory)).toMatchObject({ status: 0 });
  });

  const bad: readonly [string, Record<string, unknown>, string][] = [
    ["an unknown key", { methods: ["GET"] }, "two.json: $.methods: is not a known key"],
    ["a wrong id", { id: "Two" }, "$.id:"],
    ["the id of another file", { id: "three" }, "$.capabilities[0].id:"],
    ["no documentation", { docsUrl: "http://two.dev" }, "$.docsUrl:"],
    [
      "a placeholder for documentation",
      { docsUrl: "https://docs.example/" },
      "$.docsUrl: is a placeholder",
    ],
    ["a check in the future", { checked: "2999-01-01" }, "$.checked: is in the future"],
    [
      "a prefix that admits the host",
      { capabilities: [capability("two", { path: "/" })] },
      "`/` admits the whole host",
    ],
    [
      "a broad prefix that writes",
      {
        capabilities: [
          capability("two", { methods: ["POST"], path: "/api/v1" }, { risk: "write" }),
        ],
        verify: undefined,
      },
      "`/api/v1` is too broad for write",
    ],
    [
      "overlapping rules of different risk",
      {
        capabilities: [
          capability("two", {}),
          capability("two", { path: "/v1/things/spend" }, { id: "two/spend", risk: "spend" }),
        ],
      },
      "admits requests of risk spend that `two/things` calls read",
    ],
    [
      "a boundary in the middle of a segment",
      { capabilities: [capability("two", { path: "/v1/th%69ngs" })] },
      ".path:",
    ],
    [
      "a description that is no sentence",
      { capabilities: [capability("two", {}, { description: "Things" })] },
      "is not a sentence",
    ],
    [
      "the secret name of another provider",
      { secrets: (plain("one") as { secrets: unknown[] }).secrets },
      "secret name `ONE_KEY` is already claimed by one",
    ],
    [
      "a pattern that takes another's key for its own",
      {
        secrets: [
          { ...(plain("two") as { secrets: [object] }).secrets[0], pattern: "^[a-z]+_[0-9]{4}$" },
        ],
      },
      "its pattern takes ONE_KEY of one.json for its own",
    ],
    ["the name of another provider", { name: "One" }, "$.name: one.json has it too"],
    [
      "the requests of another provider",
      { hosts: ["api.one.dev"], capabilities: [capability("two", {}, { host: "api.one.dev" })] },
      "api.one.dev: overlaps with one.json",
    ],
  ];

  // One run judges all of them, each in a directory of its own: a process for each would take a minute.
  it("refuses each of a set of bad files, naming the fault", () => {
    const directories = bad.map(([, change], i) => {
      const apart = join(directory, `${i}`);
      mkdirSync(apart);
      writeFileSync(join(apart, "one.json"), JSON.stringify(plain("one")));
      writeFileSync(join(apart, "two.json"), JSON.stringify({ ...plain("two"), ...change }));
      return apart;
    });
    const { status, output } = run("check.mjs", ...directories);
    expect(status).toBe(1);
    const answers = output.split(new RegExp(`^${directory}/\\d+:$`, "m")).slice(1);
    expect(answers).toHaveLength(bad.length);
    for (const [i, [title, , named]] of bad.entries()) expect(answers[i], title).toContain(named);
  });

  it("refuses a file that is not JSON, or is named for another provider", () => {
    write("one.json", "{");
    write("two.json", plain("three"));
    const { status, output } = run("check.mjs", directory);
    expect(output).toContain("one.json: is not JSON");
    expect(output).toContain("two.json: is the file of three");
    expect(status).toBe(1);
  });

  it("names the faults of the sample, which is not fit to be built in", () => {
    write("acme.json", sample());
    expect(run("check.mjs", directory)).toMatchObject({ status: 1 });
  });
});

describe("registry:new", { timeout: 60_000 }, () => {
  it("writes a definition that registry:check refuses until it is filled in", () => {
    expect(run("new.mjs", "acme-two", directory)).toMatchObject({ status: 0 });
    expect(JSON.parse(readFileSync(join(directory, "acme-two.json"), "utf8")).id).toBe("acme-two");
    const { status, output } = run("check.mjs", directory);
    expect(status).toBe(1);
    for (const field of ["name", "category", "docsUrl", "secrets[0].pattern", "hosts[0]"]) {
      expect(output).toContain(`acme-two.json: $.${field}:`);
    }
  });

  it("refuses an id that is taken or malformed", () => {
    expect(run("new.mjs", "one", directory)).toMatchObject({ status: 0 });
    expect(run("new.mjs", "one", directory)).toMatchObject({ status: 1 });
    expect(run("new.mjs", "One", directory)).toMatchObject({ status: 2 });
    expect(run("new.mjs", "../one", directory)).toMatchObject({ status: 2 });
  });
});

describe("the catalogue", () => {
  it("is generated from the definition files as they are now", () => {
    expect(run("catalogue.mjs", "--check")).toMatchObject({ status: 0 });
  });
});
