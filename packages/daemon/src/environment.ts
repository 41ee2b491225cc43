/**
 * G24: what the environment of whoever started us may not decide.
 *
 * Variables that change how Node itself runs have done so before our first line: with one of those we
 * do not start. Those that are read later are taken away. Proxies and certificate authorities for
 * upstream calls never come from here at all: an internal service's authority is a sealed setting, and there is
 * none for a proxy.
 */

import { DaemonError } from "./errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Already in effect when we run, so a reason not to start. */
const REFUSED = ["NODE_OPTIONS", "OPENSSL_CONF", "NODE_REPL_EXTERNAL_MODULE"] as const;

/** Read while the process runs, by Node or by a library: removed, and nothing of ours reads them. */
const IGNORED = [
  "NODE_TLS_REJECT_UNAUTHORIZED",
  "NODE_EXTRA_CA_CERTS",
  "NODE_USE_ENV_PROXY",
  "NODE_USE_SYSTEM_CA",
  "NODE_DEBUG",
  "NODE_DEBUG_NATIVE",
  "NODE_V8_COVERAGE",
  "SSLKEYLOGFILE",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "ALL_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "all_proxy",
  "no_proxy",
] as const;

/**
 * Refuse an environment that has already changed this process.
 *
 * @throws {DaemonError} `DAEMON_ENVIRONMENT_REFUSED`, naming the variable and never its value.
 */
export function requireTrustworthyEnvironment(env: Environment): void {
  for (const name of REFUSED) {
    if ((env[name] ?? "").trim() !== "") {
      throw new DaemonError(
        "DAEMON_ENVIRONMENT_REFUSED",
        `${name} is set, and aivaultd does not run under options of whoever starts it`,
        { hint: `env -u ${name} aivaultd` },
      );
    }
  }
}

/**
 * A copy of `env` to start a daemon with: without anything that could change how it runs.
 *
 * What remains are the variables of the system and our own.
 */
export function cleanEnvironment(env: Environment): Record<string, string> {
  const dropped = new Set<string>([...REFUSED, ...IGNORED]);
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && !dropped.has(name) && !name.startsWith("LD_")) kept[name] = value;
  }
  return kept;
}

/** Remove from this process's own environment what is read later. Call it first thing. */
export function scrubEnvironment(env: Record<string, string | undefined>): void {
  for (const name of IGNORED) delete env[name];
}
