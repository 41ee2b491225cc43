import { RegistryError } from "./errors.ts";
import type { CapabilityDefinition, Provider, SecretDefinition } from "./provider.ts";

/** A capability together with the provider it belongs to. */
export interface CapabilityEntry {
  readonly provider: Provider;
  readonly capability: CapabilityDefinition;
}

/** A secret name together with the provider that claims it. */
export interface SecretClaim {
  readonly provider: Provider;
  readonly secret: SecretDefinition;
}

/** An immutable set of providers; every look-up takes constant time and never throws. */
export interface Registry {
  /** Sorted by id. */
  readonly providers: readonly Provider[];
  /** @returns The provider with exactly this id, or null. */
  provider(id: string): Provider | null;
  /** @param id - `<provider>/<name>`, exactly. */
  capability(id: string): CapabilityEntry | null;
  /** @param secretName - Exactly as in the definition, for example `OPENAI_API_KEY`. */
  claimOf(secretName: string): SecretClaim | null;
  /** @param host - A canonical host name: lower case, no port, no trailing dot. */
  providersOfHost(host: string): readonly Provider[];
  /**
   * Lower-case hexadecimal SHA-256 over the canonical JSON (sorted keys, no space) of the array of all
   * providers sorted by id; empty for a registry that was not given one.
   */
  readonly digest: string;
}

/**
 * Indexes parsed providers.
 *
 * @param options.digest - See {@link Registry.digest}; default empty. This package computes no hashes.
 * @throws {RegistryError} `REGISTRY_INVALID`: two providers have the same id, or claim the same secret.
 */
export function createRegistry(
  providers: readonly Provider[],
  options: { readonly digest?: string } = {},
): Registry {
  const complaints: string[] = [];
  const byId = new Map<string, Provider>();
  const capabilities = new Map<string, CapabilityEntry>();
  const claims = new Map<string, SecretClaim>();
  const hosts = new Map<string, Provider[]>();
  for (const provider of [...providers].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    if (byId.has(provider.id)) {
      complaints.push(`${provider.id}: there is another provider of this id`);
      continue;
    }
    byId.set(provider.id, provider);
    for (const capability of provider.capabilities) {
      capabilities.set(capability.id, Object.freeze({ provider, capability }));
    }
    for (const secret of provider.secrets) {
      for (const name of [secret.name, ...(secret.aliases ?? [])]) {
        const other = claims.get(name);
        if (other !== undefined) {
          complaints.push(
            `${provider.id}: secret name \`${name}\` is already claimed by ${other.provider.id}`,
          );
          continue;
        }
        claims.set(name, Object.freeze({ provider, secret }));
      }
    }
    for (const host of provider.hosts) hosts.set(host, [...(hosts.get(host) ?? []), provider]);
  }
  if (complaints.length > 0) {
    throw new RegistryError("REGISTRY_INVALID", complaints.join("; "), complaints);
  }
  const sorted = Object.freeze([...byId.values()]);
  return Object.freeze({
    providers: sorted,
    provider: (id: string) => byId.get(id) ?? null,
    capability: (id: string) => capabilities.get(id) ?? null,
    claimOf: (secretName: string) => claims.get(secretName) ?? null,
    providersOfHost: (host: string) => hosts.get(host) ?? [],
    digest: options.digest ?? "",
  });
}
