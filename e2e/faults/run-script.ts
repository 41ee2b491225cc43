import { spawn } from "node:child_process";
import path from "node:path";
import { expect, type TestContext } from "vitest";

const CANNOT_RUN = 77;

/** These take seconds each on an idle machine, and a minute on a busy one. */
export const PATIENCE = { timeout: 240_000 };

/**
 * Run a script of the harness, show what it prints, and expect it to find nothing bad.
 *
 * A script that cannot run here says why on stderr; the test is then skipped, not passed.
 */
export async function expectNothingBad(
  context: TestContext,
  script: string,
  args: readonly string[],
): Promise<void> {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, script), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const status = await new Promise((resolve) => child.on("close", resolve));
  process.stderr.write(output);
  if (status === CANNOT_RUN) context.skip(output.trim());
  expect(status, output).toBe(0);
}
