import type { NamedTemplate } from "@aivault/registry";
import type { Injection, OpenSecrets } from "./injection.ts";
import { injectParams } from "./multi-query.ts";

/** Puts a secret into a query parameter. */
export function injectQuery(scheme: NamedTemplate, secrets: OpenSecrets): Injection {
  return injectParams({ params: [scheme] }, secrets);
}
