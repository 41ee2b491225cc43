export {
  type AddressClass,
  checkAddresses,
  checkInternalAddresses,
  classifyAddress,
} from "./address.ts";
export { isCapabilityPattern, matchesCapability } from "./capability-pattern.ts";
export { type EndpointUrl, parseEndpointUrl } from "./endpoint-url.ts";
export {
  checkJsonContentType,
  ENVELOPE_BYTES_MAX,
  type Envelope,
  type EnvelopeBody,
  type EnvelopeOptions,
  type EnvelopeRequest,
  parseEnvelope,
  parseEnvelopeText,
} from "./envelope.ts";
export type { HeaderPair } from "./header-name.ts";
export {
  HEADER_CHARS_MAX,
  HEADERS_MAX,
  type RequestHeaderOptions,
  type ResponseHeaderOptions,
  requestHeaders,
  responseHeaders,
} from "./headers.ts";
export {
  deriveHost,
  formatInternalHost,
  type HostPattern,
  hostMatches,
  type InternalHost,
  parseHost,
  parseHostPattern,
  parseInternalHost,
} from "./host.ts";
export {
  EMPTY_WINDOW,
  parseRateWindow,
  RATE_WINDOW_MS,
  type RateWindow,
  reserve,
  type Taken,
  take,
  used,
} from "./limits.ts";
export { admitsMethod, HTTP_METHODS, type HttpMethod, parseMethod } from "./method.ts";
export {
  allows,
  managedPathConflict,
  matchPath,
  type PathMatch,
  type PathRule,
  parsePathRule,
} from "./path-rule.ts";
export {
  AUTH_QUERY_NAMES,
  managedQueryConflict,
  type QueryConstraint,
  type QueryPair,
  queryPairs,
  satisfiesQuery,
} from "./query.ts";
export { secretForms } from "./redaction.ts";
export {
  isRedirect,
  parseRedirect,
  type RedirectBase,
  type RedirectTarget,
  redirectedMethod,
} from "./redirect.ts";
export type { Denial, PolicyDenialCode, PolicyReason, Result } from "./result.ts";
export {
  JSON_BYTES_MAX,
  type Json,
  parseStrictJson,
  type StrictJsonOptions,
} from "./strict-json.ts";
export { parseTarget, TARGET_CHARS_MAX, type Target, type TargetOptions } from "./target.ts";
