/** A terminal for tests: what a command wrote, and a way to run one. */
import { run } from "../src/index.ts";
import { Output, type Sink } from "../src/output.ts";

export interface Captured {
  readonly status: number;
  readonly stdout: string;
  /** stdout as it was written. */
  readonly octets: Buffer;
  readonly stderr: string;
}

export function capture(columns?: number): { sink: Sink; octets: () => Buffer } {
  const chunks: Buffer[] = [];
  return {
    sink: {
      isTTY: columns !== undefined,
      columns,
      write: (chunk) => {
        chunks.push(Buffer.from(chunk as string));
        return true;
      },
      once: () => undefined,
    },
    octets: () => Buffer.concat(chunks),
  };
}

/** Run a command line in this process. `columns` makes stdout a terminal of that width. */
export async function aivault(
  argv: readonly string[],
  options: { env?: Record<string, string>; columns?: number; signal?: AbortSignal } = {},
): Promise<Captured> {
  const stdout = capture(options.columns);
  const stderr = capture();
  const env = { NO_COLOR: "1", ...options.env };
  const status = await run({
    argv,
    env,
    out: new Output(stdout.sink, stderr.sink, env),
    version: "9.9.9",
    signal: options.signal ?? new AbortController().signal,
  });
  return {
    status,
    stdout: stdout.octets().toString("utf8"),
    octets: stdout.octets(),
    stderr: stderr.octets().toString("utf8"),
  };
}
