/** What routes may use: the parts that `start-daemon.ts` puts together. */

import type { Vault } from "@aivault/vault-core";
import type { Logger } from "pino";
import type { Confirmations } from "./confirmations.ts";
import type { DenialLimit } from "./denial-limit.ts";
import type { Engine } from "./engine.ts";
import type { Metrics } from "./metrics.ts";
import type { VaultPaths } from "./paths.ts";

export interface Services {
  readonly version: string;
  readonly pid: number;
  readonly paths: VaultPaths;
  readonly vault: Vault;
  readonly log: Logger;
  readonly engine: Engine;
  readonly confirmations: Confirmations;
  readonly denials: DenialLimit;
  readonly metrics: Metrics;
  /** Begin to close the daemon; returns at once. */
  shutdown(): void;
}
