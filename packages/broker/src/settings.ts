import type { InternalService } from "./connect.ts";
import type { UpstreamLimits } from "./upstream.ts";

/** What an operator may set for every invocation; a capability's policy document may lower it. */
export interface BrokerSettings {
  /** Deadlines in milliseconds. Defaults: a free connection 10 s, head 5 min, idle 5 min, all 1 h. */
  readonly deadlines?: Partial<UpstreamLimits>;
  /** Bytes of a request body. Default 256 MiB. */
  readonly requestBytesMax?: number;
  /** Bytes of a decoded response body. Default 1 GiB. */
  readonly responseBytesMax?: number;
  /** Internal services that capabilities and credentials may name. The upstream must allow them too. */
  readonly allowedInternal?: readonly Pick<InternalService, "host" | "port">[];
}

/** {@link BrokerSettings} with every default filled in. */
export interface ResolvedSettings {
  readonly deadlines: UpstreamLimits;
  readonly requestBytesMax: number;
  readonly responseBytesMax: number;
  readonly allowedInternal: readonly Pick<InternalService, "host" | "port">[];
}

const MIB = 1_048_576;

/** Fills in the defaults. */
export function resolveSettings(settings: BrokerSettings = {}): ResolvedSettings {
  return {
    deadlines: {
      connectMs: 10_000,
      // Reasoning models think for minutes before the first byte.
      headersMs: 300_000,
      idleMs: 300_000,
      totalMs: 3_600_000,
      ...settings.deadlines,
    },
    requestBytesMax: settings.requestBytesMax ?? 256 * MIB,
    responseBytesMax: settings.responseBytesMax ?? 1024 * MIB,
    allowedInternal: settings.allowedInternal ?? [],
  };
}
