/**
 * The operator session that `operator login` opens, kept for the commands of the next minutes.
 *
 * It lies beside the operator socket, readable by the owner alone. Whoever runs as the owner can use
 * it while it lasts, as they can type into the terminal it was opened on; the daemon ends it after five
 * minutes, at logout, and when the vault is locked.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { VaultLocation } from "./location.ts";

const FILE = "operator-session";

/** The session that is open, or null. */
export function readSession(location: VaultLocation): string | null {
  try {
    const text = readFileSync(pathOf(location), "latin1").trim();
    return /^[\x21-\x7e]{1,512}$/.test(text) ? text : null;
  } catch {
    return null;
  }
}

/** Keep `session` for the commands that follow. */
export function keepSession(location: VaultLocation, session: string): void {
  const path = pathOf(location);
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, `${session}\n`, { flag: "wx", mode: 0o600 });
  renameSync(temporary, path);
}

export function forgetSession(location: VaultLocation): void {
  rmSync(pathOf(location), { force: true });
}

function pathOf({ operatorSocket }: VaultLocation): string {
  return join(dirname(operatorSocket), FILE);
}
