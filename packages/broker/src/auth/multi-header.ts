import type { NamedTemplate } from "@aivault/registry";
import { placeholders } from "../template.ts";
import { chooseTemplate } from "./by-shape.ts";
import { headersOnly, type Injection, type OpenSecrets, renderHeader } from "./injection.ts";

/** No secret may be absent. */
export const NONE: ReadonlySet<string> = new Set();

/**
 * Puts secrets into several headers. A header whose optional secret is not there is left out.
 *
 * @param optional - The placeholders whose secrets may be absent.
 * @throws {BrokerError} `auth_failed`: another secret is absent.
 */
export function injectHeaders(
  { headers }: { readonly headers: readonly NamedTemplate[] },
  secrets: OpenSecrets,
  optional: ReadonlySet<string> = NONE,
): Injection {
  return headersOnly(
    headers.flatMap((header) => {
      const template = isLeftOut(header, secrets, optional)
        ? null
        : chooseTemplate(header, secrets);
      return template === null
        ? []
        : [[header.name.toLowerCase(), renderHeader(template, secrets)] as const];
    }),
  );
}

/** Whether nothing but optional secrets is absent of what the template names, and something is. */
export function isLeftOut(
  { template }: NamedTemplate,
  secrets: OpenSecrets,
  optional: ReadonlySet<string>,
): boolean {
  const absent = placeholders(template).filter((name) => !secrets.has(name));
  return absent.length > 0 && absent.every((name) => optional.has(name));
}
