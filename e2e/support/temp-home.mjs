// @ts-check
// A home directory of its own for each test: nothing of the developer's is read or written.
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * @typedef {object} TempHome
 * @property {string} home
 * @property {string} vaultDirectory - Does not exist yet.
 * @property {Record<string, string>} environment - HOME and AIVAULT_DIR.
 * @property {() => void} remove
 */

// sockaddr_un holds 107 bytes on Linux and 103 on macOS, and our sockets live below the home.
const LONGEST_HOME = 60;

/** @returns {TempHome} */
export function createTempHome() {
  const base = tmpdir().length < LONGEST_HOME - 10 ? tmpdir() : "/tmp";
  const home = mkdtempSync(join(base, "av-"));
  chmodSync(home, 0o700);
  const vaultDirectory = join(home, ".aivault", "data", "vault");
  return {
    home,
    vaultDirectory,
    environment: { HOME: home, AIVAULT_DIR: vaultDirectory },
    remove: () => rmSync(home, { recursive: true, force: true, maxRetries: 3 }),
  };
}
