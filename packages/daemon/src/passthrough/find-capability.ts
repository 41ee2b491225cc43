/** Which capability a request in passthrough is a use of. Pure. */

import type { ServedCapability } from "@aivault/broker";
import {
  admitsMethod,
  allows,
  type Denial,
  matchPath,
  parseMethod,
  parseTarget,
  satisfiesQuery,
} from "@aivault/policy";

/**
 * Find the capability with the longest rule that admits a request; among equals the first id.
 *
 * The broker decides again, and by everything; this only finds what to ask it about.
 *
 * @param capabilities - Of one credential, those granted to the caller, in order of id.
 * @returns The refusal of the rules that came nearest, or of a target that no rule could admit.
 */
export function findCapability(
  capabilities: readonly ServedCapability[],
  methodText: string,
  targetText: string,
): { readonly ok: true; readonly value: ServedCapability } | Denial {
  const method = parseMethod(methodText);
  if (!method.ok) return method;
  // An encoded slash is read only where one of the rules admits it; `matchPath` holds the others to
  // refusing it.
  const encodedSlash = capabilities.some(({ rules }) =>
    rules.some((rule) => rule.encodedSlash === true),
  );
  const target = parseTarget(targetText, { encodedSlash });
  if (!target.ok) return target;
  const { path, query } = target.value;

  let best: { capability: ServedCapability; length: number } | null = null;
  for (const capability of capabilities) {
    for (const rule of capability.rules) {
      if (!admitsMethod(rule.methods, method.value) || !matchPath(rule, path)) continue;
      // git's fetch and push begin with the same path, and only the query tells them apart.
      if (rule.query !== undefined && !satisfiesQuery(rule.query, query)) continue;
      if (best === null || rule.path.length > best.length) {
        best = { capability, length: rule.path.length };
      }
    }
  }
  if (best !== null) return { ok: true, value: best.capability };
  const rules = capabilities.flatMap((capability) => capability.rules);
  const refused = allows(rules, method.value, path, query);
  if (!refused.ok && refused.reason === "method_not_allowed") return refused;
  // Every rule of a provider is too many to list.
  const message = "no capability of this credential allows this path and query";
  return { ok: false, code: "policy_violation", reason: "path_not_allowed", message };
}
