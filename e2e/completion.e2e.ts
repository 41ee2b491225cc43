// The scripts of `aivault completion` in the shells they are for. Bash's is in cli.e2e.ts.
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AIVAULT, aivault, run } from "./support/run.mjs";
import { createTempHome } from "./support/temp-home.mjs";

const home = createTempHome();
const bin = join(home.home, "bin");
const env = {
  ...home.environment,
  PATH: `${bin}${delimiter}${process.env["PATH"]}`,
  TERM: "xterm",
};

// What is typed, and a word that must be offered then. Directories end differently in each shell.
const CASES: readonly (readonly [string, string])[] = [
  ["aivault ca", "capability"],
  ["aivault secrets ro", "rotate"],
  ["aivault capability policy s", "set"],
  ["aivault invoke openai/chat-", "openai/chat-completions"],
  ["aivault capability describe openai/mod", "openai/models"],
  ["aivault secrets rotate OPEN", "OPENAI_API_KEY"],
  ["aivault invoke openai/models --crede", "--credential"],
  ["aivault invoke openai/models --credential ope", "openai"],
  ["aivault invoke openai/models --credential=ope", "--credential=openai"],
  ["aivault invoke x --body-file-path /etc/host", "hosts"],
];

function isMissing(shell: string): boolean {
  const found = (process.env["PATH"] ?? "")
    .split(delimiter)
    .some((directory) => existsSync(join(directory, shell)));
  if (!found) process.stderr.write(`SKIPPED: no ${shell} here; its completion is not tested\n`);
  return !found;
}

beforeAll(async () => {
  mkdirSync(bin);
  const program = join(bin, "aivault");
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${AIVAULT}" "$@"\n`);
  chmodSync(program, 0o755);
  const create = ["secrets", "create", "OPENAI_API_KEY", "--value-stdin"];
  const made = await aivault(create, { env, stdin: "sk-completion0123456789abcdefghijklmnop" });
  expect(made).toMatchObject({ status: 0 });
});

afterAll(async () => {
  await aivault(["stop"], { env });
  home.remove();
});

describe.skipIf(isMissing("fish"))("aivault completion fish", () => {
  it.each(CASES)("after %j offers %j", async (typed, word) => {
    const script = `aivault completion fish | source; complete -C '${typed}'`;
    const done = await run("fish", ["--no-config", "-c", script], { env });
    expect(done).toMatchObject({ status: 0, stderr: "" });
    // A candidate and what it is for, between them a tab.
    const words = done.stdout.split("\n").map((line) => line.split("\t")[0]?.replace("/etc/", ""));
    expect(words).toContain(word);
  });

  it("says what a command is for", async () => {
    const script = "aivault completion fish | source; complete -C 'aivault secrets ro'";
    const { stdout } = await run("fish", ["--no-config", "-c", script], { env });
    expect(stdout).toMatch(/^rotate\t\S+/);
  });
});

// In a shell of its own on a pseudo-terminal, since zsh completes on no other; every candidate that is
// added on the way is written down.
const ZSHRC = `
PS1=
autoload -Uz compinit && compinit -u -D
source <(aivault completion zsh)
compadd() {
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi
  local -a hits
  builtin compadd -A hits "$@"
  print -rl -- $hits >>$HITS
}
finish() { print -n >$HITS.done }
comppostfuncs=(finish)
bindkey '^I' complete-word
`;
const ASK = `
zmodload zsh/zpty zsh/zselect
zpty shell zsh -i
zpty -w -n shell "$1"$'\\t'
repeat 500; do
  [[ -e $HITS.done ]] && exit 0
  zselect -t 10
  zpty -rt shell shown
done
exit 1
`;

describe.skipIf(isMissing("zsh"))("aivault completion zsh", () => {
  const hits = join(home.home, "hits");

  it.each(CASES)("after %j offers %j", async (typed, word) => {
    writeFileSync(join(home.home, ".zshrc"), ZSHRC);
    writeFileSync(hits, "");
    rmSync(`${hits}.done`, { force: true });
    const done = await run("zsh", ["-f", "-c", ASK, "ask", typed], {
      env: { ...env, ZDOTDIR: home.home, HITS: hits },
      timeoutMs: 60_000,
    });
    expect(done).toMatchObject({ status: 0 });
    expect(readFileSync(hits, "utf8").split("\n")).toContain(word);
  });
});
