import { RegistryError } from "./errors.ts";
import { fixedSuffix, hostMatchesTemplate, isHostTemplate } from "./host-template.ts";
import type {
  CapabilityDefinition,
  CredentialAlternative,
  Provider,
  SecretDefinition,
} from "./provider.ts";

/** A capability together with the provider it belongs to. */
export interface CapabilityEntry {
  readonly provider: Provider;
  readonly capability: CapabilityDefinition;
}

/** A secret name together with the provider that claims it. */
export interface SecretClaim {
  readonly provider: Provider;
  readonly secret: SecretDefinition;
  /**
   * The first alternative the secret belongs to, when it belongs to no part of the provider's own
   * `secrets`.
   */
  readonly alternative?: CredentialAlternative;
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
  /**
   * @param host - A canonical host name: lower case, no port, no trailing dot.
   * @returns Every provider with this host, in whatever region, or with a template it is an expansion of.
   */
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
  const templates = new Map<string, { provider: Provider; template: string }[]>();

  const claim = (entry: SecretClaim): void => {
    for (const name of [entry.secret.name, ...(entry.secret.aliases ?? [])]) {
      const other = claims.get(name);
      if (other === undefined) claims.set(name, Object.freeze(entry));
      else if (other.provider !== entry.provider) {
        complaints.push(
          `${entry.provider.id}: secret name \`${name}\` is already claimed by ${other.provider.id}`,
        );
      }
    }
  };

  for (const provider of [...providers].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    if (byId.has(provider.id)) {
      complaints.push(`${provider.id}: there is another provider of this id`);
      continue;
    }
    byId.set(provider.id, provider);
    for (const capability of provider.capabilities) {
      capabilities.set(capability.id, Object.freeze({ provider, capability }));
    }
    for (const secret of provider.secrets) claim({ provider, secret });
    for (const alternative of provider.alternatives ?? []) {
      for (const secret of alternative.secrets) claim({ provider, secret, alternative });
    }
    for (const host of provider.hosts) {
      if (isHostTemplate(host)) push(templates, fixedSuffix(host), { provider, template: host });
      else push(hosts, host, provider);
    }
    for (const region of Object.values(provider.regions ?? {})) {
      for (const host of Object.values(region.hosts)) push(hosts, host, provider);
    }
  }
  if (complaints.length > 0) {
    throw new RegistryError("REGISTRY_INVALID", complaints.join("; "), complaints);
  }

  // A host name has at most 127 labels, so walking its suffixes is bounded.
  const templatesOf = (host: string): Provider[] => {
    const found: Provider[] = [];
    for (let dot = host.indexOf("."); dot !== -1; dot = host.indexOf(".", dot + 1)) {
      for (const { provider, template } of templates.get(host.slice(dot + 1)) ?? []) {
        if (hostMatchesTemplate(provider, template, host)) found.push(provider);
      }
    }
    return found;
  };

  return Object.freeze({
    providers: Object.freeze([...byId.values()]),
    provider: (id: string) => byId.get(id) ?? null,
    capability: (id: string) => capabilities.get(id) ?? null,
    claimOf: (secretName: string) => claims.get(secretName) ?? null,
    providersOfHost: (host: string) =>
      Object.freeze([...new Set([...(hosts.get(host) ?? []), ...templatesOf(host)])]),
    digest: options.digest ?? "",
  });
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const entries = map.get(key);
  if (entries === undefined) map.set(key, [value]);
  else entries.push(value);
}
