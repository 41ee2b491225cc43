import { expect, it } from "vitest";
import * as api from "../src/index.ts";

it("exports exactly these names", () => {
  expect(Object.keys(api).sort()).toEqual([
    "DaemonError",
    "cleanEnvironment",
    "initVault",
    "isDaemonError",
    "offeredCapabilities",
    "offeredProviders",
    "operatorSocketOf",
    "resolvePaths",
    "restoreBackup",
    "startDaemon",
    "vaultExists",
    "verifyBackup",
    "version",
  ]);
});
