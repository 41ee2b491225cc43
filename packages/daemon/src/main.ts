#!/usr/bin/env node
/** The process `aivaultd`: arguments and environment to options, signals to an orderly end. */

import { isVaultError } from "@aivault/vault-core";
import { scrubEnvironment } from "./environment.ts";
import { isDaemonError } from "./errors.ts";
import { NameProcess } from "./names/name-process.ts";
import { type Command, parseArguments, USAGE } from "./options.ts";
import { resolvePaths } from "./paths.ts";
import { loadPlatform, platformName } from "./platform/index.ts";
import { startDaemon } from "./start-daemon.ts";
import { hintForVault } from "./vault-hints.ts";
import { version } from "./version.ts";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

const env = { ...process.env };
// G24: what Node and libraries would read later from the environment of whoever started us.
scrubEnvironment(process.env);
// Without a listener, SIGUSR1 makes Node open an inspector port to every local account (G21).
process.on("SIGUSR1", () => undefined);

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  try {
    const command = parseArguments(args);
    switch (command.kind) {
      case "help":
        process.stdout.write(USAGE);
        return 0;
      case "version":
        process.stdout.write(`aivaultd ${version}\n`);
        return 0;
      case "serve":
        return await serve(command);
    }
  } catch (error) {
    return report(error);
  }
}

async function serve(options: Omit<Extract<Command, { kind: "serve" }>, "kind">) {
  const { forbidCoreDumps } = await loadPlatform();
  if (!forbidCoreDumps()) {
    process.stderr.write("aivaultd: core dumps are left to the limit it was started with\n");
  }
  const names = new NameProcess();
  const daemon = await startDaemon({
    ...options,
    lookUp: names.lookUp,
    paths: resolvePaths(env, platformName),
    env,
    version,
    // A person reads the lines below; a supervisor reads JSON.
    ...(process.stderr.isTTY ? { log: false as const } : {}),
  });
  let failed = false;
  const stop = () => void daemon.close();
  process
    .on("SIGTERM", stop)
    .on("SIGINT", stop)
    .on("SIGHUP", () => void daemon.reload());
  process.on("uncaughtException", (error) => {
    failed = true;
    report(error);
    stop();
  });
  const { socket, sharedSocket, url, tls } = daemon;
  for (const place of [socket, sharedSocket, url, tls?.url ?? null]) {
    if (place !== null) process.stderr.write(`aivaultd: listening on ${place}\n`);
  }
  if (tls !== null) {
    process.stderr.write(
      `aivaultd: its clients trust ${tls.authorityFile}: NODE_EXTRA_CA_CERTS, SSL_CERT_FILE\n`,
    );
  }
  await daemon.closed;
  names.close();
  return failed ? EXIT_FAILED : 0;
}

/** One line of what happened, one of what to do; no stack. */
function report(error: unknown): number {
  const known = isDaemonError(error) || isVaultError(error);
  // What an unexpected error says was checked by nobody; its class and code are enough for a report.
  const message = known ? error.message : `unexpected failure (${classOf(error)})`;
  const code = known ? error.code : "DAEMON_FAILED";
  process.stderr.write(`aivaultd: error: [${code}] ${message}\n`);
  const hint = hintFor(error);
  if (hint !== null) process.stderr.write(`aivaultd: hint: ${hint}\n`);
  return isDaemonError(error) && error.code === "DAEMON_OPTION_INVALID" ? EXIT_USAGE : EXIT_FAILED;
}

function hintFor(error: unknown): string | null {
  if (isDaemonError(error)) return error.hint;
  return isVaultError(error) ? hintForVault(error.code) : null;
}

function classOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  return "code" in error ? `${error.name} ${String(error.code)}` : error.name;
}
