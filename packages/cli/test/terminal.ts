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

interface Options {
  readonly env?: Record<string, string>;
  /** Makes stdout a terminal of that width. */
  readonly columns?: number;
  readonly signal?: AbortSignal;
}

/** Run a command line in this process, and wait for its end. */
export async function aivault(argv: readonly string[], options: Options = {}): Promise<Captured> {
  return await startAivault(argv, options).done;
}

/** Run a command line in this process. */
export function startAivault(
  argv: readonly string[],
  options: Options = {},
): { readonly done: Promise<Captured>; readonly stderr: () => string } {
  const stdout = capture(options.columns);
  const stderr = capture();
  const env = { NO_COLOR: "1", ...options.env };
  const done = run({
    argv,
    env,
    out: new Output(stdout.sink, stderr.sink, env),
    version: "9.9.9",
    signal: options.signal ?? new AbortController().signal,
  }).then((status) => ({
    status,
    stdout: stdout.octets().toString("utf8"),
    octets: stdout.octets(),
    stderr: stderr.octets().toString("utf8"),
  }));
  return { done, stderr: () => stderr.octets().toString("utf8") };
}
