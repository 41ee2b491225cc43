/** What routes may use: the parts that `start-daemon.ts` puts together. */

import type { Broker } from "@aivault/broker";
import type { Vault } from "@aivault/vault-core";
import type { Logger } from "pino";
import type { VaultPaths } from "./paths.ts";

export interface Services {
  readonly version: string;
  readonly pid: number;
  readonly paths: VaultPaths;
  readonly vault: Vault;
  readonly log: Logger;
  /** @throws {Problem} `vault_locked`: the vault has not been unlocked since the start. */
  broker(): Broker;
  /**
   * @param passphrase - UTF-8 octets, borrowed; null to ask the vault's own key provider.
   * @throws {Problem} `invalid_request`: this vault has no passphrase, or needs one.
   */
  unlock(passphrase: Uint8Array | null): Promise<void>;
  /** End running invocations, and forget the KEK. */
  lock(): Promise<void>;
  /** Begin to close the daemon; returns at once. */
  shutdown(): void;
}
