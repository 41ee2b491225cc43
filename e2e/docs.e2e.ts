// Every command and program in our documents is run as it stands there, by a newcomer's means: a shell,
// a terminal, node. The vault is a development one, the providers are the stand-in.
import { spawn } from "node:child_process";
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
import { AIVAULT, AIVAULTD, aivault, run } from "./support/run.mjs";
import { snippetsOf } from "./support/snippets.mjs";
import { startStandIn } from "./support/start-stand-in.mjs";
import { createTempHome } from "./support/temp-home.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const openAiKey = "sk-docs-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH";

const documents = [
  "README.md",
  ...markdownIn("docs"),
  ...readdirSync(join(root, "packages"))
    .map((name) => `packages/${name}/README.md`)
    .filter((file) => existsSync(join(root, file))),
];

/** Type `text` on a terminal once it is asked for: what is typed before is echoed by any terminal. */
function runOnTerminal(
  code: string,
  text: string,
  options: { env: Record<string, string>; cwd: string },
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn("script", ["-qec", code, "/dev/null"], options);
    let stdout = "";
    let typed = false;
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
      if (typed || !stdout.includes("not shown")) return;
      typed = true;
      setTimeout(() => child.stdin.end(`${text}\r`), 300);
    });
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, stdout, stderr: "" }));
  });
}

function markdownIn(folder: string): string[] {
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `${folder}/${name}`);
}

describe.each(documents)("%s", (file) => {
  const snippets = snippetsOf(file, readFileSync(join(root, file), "utf8"));
  const home = createTempHome();
  let standIn: Awaited<ReturnType<typeof startStandIn>>;
  let environment: Record<string, string>;
  // Programs import our packages by name, so they live where those names resolve.
  const programs = join(root, "node_modules", ".cache", "aivault-docs");

  beforeAll(async () => {
    if (snippets.length === 0) return;
    standIn = await startStandIn({ credentials: { "api.openai.com": { secret: openAiKey } } });
    const bin = join(home.home, "bin");
    mkdirSync(bin);
    for (const [name, target] of [
      ["aivault", AIVAULT],
      ["aivaultd", AIVAULTD],
    ] as const) {
      writeFileSync(join(bin, name), `#!/bin/sh\nexec "${process.execPath}" "${target}" "$@"\n`);
      chmodSync(join(bin, name), 0o755);
    }
    environment = {
      ...home.environment,
      ...standIn.daemonEnvironment,
      PATH: `${bin}:${process.env["PATH"]}`,
      NO_COLOR: "1",
      TERM: "xterm",
    };
    mkdirSync(programs, { recursive: true });
    const made = await aivault(["init", "--dev", "--provider", "file"], { env: environment });
    expect(made.status, made.stderr).toBe(0);
    // The README stores the key itself; the other documents begin where it ends.
    if (file === "README.md") return;
    const create = ["secrets", "create", "OPENAI_API_KEY", "--value-stdin"];
    const stored = await aivault(create, { env: environment, stdin: openAiKey });
    expect(stored.status, stored.stderr).toBe(0);
  });

  afterAll(async () => {
    if (snippets.length === 0) return;
    await aivault(["stop"], { env: environment });
    await standIn.stop();
    home.remove();
  });

  if (snippets.length === 0) it("has nothing to run", () => {});

  for (const { line, mode, code } of snippets) {
    if (mode.startsWith("skip")) {
      it.skip(`line ${line} (${mode})`, () => {});
      continue;
    }
    it(`line ${line} runs as it stands`, async () => {
      const result = await runSnippet(mode, code);
      const wanted = Number(/^exits (\d+)/.exec(mode)?.[1] ?? 0);
      expect(result.status, `${code}\n${result.stdout}\n${result.stderr}`).toBe(wanted);
      expect(result.stdout + result.stderr).not.toContain(openAiKey);
    });
  }

  async function runSnippet(mode: string, code: string) {
    const options = { env: environment, cwd: home.home };
    if (mode.startsWith("module")) {
      const program = join(programs, `${file.replaceAll("/", "-")}.mjs`);
      writeFileSync(program, code);
      return run(process.execPath, [program], options);
    }
    const typed = /^terminal, types (.+)$/.exec(mode)?.[1];
    if (typed === undefined) return run("sh", ["-eu", "-c", code], options);
    // The OpenAI key itself is not in the document.
    return runOnTerminal(code, typed === "the OpenAI key" ? openAiKey : typed, options);
  }
});
