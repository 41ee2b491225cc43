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

/** These store the key themselves; the other documents begin where that was done. */
const STORES_ITSELF = ["README.md", "docs/getting-started.md", "docs/ten-tasks.md"];

/** Write into the transcripts what the commands say now. Read the difference before committing it. */
const UPDATE = process.env["AIVAULT_DOCS_UPDATE"] === "1";

// No terminal but the one of util-linux takes these arguments.
const hasTerminal = spawnSync("script", ["-qec", "true", "/dev/null"]).status === 0;
if (!hasTerminal) process.stderr.write("SKIPPED: no `script` of util-linux, so no terminal\n");

function markdownIn(folder: string): string[] {
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `${folder}/${name}`);
}

/** Neither run nor followed: what would need root, another system or another machine. */
function isOnlyChecked(mode: string): boolean {
  return mode.startsWith("skip, ") || mode.startsWith("walk, ");
}

describe.each(documents)("%s", (file) => {
  const snippets = snippetsOf(file, readFileSync(join(root, file), "utf8"));
  const isRun = snippets.some(({ mode }) => !isOnlyChecked(mode));
  const home = createTempHome();
  const elsewhere = join(home.home, "elsewhere");
  let written = 0;
  let standIn: Awaited<ReturnType<typeof startStandIn>>;
  let environment: Record<string, string>;
  // Programs import our packages by name, so they live where those names resolve.
  const programs = join(root, "node_modules", ".cache", "aivault-docs");

  beforeAll(async () => {
    mkdirSync(programs, { recursive: true });
    if (!isRun) return;
    standIn = await startStandIn({ credentials: { "api.openai.com": { secret: openAiKey } } });
    const bin = join(home.home, "bin");
    mkdirSync(bin);
    mkdirSync(elsewhere, { mode: 0o700 });
    for (const [name, target] of [
      ["aivault", AIVAULT],
      ["aivaultd", AIVAULTD],
    ] as const) {
      writeFileSync(join(bin, name), `#!/bin/sh\nexec "${process.execPath}" "${target}" "$@"\n`);
      chmodSync(join(bin, name), 0o755);
    }
    environment = {
      HOME: home.home,
      ...standIn.daemonEnvironment,
      PATH: `${bin}:${process.env["PATH"]}`,
      NO_COLOR: "1",
      TERM: "xterm",
    };
    const made = await aivault(["init", "--dev", "--provider", "file"], { env: environment });
    expect(made.status, made.stderr).toBe(0);
    if (STORES_ITSELF.includes(file)) return;
    const create = ["secrets", "create", "OPENAI_API_KEY", "--value-stdin"];
    const stored = await aivault(create, { env: environment, stdin: openAiKey });
    expect(stored.status, stored.stderr).toBe(0);
  });

  afterAll(async () => {
    if (isRun) {
      await aivault(["stop"], { env: environment });
      await aivault(["stop"], { env: { ...environment, HOME: elsewhere } });
      await standIn.stop();
    }
    home.remove();
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
          const { cwd, env } = place();
          const HOME = isElsewhere ? elsewhere : home.home;
          const result = await runOnTerminal(command, openAiKey, { cwd, env: { ...env, HOME } });
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

  function place() {
    return { env: environment, cwd: home.home };
  }

  async function runSnippet(mode: string, code: string) {
    if (mode === "module") {
      const program = join(programs, `${file.replaceAll("/", "-")}.mjs`);
      writeFileSync(program, code);
      return run(process.execPath, [program], place());
    }
    const typed = /^terminal, types (.+)$/.exec(mode)?.[1];
    if (typed === undefined && !/^(|exits \d+)$/.test(mode)) throw new Error(`run: ${mode}?`);
    if (typed === undefined) return run("sh", ["-eu", "-c", code], place());
    // The OpenAI key itself is not in the document.
    return runOnTerminal(code, typed === "the OpenAI key" ? openAiKey : typed, place());
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
