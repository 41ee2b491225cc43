/** A real vault and daemon in this process, for tests that need what only they know. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initVault, resolvePaths, startDaemon } from "@aivault/daemon";

export interface RealDaemon extends AsyncDisposable {
  readonly directory: string;
  /** For commands. */
  readonly env: Record<string, string>;
  /** End the daemon; the vault stays. */
  stop(): Promise<void>;
}

/** @param also - Further variables of the daemon, such as `AIVAULT_DEV_RESOLVE`. */
export async function realDaemon(also: Readonly<Record<string, string>> = {}): Promise<RealDaemon> {
  const directory = mkdtempSync(join(tmpdir(), "aivault-cli-"));
  const env = { AIVAULT_DIR: directory };
  const paths = resolvePaths(env, "linux");
  await initVault({ paths, keyProvider: { kind: "file" }, dev: true, env });
  const all = { ...env, ...also };
  const daemon = await startDaemon({ paths, env: all, log: false, version: "1.2.3" });
  let running = true;
  const stop = async () => {
    if (running) await daemon.close();
    running = false;
  };
  return {
    directory,
    env,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Every file below `root`. */
export function filesBelow(root: string): readonly string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
