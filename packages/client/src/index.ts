export type { AivaultClient, ClientOptions, InvokeOptions } from "./client.ts";
export { createClient } from "./client.ts";
export {
  callerSockets,
  type DiscoveryOptions,
  type Environment,
  operatorSocket,
  operatorSocketBeside,
} from "./discovery.ts";
export {
  AivaultError,
  type AivaultErrorCode,
  type ClientErrorCode,
  isAivaultError,
} from "./errors.ts";
export { type AivaultFetch, refusalOf } from "./fetch.ts";
export type * from "./protocol.ts";
export type { InvokeFile, InvokeRequest } from "./request.ts";
export type { InvokePlan, InvokeResponse } from "./response.ts";
