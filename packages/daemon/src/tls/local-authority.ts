/** The certificate of the TLS listener on disk: made when there is none, kept as long as it is good. */

import { createPrivateKey, X509Certificate } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { DaemonError } from "../errors.ts";
import { type LocalCertificate, makeLocalCertificate } from "./certificate.ts";

const DAY_MS = 86_400_000;
/** One that is about to end is replaced while somebody is there to see it: when the daemon starts. */
const RENEW_BEFORE_MS = 30 * DAY_MS;
const BYTES_MAX = 64 * 1024;

export interface LocalAuthority extends LocalCertificate {
  /** Absolute path of what clients are to trust. */
  readonly authorityFile: string;
  /** It was made just now: who trusted another one has to trust this one instead. */
  readonly isNew: boolean;
}

export interface LocalAuthorityOptions {
  /** Made when it is not there, 0700. */
  readonly directory: string;
  /** `localhost` and loopback addresses that the certificate is to be for. */
  readonly names: readonly string[];
  readonly nowMs: number;
  readonly random: (length: number) => Uint8Array;
}

/**
 * Load the certificate, or make one.
 *
 * `server.pem` has everything, and the key among it, 0600; `ca.pem` is what clients trust, and readable
 * to everybody who can enter the directory. The key is no secret of the vault's: whoever has it and can
 * listen on this machine could take the listener's place, as whoever reads the owner's files could.
 *
 * @throws {DaemonError} `DAEMON_DIRECTORY_UNSAFE`: the directory or the file is not ours alone, or it
 * cannot be written.
 */
export function loadLocalAuthority(options: LocalAuthorityOptions): LocalAuthority {
  const { directory } = options;
  const serverFile = join(directory, "server.pem");
  const authorityFile = join(directory, "ca.pem");
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    requireOurs(directory, "directory");
    const kept = read(serverFile, options);
    const made = kept ?? makeLocalCertificate(options);
    if (kept === null) {
      write(serverFile, made.key + made.certificate + made.authority, 0o600);
    }
    // Also when somebody has deleted or changed it: what it should say is known.
    if (kept === null || readText(authorityFile) !== made.authority) {
      write(authorityFile, made.authority, 0o644);
    }
    return { ...made, authorityFile, isNew: kept === null };
  } catch (cause) {
    if (cause instanceof DaemonError) throw cause;
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    throw new DaemonError(
      "DAEMON_DIRECTORY_UNSAFE",
      `the certificate in ${directory} cannot be read or written (${code})`,
      { cause },
    );
  }
}

function requireOurs(path: string, kind: "directory" | "file"): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  const isOfKind = kind === "directory" ? stats.isDirectory() : stats.isFile();
  const isOurs = process.getuid === undefined || stats.uid === process.getuid();
  // Others may look into the directory, where `ca.pem` is for them too, but put nothing there.
  const refused = kind === "directory" ? 0o022 : 0o077;
  if (isOfKind && isOurs && (stats.mode & refused) === 0) return;
  throw new DaemonError("DAEMON_DIRECTORY_UNSAFE", `${path} is not this account's alone`, {
    hint: `rm -r ${path}; it is made anew`,
  });
}

/** What is there, as far as it can still be used; null otherwise. */
function read(file: string, options: LocalAuthorityOptions): LocalCertificate | null {
  requireOurs(file, "file");
  const text = readText(file);
  if (text === null || text.length > BYTES_MAX) return null;
  const [key, certificate, authority] =
    text.match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----\n/g) ?? [];
  if (key === undefined || certificate === undefined || authority === undefined) return null;
  return isGood({ key, certificate, authority }, options) ? { key, certificate, authority } : null;
}

function isGood(
  { key, certificate, authority }: LocalCertificate,
  { names, nowMs }: LocalAuthorityOptions,
): boolean {
  try {
    const leaf = new X509Certificate(certificate);
    const root = new X509Certificate(authority);
    return (
      leaf.checkPrivateKey(createPrivateKey(key)) &&
      leaf.verify(root.publicKey) &&
      Date.parse(leaf.validFrom) <= nowMs &&
      Date.parse(leaf.validTo) >= nowMs + RENEW_BEFORE_MS &&
      names.every((name) =>
        isIP(name) === 0 ? leaf.checkHost(name) !== undefined : leaf.checkIP(name) !== undefined,
      )
    );
  } catch {
    return false;
  }
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, "latin1");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

/** Whole or not at all. */
function write(file: string, text: string, mode: number): void {
  const temporary = `${file}.${process.pid}`;
  rmSync(temporary, { force: true });
  const descriptor = openSync(temporary, "wx", mode);
  try {
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
}
