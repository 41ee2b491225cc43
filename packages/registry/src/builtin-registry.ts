import { builtinDefinitions, builtinDigest } from "./builtin.ts";
import type { Provider } from "./provider.ts";
import { createRegistry, type Registry } from "./registry.ts";

let registry: Registry | null = null;

/** The registry of the providers this package comes with, built at the first call. */
export const builtinRegistry = (): Registry => {
  // The generator ran the strict parser over every definition, and a test holds this module to the
  // files, so they are not judged again at each start.
  registry ??= createRegistry(
    builtinDefinitions.map((text) => JSON.parse(text, freeze) as Provider),
    { digest: builtinDigest },
  );
  return registry;
};

/** Freezes from the leaves up, as `JSON.parse` finishes each value. */
const freeze = (_key: string, value: unknown): unknown => Object.freeze(value);
