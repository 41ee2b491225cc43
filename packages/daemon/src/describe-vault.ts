/** What the wire says of a vault. */

import type { WireStatus } from "@aivault/client/protocol";
import type { Vault } from "@aivault/vault-core";

/** Copied, since a union of key providers has no index signature and the wire's has. */
export function describeVault(vault: Vault): WireStatus["vault"] {
  const { keyProvider, previousKeyProvider, ...status } = vault.status();
  return {
    ...status,
    keyProvider: { ...keyProvider },
    previousKeyProvider: previousKeyProvider === null ? null : { ...previousKeyProvider },
  };
}
