// Every command and program in our documents is run as it stands there, by a newcomer's means: a shell,
// a terminal, node. The vault is a development one, the providers are the stand-in. What cannot be run
// here is checked: that it is shell, and that our commands and flags in it exist.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { faultsOf } from "./docs/shell-commands.mjs";
import { comparable, runOnTerminal, shownText, transcriptOf } from "./docs/terminal.mjs";
import { AIVAULT, AIVAULTD, aivault, run } from "./support/run.mjs";
import { snippetsOf } from "./support/snippets.mjs";
import { startStandIn } from "./support/start-stand-in.mjs";
import { createTempHome } from "./support/temp-home.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const openAiKey = "sk-docs-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH";

const documents = [
  "README.md",
  "CONTRIBUTING.md",
  ...markdownIn("docs"),
  ...readdirSync(join(root, "packages"))
    .map((name) => `packages/${name}/README.md`)
    .filter((file) => existsSync(join(root, file))),
];

/** These store the key themselves, each on a machine of its own; most others share one where it is stored. */
const STORES_ITSELF = ["README.md", "docs/getting-started.md", "docs/ten-tasks.md"];

/** These change what the others would have to live with, such as where the vault's key is. */
const KEEPS_APART = ["docs/cli.md", "docs/storage.md"];

/** Write into the transcripts what the commands say now. Read the difference before committing it. */
// biome-ignore lint/suspicious/noUndeclaredEnvVars: set by hand; no task of turbo's runs this.
const UPDATE = process.env["AIVAULT_DOCS_UPDATE"] === "1";

/** For one block, on a machine that has much else to do. */
const PATIENCE_MS = 120_000;

// No terminal but the one of util-linux takes these arguments.
const hasTerminal = spawnSync("script", ["-qec", "true", "/dev/null"]).status === 0;
if (!hasTerminal) process.stderr.write("SKIPPED: no `script` of util-linux, so no terminal\n");

function markdownIn(folder: string): string[] {
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `${folder}/${name}`);
}

/** A busy machine takes longer than a command is willing to wait. */
async function startDaemon(env: Record<string, string>): Promise<void> {
  for (let tries = 1; (await aivault(["status"], { env })).status !== 0; tries += 1) {
    expect(tries, "starts of the daemon").toBeLessThan(5);
  }
}

/** Neither run nor followed: what would need root, another system or another machine. */
function isOnlyChecked(mode: string): boolean {
  return mode.startsWith("skip, ") || mode.startsWith("walk, ");
}

interface Place {
  /** The home directory, and the working directory too. */
  readonly home: string;
  /** A home directory on another machine, as far as anybody can tell. */
  readonly elsewhere: string;
  readonly env: Record<string, string>;
  leave(): Promise<void>;
}

/** A machine with aivault installed, a running daemon, and no secret yet. */
async function makePlace(): Promise<Place> {
  const { home, remove } = createTempHome();
  const standIn = await startStandIn({ credentials: { "api.openai.com": { secret: openAiKey } } });
  const bin = join(home, "bin");
  const elsewhere = join(home, "elsewhere");
  mkdirSync(bin);
  mkdirSync(elsewhere, { mode: 0o700 });
  for (const [name, target] of [
    ["aivault", AIVAULT],
    ["aivaultd", AIVAULTD],
  ] as const) {
    writeFileSync(join(bin, name), `#!/bin/sh\nexec "${process.execPath}" "${target}" "$@"\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const env = {
    HOME: home,
    ...standIn.daemonEnvironment,
    PATH: `${bin}:${process.env["PATH"]}`,
    NO_COLOR: "1",
    TERM: "xterm",
  };
  const made = await aivault(["init", "--dev", "--provider", "file"], { env });
  expect(made.status, made.stderr).toBe(0);
  await startDaemon(env);
  return {
    home,
    elsewhere,
    env,
    async leave() {
      await aivault(["stop"], { env });
      if (existsSync(join(elsewhere, ".aivault"))) {
        await aivault(["stop"], { env: { ...env, HOME: elsewhere } });
      }
      await standIn.stop();
      remove();
    },
  };
}

/** The same with the OpenAI key stored. */
async function makePlaceWithKey(): Promise<Place> {
  const made = await makePlace();
  const create = ["secrets", "create", "OPENAI_API_KEY", "--value-stdin"];
  const stored = await aivault(create, { env: made.env, stdin: openAiKey });
  expect(stored.status, stored.stderr).toBe(0);
  return made;
}

let shared: Place | undefined;

async function placeFor(file: string): Promise<Place> {
  if (STORES_ITSELF.includes(file)) return makePlace();
  if (KEEPS_APART.includes(file)) return makePlaceWithKey();
  shared ??= await makePlaceWithKey();
  return shared;
}

afterAll(async () => shared?.leave());

// Programs import our packages by name, so they live where those names resolve.
const programs = join(root, "node_modules", ".cache", "aivault-docs");
mkdirSync(programs, { recursive: true });

describe.each(documents)("%s", { timeout: PATIENCE_MS }, (file) => {
  const snippets = snippetsOf(file, readFileSync(join(root, file), "utf8"));
  const isRun = snippets.some(({ mode }) => !isOnlyChecked(mode));
  let written = 0;
  let place: Place;

  beforeAll(async () => {
    if (!isRun) return;
    place = await placeFor(file);
  });

  afterAll(async () => {
    if (place !== shared) await place?.leave();
  });

  if (snippets.length === 0) it("has nothing to run", () => {});

  for (const { line, mode, code, language } of snippets) {
    if (isOnlyChecked(mode)) {
      it(`line ${line} could be run (${mode})`, () => expect(faultsIn(language, code)).toEqual([]));
    } else if (mode.startsWith("transcript")) {
      const isElsewhere = mode === "transcript, on another machine";
      for (const { command, output } of transcriptOf(code)) {
        const title = `line ${line}: \`${command}\` says what the document says`;
        it.skipIf(!hasTerminal)(title, async () => {
          const { home, elsewhere, env } = place;
          const HOME = isElsewhere ? elsewhere : home;
          const options = { cwd: home, env: { ...env, HOME } };
          const result = await runOnTerminal(command, openAiKey, options);
          expect(result.stdout).not.toContain(openAiKey);
          const shown = shownText(result.stdout).replaceAll(HOME, "~");
          if (UPDATE) return replaceOutput(command, output, shown);
          expect(comparable(shown), command).toBe(comparable(output));
        });
      }
    } else {
      it.skipIf(mode.startsWith("terminal") && !hasTerminal)(
        `line ${line} runs as it stands`,
        async () => {
          const result = await runSnippet(mode, code);
          const wanted = Number(/^exits (\d+)/.exec(mode)?.[1] ?? 0);
          expect(result.status, `${code}\n${result.stdout}\n${result.stderr}`).toBe(wanted);
          expect(result.stdout + result.stderr).not.toContain(openAiKey);
        },
      );
    }
  }

  function replaceOutput(command: string, output: string, shown: string): void {
    if (comparable(output) === comparable(shown)) return;
    const turn = (said: string) => {
      const typed = `$ ${command.replaceAll("\n", "\n> ")}`;
      return said === "" ? `${typed}\n` : `${typed}\n${said}\n`;
    };
    const text = readFileSync(join(root, file), "utf8");
    // From where the last one was: the same command may stand there twice.
    const at = text.indexOf(turn(output), written);
    if (at < 0) throw new Error(`the document has changed: ${command}`);
    const after = text.slice(at + turn(output).length);
    writeFileSync(join(root, file), `${text.slice(0, at)}${turn(shown)}${after}`);
    written = at + turn(shown).length;
  }

  async function runSnippet(mode: string, code: string) {
    const options = { env: place.env, cwd: place.home, timeoutMs: PATIENCE_MS };
    if (mode === "module") {
      const program = join(programs, `${file.replaceAll("/", "-")}.mjs`);
      writeFileSync(program, code);
      return run(process.execPath, [program], options);
    }
    const typed = /^terminal, types (.+)$/.exec(mode)?.[1];
    if (typed === undefined && !/^(|exits \d+)$/.test(mode)) throw new Error(`run: ${mode}?`);
    if (typed === undefined) return run("sh", ["-eu", "-c", code], options);
    // The OpenAI key itself is not in the document.
    return runOnTerminal(code, typed === "the OpenAI key" ? openAiKey : typed, options);
  }

  function faultsIn(language: string, code: string): string[] {
    const isShell = ["sh", "bash", "shell"].includes(language);
    const program = join(programs, "checked.mjs");
    if (!isShell) writeFileSync(program, code);
    const { status, stderr } = isShell
      ? spawnSync("bash", ["-n"], { input: code, encoding: "utf8" })
      : spawnSync(process.execPath, ["--check", program], { encoding: "utf8" });
    return [...(status === 0 ? [] : [stderr]), ...(isShell ? faultsOf(code) : [])];
  }
});
