/** The stand-in provider of the end-to-end tests: a process of its own, with TLS and a CA of its own. */

export interface StandIn {
  /** What makes a development vault's daemon take it for the providers. */
  readonly daemonEnvironment: Readonly<Record<string, string>>;
  requests(): Promise<readonly SeenRequest[]>;
  clear(): Promise<void>;
  stop(): Promise<void>;
}

export interface SeenRequest {
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly queryNames: readonly string[];
  readonly headerNames: readonly string[];
  readonly authorized: boolean;
  readonly secretSeen: boolean;
  readonly callerTokenSeen: boolean;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly outcome: "open" | "complete" | "aborted";
}

export async function startStandIn(options: {
  readonly credentials: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly callerTokens?: readonly string[];
}): Promise<StandIn> {
  // By URL: it is JavaScript, and its types are not this package's business.
  const url = new URL("../../../e2e/support/start-stand-in.mjs", import.meta.url).href;
  return (await import(url)).startStandIn(options);
}

/** Wait until `check` holds, or fail after `withinMs`. */
export async function until(
  check: () => boolean | Promise<boolean>,
  withinMs = 2_000,
): Promise<void> {
  for (const end = Date.now() + withinMs; Date.now() < end; ) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`it did not come to pass within ${withinMs} ms`);
}
