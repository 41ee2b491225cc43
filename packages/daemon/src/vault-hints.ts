/** What helps against a vault that does not open, for whoever starts the daemon. */

import type { VaultErrorCode } from "@aivault/vault-core";

const HINTS: Partial<Record<VaultErrorCode, string>> = {
  VAULT_NOT_INITIALIZED: "aivault init",
  VAULT_BUSY: "aivault restart",
  VAULT_KEY_UNAVAILABLE: "aivault doctor",
  VAULT_KEY_MISMATCH: "put back the key this vault was made or rotated with; aivault doctor",
  VAULT_TAMPERED: "aivault backup restore, or put back the file that is named",
  VAULT_OPEN_FAILED: "aivault backup restore, or put back the file that is named",
  VAULT_LEGACY_FORMAT: "store its keys anew in a vault of another directory: docs/moving.md",
  VAULT_FORMAT_UNSUPPORTED: "install a newer aivault",
  VAULT_STORE_FAILED: "look at the disk and at who may write to the vault's directory",
  VAULT_STORE_FULL: "make room on the disk that holds the vault",
  VAULT_AUDIT_FAILED: "make room on the disk that holds the vault, and see that it can be written",
};

/** What to do next; null when the message says it. */
export function hintForVault(code: VaultErrorCode): string | null {
  return HINTS[code] ?? null;
}
