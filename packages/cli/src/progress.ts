/** Something to look at while a command takes long. */
import type { Output } from "./output.ts";

/** Run `work`; on a terminal, with a spinner on stderr meanwhile. */
export async function withProgress<T>(
  out: Output,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  if (out.stderr.isTTY !== true || out.isQuiet) return await work();
  const { spinner } = await import("@clack/prompts");
  const progress = spinner({ output: process.stderr, indicator: "timer" });
  progress.start(what);
  try {
    return await work();
  } finally {
    // The answer says what was done; nothing of this stays.
    progress.clear();
  }
}
