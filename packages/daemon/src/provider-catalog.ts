/**
 * The providers this daemon knows: the registry's, and the ones an operator has described, each a sealed
 * document of kind `provider`.
 *
 * It is a {@link Registry} that changes. A change of its documents is a change of the vault's revision,
 * at which the broker looks at everything again.
 */

import {
  builtinRegistry,
  createRegistry,
  isHostTemplate,
  type Provider,
  parseProvider,
  type Registry,
} from "@aivault/registry";
import type { JsonValue, SealedDocument, Vault } from "@aivault/vault-core";
import type { Logger } from "pino";
import * as z from "zod";
import { Problem } from "./problem.ts";

const KIND = "provider";
const PAGE = 1000;

/** What is stored; after a removal the hosts, so that the id cannot come to mean other ones (G4). */
const documentSchema = z.discriminatedUnion("state", [
  z.strictObject({ state: z.literal("present"), definition: z.json() }),
  z.strictObject({ state: z.literal("removed"), hosts: z.array(z.string()) }),
]);

export class ProviderCatalog implements Registry {
  readonly #vault: Vault;
  readonly #log: Logger;
  readonly #builtin = builtinRegistry();
  #all: Registry = this.#builtin;

  constructor(vault: Vault, log: Logger) {
    this.#vault = vault;
    this.#log = log;
  }

  /** Read the operator's providers. One that this version does not understand is left out and logged. */
  async load(): Promise<void> {
    const own: Provider[] = [];
    for (let after: string | undefined; ; ) {
      const page = await this.#vault.listDocuments(KIND, {
        limit: PAGE,
        ...(after === undefined ? {} : { after }),
      });
      for (const document of page.items) {
        const provider = this.#read(document);
        if (provider !== null) own.push(provider);
      }
      if (page.next === null) break;
      after = page.next;
    }
    this.#adopt(own);
  }

  #read({ id, value }: SealedDocument): Provider | null {
    try {
      const stored = documentSchema.parse(value);
      if (stored.state === "removed") return null;
      const provider = parseProvider(stored.definition);
      // An update of the registry may have brought the same provider; the registry's word counts.
      this.#requireApart(provider);
      return provider;
    } catch (error) {
      this.#log.warn({ provider: id, err: error }, "an operator's provider is set aside");
      return null;
    }
  }

  #adopt(own: readonly Provider[]): void {
    const { providers, digest } = this.#builtin;
    this.#all =
      own.length === 0 ? this.#builtin : createRegistry([...providers, ...own], { digest });
  }

  isBuiltin(id: string): boolean {
    return this.#builtin.provider(id) !== null;
  }

  /**
   * Add a provider.
   *
   * @param definition - As the registry's own files are written.
   * @throws {RegistryError} `REGISTRY_INVALID`, naming every complaint.
   * @throws {Problem} `conflict`: the id, a secret's name or a host is another provider's.
   */
  async add(definition: JsonValue, uid: number | null): Promise<Provider> {
    const provider = parseProvider(definition);
    if (this.#all.provider(provider.id) !== null) {
      throw new Problem("conflict", `there is a provider \`${provider.id}\` already`);
    }
    this.#requireApart(provider);
    await this.#vault.transaction(async (tx) => {
      const before = await tx.getDocument(KIND, provider.id);
      const past = before === null ? null : documentSchema.parse(before.value);
      if (past?.state === "removed") requireSameHosts(provider, past.hosts);
      // Inside the transaction: what cannot be recorded is not changed.
      await this.#vault.audit.append({
        kind: "provider.created",
        provider: provider.id,
        hosts: [...hostsOf(provider)],
        uid,
      });
      await tx.putDocument(KIND, provider.id, { state: "present", definition });
    });
    await this.load();
    return provider;
  }

  /** Remove an operator's provider. @throws {Problem} `not_found`; `conflict`: a built-in one. */
  async remove(id: string, uid: number | null): Promise<void> {
    const provider = this.#all.provider(id);
    if (provider === null) throw unknownProvider();
    if (this.isBuiltin(id)) throw new Problem("conflict", `\`${id}\` is built in`);
    await this.#vault.transaction(async (tx) => {
      await this.#vault.audit.append({ kind: "provider.deleted", provider: id, uid });
      await tx.putDocument(KIND, id, { state: "removed", hosts: [...hostsOf(provider)] });
    });
    await this.load();
  }

  /** Whatever a built-in provider calls its own stays its own: ids, names of secrets, hosts (G4). */
  #requireApart(provider: Provider): void {
    const others = this.#all.providers.filter(({ id }) => id !== provider.id);
    for (const { name, aliases = [] } of secretsOf(provider)) {
      for (const claimed of [name, ...aliases]) {
        const claim = this.#all.claimOf(claimed);
        if (claim !== null && claim.provider.id !== provider.id) {
          throw new Problem("conflict", `\`${claimed}\` is a secret of \`${claim.provider.id}\``);
        }
      }
    }
    if (this.isBuiltin(provider.id)) {
      throw new Problem("conflict", `\`${provider.id}\` is built in`);
    }
    const alone = createRegistry([provider]);
    for (const other of others) {
      const shared =
        hostsOf(provider).find((host) => this.#reaches(other, host)) ??
        hostsOf(other).find(
          (host) => !isHostTemplate(host) && alone.providersOfHost(host).length > 0,
        );
      if (shared !== undefined) {
        throw new Problem("conflict", `the host \`${shared}\` is one of \`${other.id}\``);
      }
    }
  }

  #reaches(other: Provider, host: string): boolean {
    if (!isHostTemplate(host)) return this.#all.providersOfHost(host).includes(other);
    const suffix = suffixOf(host);
    return hostsOf(other).some((theirs) => {
      if (!isHostTemplate(theirs)) return false;
      const end = suffixOf(theirs);
      return suffix.endsWith(end) || end.endsWith(suffix);
    });
  }

  get providers() {
    return this.#all.providers;
  }
  get digest() {
    return this.#all.digest;
  }
  provider(id: string) {
    return this.#all.provider(id);
  }
  capability(id: string) {
    return this.#all.capability(id);
  }
  claimOf(secretName: string) {
    return this.#all.claimOf(secretName);
  }
  providersOfHost(host: string) {
    return this.#all.providersOfHost(host);
  }
}

export function unknownProvider(): Problem {
  return new Problem("not_found", "there is no such provider", { hint: "aivault provider list" });
}

function secretsOf({ secrets, alternatives = [] }: Provider) {
  return [...secrets, ...alternatives.flatMap((alternative) => alternative.secrets)];
}

function hostsOf({ hosts, regions = {} }: Provider): readonly string[] {
  return [...hosts, ...Object.values(regions).flatMap((region) => Object.values(region.hosts))];
}

/** What follows the last variable of a host template, with its dot. */
function suffixOf(template: string): string {
  return template.slice(template.lastIndexOf("}") + 1);
}

function requireSameHosts(provider: Provider, hosts: readonly string[]): void {
  const other = hostsOf(provider).find((host) => !hosts.includes(host));
  if (other === undefined) return;
  throw new Problem(
    "conflict",
    `a provider \`${provider.id}\` was removed that did not have the host \`${other}\`; secrets may ` +
      "still be pinned to it, so choose another id",
    { reason: "secret_pinned" },
  );
}
