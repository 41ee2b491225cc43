/** What the registry offers to whoever has no vault yet. */

import type { WireCapability, WireProvider } from "@aivault/client/protocol";
import { builtinRegistry } from "@aivault/registry";

/** The providers that are built in. */
export function offeredProviders(): readonly WireProvider[] {
  return builtinRegistry().providers.map((provider) => ({ ...provider, origin: "registry" }));
}

/** Their capabilities; none is ready. */
export function offeredCapabilities(): readonly WireCapability[] {
  return builtinRegistry().providers.flatMap((provider) => {
    const missing = provider.secrets
      .filter(({ optional }) => optional !== true)
      .map(({ name }) => name);
    return provider.capabilities.map(
      ({ id, description, host, risk, rules }): WireCapability => ({
        id,
        provider: provider.id,
        description,
        host,
        risk,
        rules: rules.map(({ methods, match, path }) => ({ methods, match, path })),
        origin: "registry",
        ready: false,
        missing,
      }),
    );
  });
}
