import type { Registry } from "@aivault/registry";
import type { DocumentKind, SealedDocument, SecretMetadata, Vault } from "@aivault/vault-core";
import { type Binding, parseBinding } from "./binding.ts";
import {
  type Capability,
  type CapabilityOptions,
  parseCapability,
  registryCapability,
} from "./capability.ts";
import { type CapabilityPolicy, parseCapabilityPolicy } from "./capability-policy.ts";
import { type Credential, completeCredential, parseCredentialDocument } from "./credential.ts";
import { BrokerError, isBrokerError } from "./errors.ts";
import { isWithinReach, type ScopeContext } from "./isolation.ts";

/** A document that is not used, and why. */
export interface QuarantinedDocument {
  readonly kind: DocumentKind;
  readonly id: string;
  readonly problem: string;
}

/** What the vault's documents say, together with the registry, at one revision of the vault. */
export interface Catalog {
  /** The vault's revision this was read at. */
  readonly revision: number;
  readonly credentials: ReadonlyMap<string, Credential>;
  /** By provider, in order of id. */
  readonly credentialsOf: ReadonlyMap<string, readonly Credential[]>;
  /** Operator-made ones. B4: those of the registry are read from it, never from here. */
  readonly capabilities: ReadonlyMap<string, Capability>;
  /** By capability. */
  readonly policies: ReadonlyMap<string, CapabilityPolicy>;
  /** By id. */
  readonly bindings: ReadonlyMap<string, Binding>;
  readonly quarantined: readonly QuarantinedDocument[];
  /** Metadata of the secrets that credentials use. A secret that is gone is absent. */
  readonly secrets: ReadonlyMap<string, SecretMetadata>;
}

/**
 * Reads the documents. One that is malformed or contradicts the registry is set aside with its reason,
 * and nothing else suffers (W-C2).
 *
 * @throws {VaultError} `VAULT_LOCKED`, or the vault cannot be read at all.
 */
export async function loadCatalog(
  vault: Vault,
  registry: Registry,
  options: CapabilityOptions,
): Promise<Catalog> {
  const { revision } = vault.status();
  const quarantined: QuarantinedDocument[] = [];
  const load = async <T>(
    kind: DocumentKind,
    read: (document: SealedDocument) => T,
  ): Promise<Map<string, T>> => {
    const loaded = new Map<string, T>();
    for (const document of await allDocuments(vault, kind)) {
      try {
        loaded.set(document.id, read(document));
      } catch (error) {
        if (!isBrokerError(error)) throw error;
        quarantined.push({ kind, id: document.id, problem: error.message });
      }
    }
    return loaded;
  };
  const credentials = await load("credential", ({ id, value }) => {
    const document = parseCredentialDocument(value, options);
    if (document.id !== id) throw new BrokerError("invalid_request", "the id is not its own");
    return completeCredential(document, registry);
  });
  const capabilities = await load("capability", ({ id, value }) => {
    const capability = parseCapability(value, options);
    if (capability.id !== id) throw new BrokerError("invalid_request", "the id is not its own");
    // A registry entry that appeared later wins: an old home-made one must not widen it (W-C5).
    if (registry.capability(id) !== null) {
      throw new BrokerError("invalid_request", `\`${id}\` is now defined by the registry`);
    }
    return capability;
  });
  const policies = await load("policy", ({ value }) => parseCapabilityPolicy(value));
  const bindings = await load("binding", ({ id, value }) => {
    const binding = parseBinding(value);
    if (binding.id !== id) throw new BrokerError("invalid_request", "the id is not its own");
    return binding;
  });
  const secrets = new Map<string, SecretMetadata>();
  for (const { secrets: used } of credentials.values()) {
    for (const secretId of Object.values(used)) {
      const metadata = await vault.getSecret(secretId).catch(() => null);
      if (metadata !== null && metadata.deletedAtMs === null) secrets.set(secretId, metadata);
    }
  }
  const credentialsOf = new Map<string, Credential[]>();
  for (const id of [...credentials.keys()].sort()) {
    const credential = credentials.get(id) as Credential;
    const of = credentialsOf.get(credential.provider);
    if (of === undefined) credentialsOf.set(credential.provider, [credential]);
    else of.push(credential);
  }
  return {
    revision,
    credentials,
    credentialsOf,
    capabilities,
    policies,
    bindings,
    quarantined,
    secrets,
  };
}

async function allDocuments(vault: Vault, kind: DocumentKind): Promise<readonly SealedDocument[]> {
  const documents: SealedDocument[] = [];
  let after: string | null = null;
  do {
    const page = await vault.listDocuments(kind, {
      limit: 1000,
      ...(after === null ? {} : { after }),
    });
    documents.push(...page.items);
    after = page.next;
  } while (after !== null);
  return documents;
}

/** The capability of this id, or null. */
export function findCapability(
  id: string,
  catalog: Catalog,
  registry: Registry,
): Capability | null {
  const entry = registry.capability(id);
  return entry === null ? (catalog.capabilities.get(id) ?? null) : registryCapability(entry);
}

/** Whether every secret that the credential uses still exists, and is in reach. */
export function isUsable(
  credential: Credential,
  catalog: Catalog,
  place: ScopeContext | null,
): boolean {
  return Object.values(credential.secrets).every((secretId) => {
    const secret = catalog.secrets.get(secretId);
    return secret !== undefined && isWithinReach(place, secret);
  });
}

/**
 * What an operator demands of a capability.
 *
 * @throws {BrokerError} `vault_unavailable`: there is a policy and it cannot be read. Going on without it
 * would lift what an operator set.
 */
export function policyOf(capabilityId: string, catalog: Catalog): CapabilityPolicy {
  const broken = catalog.quarantined.find(
    ({ kind, id }) => kind === "policy" && id === capabilityId,
  );
  if (broken === undefined) return catalog.policies.get(capabilityId) ?? {};
  throw new BrokerError(
    "vault_unavailable",
    `the policy of \`${capabilityId}\` is not readable (${broken.problem}); an operator can set it anew`,
  );
}
