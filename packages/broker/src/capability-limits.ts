import { readCount, readMembers } from "./shape.ts";

/** Limits of one capability, in a sealed document of kind `policy` whose id is the capability's. */
export interface CapabilityLimits {
  readonly requestsPerMinute?: number;
  readonly concurrency?: number;
  readonly requestBytesMax?: number;
  readonly responseBytesMax?: number;
  readonly totalMs?: number;
  readonly idleMs?: number;
}

const MEMBERS = [
  "requestsPerMinute",
  "concurrency",
  "requestBytesMax",
  "responseBytesMax",
  "totalMs",
  "idleMs",
] as const;

/**
 * Reads the limits.
 *
 * @throws {BrokerError} `invalid_request`, naming the member.
 */
export function parseLimits(json: unknown): CapabilityLimits {
  const members = readMembers(json, "the limits", MEMBERS);
  // A deadline of 0 would mean none to the upstream, so it has to be at least 1.
  const smallest = (name: string) => (name.endsWith("Ms") ? 1 : 0);
  return Object.fromEntries(
    [...members].map(([name, value]) => [name, readCount(value, name, smallest(name))]),
  );
}
