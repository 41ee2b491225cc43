// Answers instead of errors: whatever goes wrong, one is told what happened and what to do next, and
// neither a stack trace nor anything secret.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { flagsOf } from "../src/command.ts";
import { COMMANDS } from "../src/commands/index.ts";
import { type FakeDaemon, fakeDaemon, refuse } from "./fake-daemon.ts";
import { type RealDaemon, realDaemon } from "./real-daemon.ts";
import { aivault, type Captured } from "./terminal.ts";

const CANARY = "c4n4ry-v4lu3";

/** What every failure looks like. */
function expectAnswer(done: Captured, what: string): void {
  expect(done.stderr, what).toMatch(/^aivault: error: .+ \[[A-Za-z_]+(: [a-z_]+)?\]$/m);
  expect(done.stderr, what).toMatch(/^aivault: hint: \S/m);
  expect(done.stderr, what).not.toMatch(/\n\s+at |node:internal|\.ts:\d|\[object|undefined/);
  expect(done.stdout + done.stderr, what).not.toContain(CANARY);
  expect(done.stdout, what).toBe("");
}

let directory: string;
let daemon: RealDaemon;
let fake: FakeDaemon | undefined;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "aivault-errors-"));
  writeFileSync(join(directory, "not-json"), CANARY);
  writeFileSync(join(directory, "bad.env"), `OK=1\n${CANARY} is no pair\n`);
  writeFileSync(join(directory, "twice.env"), `A=${CANARY}\nA=${CANARY}\n`);
  daemon = await realDaemon();
});
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});
afterEach(async () => {
  await fake?.[Symbol.asyncDispose]();
  fake = undefined;
});

/** Words that make a command line complete, as far as the parser can tell. */
function completed(command: (typeof COMMANDS)[number]): readonly string[] {
  const values = (command.positionals ?? []).map(({ choices }) => choices?.[0] ?? "nobody");
  const flags = flagsOf(command).filter(({ required }) => required);
  return [
    ...command.words,
    ...values,
    ...flags.flatMap(({ name, choices }) => [`--${name}`, choices?.[0] ?? "https://x.example/"]),
  ];
}

/** These say something useful without a vault, or make one. */
const WORKS_WITHOUT = new Set([
  "capability list",
  "provider list",
  "status",
  "init",
  "stop",
  "doctor",
  "completion",
  "oauth setup",
  "setup agent-access",
  "setup systemd",
  "setup launchd",
]);

describe("every command", () => {
  const commands = COMMANDS.map((command) => ({ name: command.words.join(" "), command }));

  it.each(commands)("$name answers a flag that it does not have", async ({ command }) => {
    const done = await aivault([...command.words, "--no-such-flag"], {});
    expect(done.status).toBe(2);
    expectAnswer(done, command.words.join(" "));
  });

  it.each(commands)("$name answers one argument too many", async ({ command }) => {
    const done = await aivault([...completed(command), "too", "many"], {});
    expect(done.status).toBe(2);
    expectAnswer(done, command.words.join(" "));
  });

  it.each(commands.filter(({ command }) => flagsOf(command).some(({ kind }) => kind !== "switch")))(
    "$name answers a flag without its value, and one of the wrong kind",
    async ({ command }) => {
      for (const { name, kind, choices } of flagsOf(command)) {
        if (kind === "switch") continue;
        const alone = await aivault([...command.words, `--${name}`], {});
        expect(alone.status).toBe(2);
        expectAnswer(alone, `--${name}`);
        if (kind !== "count" && choices === undefined) continue;
        const wrong = await aivault([...command.words, `--${name}=no-such-value`], {});
        expect(wrong.status).toBe(2);
        expectAnswer(wrong, `--${name}`);
      }
    },
  );

  it.each(commands.filter(({ name }) => !WORKS_WITHOUT.has(name)))(
    "$name answers when there is no vault, and makes none",
    async ({ name, command }) => {
      const root = join(directory, `none-${name.replaceAll(" ", "-")}`);
      const env = { AIVAULT_DIR: root, HOME: directory, AIVAULTD_AUTOSTART: "0" };
      const done = await aivault(completed(command), { env });
      expect(done.status).not.toBe(0);
      if (name === "secrets import") return;
      expectAnswer(done, name);
      expect(existsSync(join(root, "vault.json"))).toBe(false);
    },
  );

  it.each(commands.filter(({ name }) => !WORKS_WITHOUT.has(name) && name !== "restart"))(
    "$name answers when the daemon fails inside",
    async ({ name, command }) => {
      fake = await fakeDaemon({
        "*": (_: unknown, response: ServerResponse) =>
          refuse(response, 500, { error: "internal", message: "something failed inside" }),
      });
      const done = await aivault(completed(command), { env: fake.env });
      expect(done.status).not.toBe(0);
      if (name === "secrets import") return;
      expectAnswer(done, name);
    },
  );
});

describe("without a vault", () => {
  const env = () => ({ AIVAULT_DIR: join(directory, "nothing"), HOME: directory });

  it("shows what the registry offers, and makes no vault", async () => {
    const list = await aivault(["capability", "list"], { env: env() });
    expect(list).toMatchObject({ status: 0, stderr: expect.stringContaining("no vault") });
    expect(list.stdout).toContain("openai");
    const json = await aivault(["capability", "list", "--provider", "openai", "--json"], {
      env: env(),
    });
    expect(JSON.parse(json.stdout).registryCapabilities.length).toBeGreaterThan(5);
    const one = await aivault(["capability", "describe", "openai/models"], { env: env() });
    expect(JSON.parse(one.stdout)).toMatchObject({ ready: false, setup: expect.anything() });
    expect((await aivault(["provider", "list"], { env: env() })).stdout).toContain("github");
    const provider = await aivault(["provider", "describe", "github"], { env: env() });
    expect(JSON.parse(provider.stdout)).toMatchObject({ id: "github", origin: "registry" });
    expect(existsSync(join(directory, "nothing"))).toBe(false);
  });
});

describe("what people get wrong", () => {
  const INVOKE = ["invoke", "openai/chat-completions", "-X", "POST", "--path", "/v1/chat"];
  const cases: readonly (readonly [string, readonly string[], number])[] = [
    ["no such command", ["secrts"], 2],
    ["a noun without its verb", ["secrets"], 2],
    ["no such verb", ["secrets", "reveal"], 2],
    ["a secret that is not there", ["secrets", "rotate", "NOPE", "--value", CANARY], 1],
    ["a secret that is not there, to delete", ["secrets", "delete", "NOPE", "--yes"], 1],
    ["a value from a file that is not there", ["secrets", "create", "A", "--value-file", "/no"], 1],
    ["a value from a directory", ["secrets", "create", "A", "--value-file", "/"], 1],
    ["nobody to ask for a value", ["secrets", "create", "A"], 2],
    ["an empty value", ["secrets", "create", "A", "--value="], 1],
    ["a scope without its id", ["secrets", "list", "--scope", "group"], 2],
    ["a file of no pairs", ["secrets", "import", "--env-file", "bad.env"], 1],
    ["the older way to say where", [...INVOKE, "--workspace-id", "w"], 2],
    ["a request that is no JSON", ["invoke", "openai/models", "--request", CANARY], 2],
    ["a body in two ways", [...INVOKE, "--body", CANARY, "--body-file-path", "x"], 2],
    ["a header that is none", [...INVOKE, "--header", CANARY], 2],
    ["a header that carries a key", [...INVOKE, "-H", `Authorization: ${CANARY}`], 1],
    ["a capability that is not there", ["invoke", "nobody/nothing", "-X", "GET", "--path", "/"], 1],
    ["a capability that is not ready", ["json", "openai/models"], 1],
    ["an upload that is not there", [...INVOKE, "--multipart-file", "f=/nonexistent"], 1],
    ["a setting that is none", ["settings", "set", "requireToken", CANARY], 2],
    ["a time that is none", ["token", "mint", "--capability", "x", "--ttl", "soon"], 2],
    ["a definition that is no JSON", ["provider", "add", "not-json"], 1],
    ["a provider that is not there", ["provider", "describe", "nobody"], 1],
    ["a token that is not there", ["token", "revoke", "nobody"], 1],
    ["a credential of nothing", ["credential", "create", "c", "--provider", "openai"], 2],
    [
      "a capability without a host",
      ["capability", "create", "a/b", "--method", "GET", "--path", "/"],
      2,
    ],
    ["no operator passphrase to log in with", ["operator", "login", "--passphrase", CANARY], 1],
    ["a backup over a file", ["backup", "create", "not-json", "--passphrase", CANARY], 1],
    ["a backup that is none", ["backup", "verify", "not-json", "--passphrase", CANARY], 1],
    ["a vault that is there already", ["init"], 1],
    ["a login at a provider that has none", ["oauth", "login", "openai"], 1],
    ["a shell that is none", ["completion", "tcsh"], 2],
  ];

  it.each(cases)("answers %s", async (what, argv, status) => {
    const at = (word: string) =>
      ["bad.env", "twice.env", "not-json"].includes(word) ? join(directory, word) : word;
    const done = await aivault(argv.map(at), { env: daemon.env });
    expectAnswer({ ...done, stdout: argv[1] === "import" ? "" : done.stdout }, what);
    expect(done.status, done.stderr).toBe(status);
  });
});
