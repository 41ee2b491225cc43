import {
  builtinDefinitions,
  builtinDigest,
  builtinHosts,
  builtinSecrets,
  builtinSuffixes,
} from "./builtin.ts";
import type { Provider } from "./provider.ts";
import { createRegistry, type Registry } from "./registry.ts";

let registry: Registry | null = null;

/**
 * The registry of the providers this package comes with. A definition is parsed when somebody first asks
 * for something of that provider, and all are when `providers` is read.
 */
export const builtinRegistry = (): Registry => {
  registry ??= lazyRegistry();
  return registry;
};

function lazyRegistry(): Registry {
  // The generator ran the strict parser over every definition and looked for names claimed twice, and a
  // test holds this module to the files, so they are not judged again at each start.
  const parts = new Map<string, Registry>();
  const partOf = (id: string | null): Registry | null => {
    if (id === null || !Object.hasOwn(builtinDefinitions, id)) return null;
    let part = parts.get(id);
    if (part === undefined) {
      part = createRegistry([frozen(JSON.parse(builtinDefinitions[id] ?? "") as Provider)]);
      parts.set(id, part);
    }
    return part;
  };
  let all: readonly Provider[] | null = null;
  return Object.freeze({
    get providers() {
      all ??= Object.freeze(
        Object.keys(builtinDefinitions).flatMap((id) => partOf(id)?.providers ?? []),
      );
      return all;
    },
    provider: (id: string) => partOf(id)?.provider(id) ?? null,
    capability: (id: string) => partOf(id.split("/", 1)[0] ?? null)?.capability(id) ?? null,
    claimOf: (name: string) => partOf(own(builtinSecrets, name))?.claimOf(name) ?? null,
    providersOfHost: (host: string) =>
      Object.freeze(
        idsOfHost(host).flatMap((id) => [...(partOf(id)?.providersOfHost(host) ?? [])]),
      ),
    digest: builtinDigest,
  });
}

/** Those that have the host, and those with a template it may be an expansion of. */
function idsOfHost(host: string): readonly string[] {
  const ids = split(own(builtinHosts, host));
  // A host name has at most 127 labels, so walking its suffixes is bounded.
  for (let dot = host.indexOf("."); dot !== -1; dot = host.indexOf(".", dot + 1)) {
    ids.push(...split(own(builtinSuffixes, host.slice(dot + 1))));
  }
  return [...new Set(ids)];
}

const split = (ids: string | null): string[] => (ids === null ? [] : ids.split(" "));

const own = (record: Readonly<Record<string, string>>, key: string): string | null =>
  Object.hasOwn(record, key) ? (record[key] ?? null) : null;

/** Freezes from the leaves up. A reviver would do, and takes three times as long. */
function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(value).forEach(frozen);
  return Object.freeze(value);
}
