/** A real vault in a directory of its own, and daemons on it. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initVault } from "../src/init-vault.ts";
import { resolvePaths, type VaultPaths } from "../src/paths.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "../src/start-daemon.ts";

export interface TestVault {
  readonly directory: string;
  readonly paths: VaultPaths;
  readonly env: Record<string, string>;
  init(options?: { dev?: boolean }): ReturnType<typeof initVault>;
  start(options?: Partial<DaemonOptions>): Promise<Daemon>;
  /** Close every daemon started here, and remove the directory. */
  dispose(): Promise<void>;
}

export function testVault(): TestVault {
  const directory = mkdtempSync(join(tmpdir(), "aivaultd-"));
  const env = { AIVAULT_DIR: directory };
  const paths = resolvePaths(env, "linux");
  const daemons: Daemon[] = [];
  return {
    directory,
    paths,
    env,
    init: ({ dev = false } = {}) => initVault({ paths, keyProvider: { kind: "file" }, dev, env }),
    async start(options = {}) {
      const daemon = await startDaemon({ paths, env, log: false, version: "1.2.3", ...options });
      daemons.push(daemon);
      return daemon;
    },
    async dispose() {
      await Promise.all(daemons.map((daemon) => daemon.close()));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
