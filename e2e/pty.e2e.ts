// What a person sees at a real terminal, and what is left when they change their mind.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasPty, onTerminal, plain } from "./support/pty.mjs";
import { aivault } from "./support/run.mjs";
import { type StandInProcess, startStandIn } from "./support/start-stand-in.mjs";
import { createTempHome } from "./support/temp-home.mjs";

const KEY = `sk-proj-pty-canary-${"x".repeat(40)}`;
const TYPED = "never-shown-canary";
const CTRL_C = "\u0003";
const RETURN = "\r";

let standIn: StandInProcess;
const homes: ReturnType<typeof createTempHome>[] = [];

function newHome(): { env: Record<string, string>; vault: string; home: string } {
  const home = createTempHome();
  homes.push(home);
  const env = { ...home.environment, ...standIn.daemonEnvironment, NO_COLOR: "1" };
  return { env, vault: home.vaultDirectory, home: home.home };
}

/** One with the key stored. */
async function stocked() {
  const home = newHome();
  const made = await aivault(["init", "--dev"], { env: home.env });
  expect(made.status, made.stderr).toBe(0);
  const create = ["secrets", "create", "OPENAI_API_KEY", "--value-stdin"];
  const done = await aivault(create, { env: home.env, stdin: KEY });
  expect(done.status, done.stderr).toBe(0);
  return home;
}

if (!hasPty()) process.stderr.write("pty.e2e.ts is skipped: there is no util-linux `script`\n");

describe.skipIf(!hasPty())("at a terminal", () => {
  let home: Awaited<ReturnType<typeof stocked>>;

  beforeAll(async () => {
    standIn = await startStandIn({ credentials: { "api.openai.com": { secret: KEY } } });
    home = await stocked();
  });

  afterAll(async () => {
    for (const each of homes) {
      await aivault(["stop"], { env: { ...each.environment, ...standIn.daemonEnvironment } });
      each.remove();
    }
    await standIn.stop();
  });

  it("G3: does not echo what is typed or pasted unseen, whoever is fast or corrects themselves", async () => {
    const terminal = onTerminal(["secrets", "create", "PTY_KEY"], home);
    await terminal.see(/not shown/);
    terminal.type(`wrong\u0015\u001b[200~${TYPED}\u001b[201~x\u007f\u001b[D${RETURN}`);
    expect(await terminal.ended).toBe(0);
    expect(terminal.screen()).not.toMatch(/never|canary|wrong/);
    expect(plain(terminal.screen())).toContain("stored PTY_KEY");
  });

  it("says so when two passphrases differ, and makes nothing", async () => {
    const other = newHome();
    const flags = ["init", "--provider", "passphrase"];
    const terminal = onTerminal(flags, { env: { ...other.env, AIVAULT_DEV_RESOLVE: "" } });
    await terminal.see(/new passphrase \(not shown\)/);
    terminal.type(`${TYPED}${RETURN}`);
    await terminal.see(/once more/);
    terminal.type(`${TYPED}2${RETURN}`);
    expect(await terminal.ended).toBe(1);
    expect(terminal.screen()).not.toContain(TYPED);
    expect(existsSync(join(other.vault, "vault.json"))).toBe(false);
  });

  it.each<[string, readonly string[], RegExp]>([
    ["at a hidden value", ["secrets", "create", "HALF"], /not shown/],
    ["at a confirmation", ["secrets", "delete", "OPENAI_API_KEY"], /Do it\?/],
    ["at a new value", ["secrets", "rotate", "OPENAI_API_KEY"], /not shown/],
    ["in the middle of a log", ["audit", "tail", "--after-seq", "0"], /secret\.created/],
  ])("^C %s leaves everything as it was, and the terminal too", async (_, args, question) => {
    const before = await aivault(["secrets", "list", "--json"], home);
    const terminal = onTerminal(args, home);
    await terminal.see(question);
    terminal.type(CTRL_C);
    const status = await terminal.ended;
    expect(status).toBe(args[0] === "audit" ? 0 : 130);
    // The cursor is shown again, and pastes are no longer marked.
    expect(terminal.screen().lastIndexOf("\u001b[?25l")).toBeLessThanOrEqual(
      terminal.screen().lastIndexOf("\u001b[?25h"),
    );
    expect(terminal.screen().lastIndexOf("\u001b[?2004h")).toBeLessThanOrEqual(
      terminal.screen().lastIndexOf("\u001b[?2004l"),
    );
    expect((await aivault(["secrets", "list", "--json"], home)).stdout).toBe(before.stdout);
  });

  it("^C at the first question makes no vault", async () => {
    const other = newHome();
    const terminal = onTerminal(["secrets", "create", "OPENAI_API_KEY"], other);
    await terminal.see(/not shown/);
    terminal.type(CTRL_C);
    expect(await terminal.ended).toBe(130);
    expect(existsSync(other.vault)).toBe(false);
  });

  it.each([40, 62, 80, 132])("fits every table into %i columns", async (columns) => {
    for (const args of [
      ["secrets", "list"],
      ["credential", "list"],
      ["capability", "list", "--ready"],
      ["provider", "list"],
      ["audit", "--limit", "20"],
      ["token", "list"],
    ]) {
      const terminal = onTerminal(args, { ...home, columns });
      expect(await terminal.ended).toBe(0);
      const wide = plain(terminal.screen())
        .split("\n")
        .filter((line) => !line.startsWith("aivault: ") && [...line].length > columns);
      expect(wide, args.join(" ")).toEqual([]);
    }
  });

  it("survives a window that is resized while it asks, and fits the new one", async () => {
    const terminal = onTerminal(["secrets", "rotate", "PTY_KEY"], { ...home, columns: 100 });
    await terminal.see(/not shown/);
    for (const columns of [20, 200, 50]) terminal.resize(columns);
    terminal.type(`${TYPED}${RETURN}`);
    expect(await terminal.ended).toBe(0);
    expect(terminal.screen()).not.toContain(TYPED);
  });

  it("has colours and a spinner for a person, and neither in a pipe or with NO_COLOR", async () => {
    const { NO_COLOR: _, ...colourful } = home.env;
    const shown = onTerminal(["status"], { env: colourful });
    expect(await shown.ended).toBe(0);
    expect(shown.screen()).toContain("\u001b[32m");
    const plainly = onTerminal(["status"], home);
    expect(await plainly.ended).toBe(0);
    expect(plainly.screen()).not.toContain("\u001b[");
    const piped = onTerminal(["status"], { env: colourful, redirect: "| cat" });
    expect(await piped.ended).toBe(0);
    expect(piped.screen()).not.toContain("\u001b[");
  });

  it("guides from nothing to a first call", async () => {
    const other = newHome();
    // The stand-in needs a development vault, which a guide does not make: the call is not tried.
    const env = { ...other.env };
    for (const name of Object.keys(env)) if (name.startsWith("AIVAULT_DEV_")) delete env[name];
    const terminal = onTerminal(["init"], { env });
    await terminal.see(/Where is the vault's key to be kept\?/);
    terminal.type(RETURN);
    await terminal.see(/Whose key do you want to store first\?/);
    terminal.type("OpenAI");
    await terminal.see(/❯|●|› OpenAI|OpenAI/);
    terminal.type(RETURN);
    await terminal.see(/value of OPENAI_API_KEY \(not shown\)/);
    terminal.type(`not-a-canary${RETURN}`);
    await terminal.see(/does not look like a value of OPENAI_API_KEY/);
    terminal.type("n");
    await terminal.see(/value of OPENAI_API_KEY[\s\S]+value of OPENAI_API_KEY \(not shown\)/);
    terminal.type(`${KEY}${RETURN}`);
    await terminal.see(/Try it with a harmless call\?/);
    terminal.type("n");
    expect(await terminal.ended).toBe(0);
    expect(plain(terminal.screen())).toContain("next: `aivault capability list --ready`");
    expect(terminal.screen()).not.toContain("canary");
    const list = await aivault(["secrets", "list", "--json"], { env });
    expect(list.stdout).toContain("OPENAI_API_KEY");
    await aivault(["stop"], { env });
  });

  it("^C in the guide keeps the vault that is made, and says how to go on", async () => {
    const other = newHome();
    const env = { ...other.env };
    for (const name of Object.keys(env)) if (name.startsWith("AIVAULT_DEV_")) delete env[name];
    const terminal = onTerminal(["init"], { env });
    await terminal.see(/Where is the vault's key to be kept\?/);
    terminal.type(RETURN);
    await terminal.see(/Whose key/);
    terminal.type(CTRL_C);
    expect(await terminal.ended).toBe(130);
    expect(plain(terminal.screen())).toContain("the vault is made");
    expect((await aivault(["status", "--json"], { env })).stdout).toContain('"enabled": true');
    await aivault(["stop"], { env });
  });

  it("asks before it touches a .env file, and puts it back", async () => {
    const path = join(home.home, "project.env");
    const text = `OPENAI_API_KEY='${KEY}'\nPORT=8080\n`;
    writeFileSync(path, text);
    const terminal = onTerminal(["secrets", "import", "--env-file", path], home);
    await terminal.see(/OPENAI_API_KEY +openai/);
    await terminal.see(/Store the 1 name of no known provider too\?/);
    terminal.type("n");
    await terminal.see(/Replace the stored values in/);
    terminal.type("y");
    expect(await terminal.ended).toBe(0);
    expect(readFileSync(path, "utf8")).toMatch(/^OPENAI_API_KEY='sk-/);
    expect(readFileSync(path, "utf8")).not.toContain("canary");
    const undo = onTerminal(["secrets", "import", "--undo", "--env-file", path], home);
    await undo.see(/Do it\?/);
    undo.type("y");
    expect(await undo.ended).toBe(0);
    expect(readFileSync(path, "utf8")).toBe(text);
    expect(terminal.screen() + undo.screen()).not.toContain("canary");
    expect(readdirSync(home.home).filter((name) => /\.\d+\.aivault$/.test(name))).toEqual([]);
  });
});
