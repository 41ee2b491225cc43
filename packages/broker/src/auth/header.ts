import type { NamedTemplate } from "@aivault/registry";
import type { Injection, OpenSecrets } from "./injection.ts";
import { injectHeaders } from "./multi-header.ts";

/** Puts a secret into a header. */
export function injectHeader(scheme: NamedTemplate, secrets: OpenSecrets): Injection {
  return injectHeaders({ headers: [scheme] }, secrets);
}
