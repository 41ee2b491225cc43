/**
 * JSON to {@link Provider}, strictly: whatever is not known is an error, so that a misspelt `methods`
 * cannot widen a capability and a file written for a later version is not half understood.
 *
 * `schema/provider.schema.json` says the same in JSON Schema, as far as JSON Schema can; what relates
 * one part of a file to another is only here, in `provider-rules.ts`.
 */

import { RegistryError } from "./errors.ts";
import type { Provider } from "./provider.ts";
import { relationComplaints } from "./provider-rules.ts";
import { readProvider } from "./provider-shape.ts";

/**
 * Reads one provider definition.
 *
 * @param json - What `JSON.parse` returned; never modified. The result is a deeply frozen copy.
 * @throws {RegistryError} `REGISTRY_INVALID`: `complaints` names the JSON path of every fault.
 */
export function parseProvider(json: unknown): Provider {
  const complaints: string[] = [];
  const provider = readProvider(json, complaints);
  // Relations are looked at only in a file that is well formed: they would repeat its faults.
  if (provider !== null) complaints.push(...relationComplaints(provider));
  if (provider === null || complaints.length > 0) {
    throw new RegistryError(
      "REGISTRY_INVALID",
      `provider definition is invalid: ${complaints.join("; ")}`,
      complaints,
    );
  }
  return provider;
}
