import { builtinDefinitions, builtinDigest } from "./builtin.ts";
import type { Provider } from "./provider.ts";
import { createRegistry, type Registry } from "./registry.ts";

let registry: Registry | null = null;

/** The registry of the providers this package comes with, built at the first call. */
export const builtinRegistry = (): Registry => {
  // The generator ran the strict parser over every definition, and a test holds this module to the
  // files, so they are not judged again at each start.
  registry ??= createRegistry(
    builtinDefinitions.map((text) => frozen(JSON.parse(text) as Provider)),
    { digest: builtinDigest },
  );
  return registry;
};

/** Freezes from the leaves up. A reviver would do, and takes three times as long. */
function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(value).forEach(frozen);
  return Object.freeze(value);
}
