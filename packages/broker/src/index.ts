export { Broker, type BrokerOptions, type OutsideDenial } from "./broker.ts";
export type { CapabilityPolicy } from "./capability-policy.ts";
export type { QuarantinedDocument } from "./catalog.ts";
export type { InternalService } from "./connect.ts";
export type { InvocationContext, TokenGrant, UseLimits } from "./context.ts";
export {
  BrokerError,
  type BrokerErrorCode,
  type BrokerErrorDetails,
  type BrokerReason,
  isBrokerError,
} from "./errors.ts";
export type {
  AnnouncedBody,
  Explanation,
  Invocation,
  Plan,
  PlanSummary,
  Principal,
  ResponseControl,
  ResponseHead,
  ResponseSink,
  Upload,
} from "./invocation.ts";
export type { LookUp } from "./look-up.ts";
export type { NeedsLogin } from "./oauth-tokens.ts";
export type { ServedBy, ServedCapability } from "./served-by.ts";
export type { BrokerSettings } from "./settings.ts";
export { type SocketHead, webSocketAccept } from "./socket-relay.ts";
export {
  addClientSecret,
  askEndpoint,
  type EndpointAnswer,
  type EndpointRequest,
  isErrorCode,
} from "./token-endpoint.ts";
export type { DecisionStage, DecisionStep } from "./trace.ts";
export {
  createUndiciUpstream,
  type UndiciUpstream,
  type UndiciUpstreamOptions,
} from "./undici-upstream.ts";
export type {
  ClientCertificate,
  Upstream,
  UpstreamControl,
  UpstreamHandler,
  UpstreamLimits,
  UpstreamRequest,
} from "./upstream.ts";
export type {
  BindingView,
  CapabilityView,
  CredentialView,
  NewBinding,
  NewCapability,
  NewCredential,
  NewSecret,
  PathRuleView,
  Provisioning,
  SecretChange,
  SecretCreated,
  SecretDeleted,
} from "./views.ts";
