export { isVaultError, VaultError, type VaultErrorCode } from "./errors.ts";
