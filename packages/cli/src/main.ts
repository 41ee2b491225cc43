#!/usr/bin/env node
/**
 * `aivault`: the process. Everything else is loaded after the questions that need nothing.
 */
// A bundle of its own; see tsup.config.ts.
type Program = typeof import("./program.ts");

// Not imported: an ES import of a built-in module evaluates all that it exports, for `fs` the streams
// too, and `--version` needs none of them.
const { readFileSync } = process.getBuiltinModule("node:fs");
const { createRequire } = process.getBuiltinModule("node:module");

const argv = process.argv.slice(2);
const { version } = JSON.parse(
  readFileSync(new URL("../package.json", import.meta.url), "utf8"),
) as { version: string };

if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
  process.stdout.write(`${version}\n`);
} else {
  // Not awaited: this is also built as CommonJS, where a module cannot wait.
  void main();
}

async function main(): Promise<void> {
  const { run, Output } = createRequire(import.meta.url)("./program.cjs") as Program;
  const abort = new AbortController();
  // The first ^C ends the call and lets the command tidy up; a second one does not wait.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => abort.abort());
  // `aivault invoke … | head` closes the pipe. That is the reader's choice and no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    process.exit(error.code === "EPIPE" ? 0 : 1);
  });
  process.exitCode = await run({
    argv,
    env: process.env,
    out: new Output(process.stdout, process.stderr, process.env),
    version,
    signal: abort.signal,
  });
}
