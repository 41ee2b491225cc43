export { builtinRegistry } from "./builtin-registry.ts";
export { isRegistryError, RegistryError, type RegistryErrorCode } from "./errors.ts";
export { HMAC_VALUE_PARTS, hmacHeaderOf, isHmacPart } from "./hmac-parts.ts";
export {
  expandHost,
  hostVariableFromSecret,
  hostVariableFromText,
  hostVariableNames,
  isHostTemplate,
  regionFromSecret,
  resolveHost,
} from "./host-template.ts";
export { parseProvider } from "./parse-provider.ts";
export type * from "./provider.ts";
export {
  type CapabilityEntry,
  createRegistry,
  type Registry,
  type SecretClaim,
} from "./registry.ts";
