/** Which capability a request in passthrough is a use of. Pure. */

import type { CapabilityView } from "@aivault/broker";
import { type Denial, matchPath, parseMethod, parseTarget } from "@aivault/policy";

/**
 * Find the capability with the longest rule that admits a method and path; among equals the first id.
 *
 * The broker decides again, and by everything; this only finds what to ask it about.
 *
 * @param capabilities - Of one provider, those granted to the caller.
 * @returns The refusal of the rule that came nearest, or of a path that no rule could admit.
 */
export function findCapability(
  capabilities: readonly CapabilityView[],
  methodText: string,
  targetText: string,
): { readonly ok: true; readonly value: CapabilityView } | Denial {
  const method = parseMethod(methodText);
  if (!method.ok) return method;
  const target = parseTarget(targetText);
  if (!target.ok) return target;

  let best: { capability: CapabilityView; length: number } | null = null;
  const otherMethods = new Set<string>();
  for (const capability of capabilities) {
    for (const rule of capability.rules) {
      if (!matchPath(rule, target.value.path)) continue;
      if (!rule.methods.includes(method.value)) {
        for (const other of rule.methods) otherMethods.add(other);
        continue;
      }
      const length = rule.path.length;
      const isBetter =
        best === null ||
        length > best.length ||
        (length === best.length && capability.id < best.capability.id);
      if (isBetter) best = { capability, length };
    }
  }
  if (best !== null) return { ok: true, value: best.capability };
  return {
    ok: false,
    code: "policy_violation",
    reason: otherMethods.size > 0 ? "method_not_allowed" : "path_not_allowed",
    message:
      otherMethods.size > 0
        ? `this method is not allowed for this path; allowed: ${[...otherMethods].sort().join(", ")}`
        : "no capability of this credential's provider allows this path",
  };
}
