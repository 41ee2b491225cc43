export { cleanEnvironment } from "./environment.ts";
export { DaemonError, type DaemonErrorCode, isDaemonError } from "./errors.ts";
export { type InitVaultOptions, initVault, vaultExists } from "./init-vault.ts";
export type { KeyProviderChoice } from "./key-provider.ts";
export { offeredCapabilities, offeredProviders } from "./offered.ts";
export { operatorSocketOf, resolvePaths, type VaultPaths } from "./paths.ts";
export { type RestoreBackupOptions, restoreBackup, verifyBackup } from "./restore.ts";
export { type Daemon, type DaemonOptions, startDaemon } from "./start-daemon.ts";
export { version } from "./version.ts";
