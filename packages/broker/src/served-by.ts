import type { PathRule, Registry } from "@aivault/registry";
import { type Catalog, findCapability } from "./catalog.ts";
import type { Credential } from "./credential.ts";
import { serves } from "./resolve.ts";
import { placeholders } from "./template.ts";

/** A capability, as far as it tells whether a request is a use of it. */
export interface ServedCapability {
  readonly id: string;
  readonly rules: readonly PathRule[];
}

/** What a credential serves. */
export interface ServedBy {
  readonly provider: string;
  readonly capabilities: readonly ServedCapability[];
  /**
   * The template of a credential that stands in the path, `/bot{{secret}}`, and credentials of the same
   * secrets that stand in it elsewhere: template to id. Otherwise null and empty.
   */
  readonly pathTemplate: string | null;
  readonly elsewhereInPath: ReadonlyMap<string, string>;
  /** Requests are signed, bodies and all: one that is streamed may be refused. */
  readonly signsBodies: boolean;
}

/** Everything that a credential serves, in order of id. Opens nothing. */
export function servedBy(credential: Credential, catalog: Catalog, registry: Registry): ServedBy {
  const { provider } = credential;
  const entries = registry.provider(provider)?.capabilities ?? [];
  const own = [...catalog.capabilities.values()].filter((each) => each.provider === provider);
  const ids = [...entries, ...own].map(({ id }) => id).sort();
  const capabilities = ids.flatMap((id) => {
    const capability = findCapability(id, catalog, registry);
    return capability !== null && serves(credential, capability)
      ? [{ id, rules: capability.rules }]
      : [];
  });
  const siblings = (catalog.credentialsOf.get(provider) ?? []).filter(
    (sibling) => sibling !== credential && usesSameSecrets(sibling, credential),
  );
  const elsewhere = siblings.flatMap((sibling) => {
    const template = pathTemplateOf(sibling);
    return template === null ? [] : [[template, sibling.id] as const];
  });
  return {
    provider,
    capabilities,
    pathTemplate: pathTemplateOf(credential),
    elsewhereInPath: new Map(elsewhere),
    signsBodies: signsBodies(credential),
  };
}

function pathTemplateOf({ auth }: Credential): string | null {
  return auth.strategy === "path" ? auth.template : null;
}

function signsBodies({ auth }: Credential): boolean {
  if (auth.strategy === "hmac") return placeholders(auth.message).includes("body");
  return auth.strategy === "aws-sigv4";
}

function usesSameSecrets(a: Credential, b: Credential): boolean {
  const ids = (credential: Credential) => Object.values(credential.secrets).sort().join();
  return ids(a) === ids(b);
}
