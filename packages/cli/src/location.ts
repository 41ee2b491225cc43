/**
 * Where the vault and the daemon's files are, as far as the command line must know without loading
 * the daemon. `@aivault/daemon` resolves the same paths; a test holds the two together.
 */
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { operatorSocketBeside } from "@aivault/client";
import type { Environment } from "./output.ts";

export interface VaultLocation {
  readonly root: string;
  /** Exists exactly when there is a vault. */
  readonly configFile: string;
  readonly socket: string;
  readonly operatorSocket: string;
  /** Where an autostarted daemon writes its diagnostics. */
  readonly logFile: string;
  /** Whether `AIVAULT_DIR` names the vault. */
  readonly isOverride: boolean;
}

/** The vault that `env` points at. */
export function locateVault(env: Environment): VaultLocation {
  const { HOME, AIVAULT_DIR, AIVAULTD_SOCKET } = env;
  const base = join(pathOf(HOME) ?? homedir(), ".aivault");
  const override = pathOf(AIVAULT_DIR);
  const root = override ?? join(base, "data", "vault");
  const runDir = join(override ?? base, "run");
  const socket = pathOf(AIVAULTD_SOCKET) ?? join(runDir, "aivaultd.sock");
  return {
    root,
    configFile: join(root, "vault.json"),
    socket,
    operatorSocket: operatorSocketBeside(socket),
    logFile: join(dirname(socket), "aivaultd.log"),
    isOverride: override !== null,
  };
}

function pathOf(value: string | undefined): string | null {
  return value === undefined || value.trim() === "" ? null : resolve(value);
}

/** Whether an environment switch is on: 1, true or yes. */
export function isEnvOn(value: string | undefined): boolean {
  return value !== undefined && ["1", "true", "yes"].includes(value.trim().toLowerCase());
}
