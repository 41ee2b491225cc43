/**
 * G24: `AIVAULT_DEV_*`, which let a test point the broker at a stand-in provider.
 *
 * They are honoured only for a vault created as a development vault, a flag sealed inside it. With any
 * other vault the presence of one stops the start: an attacker who controls the environment must not
 * be able to redirect a real key, and an operator who forgot one must hear of it.
 */

import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { DaemonError } from "./errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = "AIVAULT_DEV_";

/** What a development vault's daemon may do that another may not. */
export interface DevelopmentOverrides {
  /** `host` or `host:port` as the broker would connect, to the address that is connected to instead. */
  readonly resolve: ReadonlyMap<string, { readonly address: string; readonly port: number }>;
  /** Certificate authorities trusted besides the usual ones, PEM. */
  readonly ca: readonly string[];
  readonly allowNonDefaultPorts: boolean;
  readonly http1Only: boolean;
  readonly allowHttpLocal: boolean;
  readonly allowRemoteClients: boolean;
}

/** Names of the development variables that are set and not blank, sorted. */
export function developmentVariables(env: Environment): string[] {
  return Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && (env[name] ?? "").trim() !== "")
    .sort();
}

/**
 * Read the development variables for a vault.
 *
 * @param dev - The flag sealed inside the vault, read after it was authenticated.
 * @returns null when none is set.
 * @throws {DaemonError} `DAEMON_ENVIRONMENT_REFUSED`: one is set and the vault is not a development
 * vault. `DAEMON_OPTION_INVALID`: one is unknown or malformed.
 */
export function readDevelopmentOverrides(
  env: Environment,
  dev: boolean,
): DevelopmentOverrides | null {
  const names = developmentVariables(env);
  const [first] = names;
  if (first === undefined) return null;
  if (!dev) {
    throw new DaemonError(
      "DAEMON_ENVIRONMENT_REFUSED",
      `${first} is set, and this vault is not a development vault`,
      { hint: `unset ${first}, or use a vault made with \`aivault init --dev\`` },
    );
  }
  const unknown = names.find((name) => !READERS.has(name));
  if (unknown !== undefined)
    throw invalid(unknown, "is not a development variable of this version");
  return {
    resolve: parseResolve(env[`${PREFIX}RESOLVE`] ?? ""),
    ca: readCertificates(env[`${PREFIX}CA_CERT_PATH`] ?? ""),
    allowNonDefaultPorts: readFlag(env, "ALLOW_NON_DEFAULT_PORTS"),
    http1Only: readFlag(env, "HTTP1_ONLY"),
    allowHttpLocal: readFlag(env, "ALLOW_HTTP_LOCAL"),
    allowRemoteClients: readFlag(env, "ALLOW_REMOTE_CLIENTS"),
  };
}

const READERS = new Set(
  [
    "RESOLVE",
    "CA_CERT_PATH",
    "ALLOW_NON_DEFAULT_PORTS",
    "HTTP1_ONLY",
    "ALLOW_HTTP_LOCAL",
    "ALLOW_REMOTE_CLIENTS",
  ].map((name) => PREFIX + name),
);

const HOST = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?$/;

// `host=ip:port,host:port=[v6]:port`; a later entry for the same host is a mistake, not an override.
function parseResolve(text: string): DevelopmentOverrides["resolve"] {
  const entries = new Map<string, { address: string; port: number }>();
  if (text.trim() === "") return entries;
  for (const entry of text.split(",")) {
    const [host = "", target = "", ...rest] = entry.trim().split("=");
    const colon = target.lastIndexOf(":");
    const address = target.slice(0, Math.max(colon, 0)).replace(/^\[(.*)\]$/, "$1");
    const port = parsePort(target.slice(colon + 1));
    const key = host.toLowerCase();
    if (rest.length > 0 || !HOST.test(key) || isIP(address) === 0 || port === null) {
      throw invalid(`${PREFIX}RESOLVE`, "is not a list of `host=address:port`");
    }
    if (entries.has(key)) throw invalid(`${PREFIX}RESOLVE`, `names ${key} twice`);
    entries.set(key, { address, port });
  }
  return entries;
}

function parsePort(text: string): number | null {
  if (!/^[1-9][0-9]{0,4}$/.test(text)) return null;
  const port = Number(text);
  return port <= 65_535 ? port : null;
}

function readCertificates(path: string): readonly string[] {
  if (path.trim() === "") return [];
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw invalid(`${PREFIX}CA_CERT_PATH`, `names a file that cannot be read: ${path}`, cause);
  }
  const certificates =
    text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  if (certificates.length === 0) {
    throw invalid(`${PREFIX}CA_CERT_PATH`, `names a file without a PEM certificate: ${path}`);
  }
  return certificates;
}

function readFlag(env: Environment, name: string): boolean {
  const value = (env[PREFIX + name] ?? "").trim().toLowerCase();
  if (["1", "true", "yes"].includes(value)) return true;
  if (["", "0", "false", "no"].includes(value)) return false;
  throw invalid(PREFIX + name, "is neither 1 nor 0");
}

function invalid(name: string, problem: string, cause?: unknown): DaemonError {
  return new DaemonError("DAEMON_OPTION_INVALID", `${name} ${problem}`, { cause });
}
