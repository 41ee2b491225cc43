import type { Upstream } from "./upstream.ts";

/** How the upstream connects. */
export interface UndiciUpstreamOptions {
  /** Further PEM certificates to trust besides the built-in roots. */
  readonly ca?: readonly string[];
  /** Development: connect here instead, keyed by `host` or `host:port`. Skips the address check. */
  readonly resolve?: ReadonlyMap<string, { readonly address: string; readonly port: number }>;
  /** Development. */
  readonly allowNonDefaultPorts?: boolean;
  /** Development. */
  readonly http1Only?: boolean;
  /** Development: speak plain HTTP to hosts that `resolve` sends to a loopback address. */
  readonly allowHttpLocal?: boolean;
  /** Exact internal hosts the operator allows; the address check is skipped for them. */
  readonly allowedInternal?: readonly { readonly host: string; readonly port: number }[];
}

/** Makes the {@link Upstream} that speaks to the real network. */
export function createUndiciUpstream(_options: UndiciUpstreamOptions = {}): Upstream {
  throw new Error("not built yet");
}
