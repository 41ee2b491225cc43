import type { NamedTemplate } from "@aivault/registry";
import { placeholders } from "../template.ts";
import { chooseTemplate } from "./by-shape.ts";
import { headersOnly, type Injection, type OpenSecrets, renderHeader } from "./injection.ts";

/** Puts secrets into several headers. A header whose optional secret is not there is left out. */
export function injectHeaders(
  { headers }: { readonly headers: readonly NamedTemplate[] },
  secrets: OpenSecrets,
): Injection {
  return headersOnly(
    headers.flatMap((header) => {
      const template = isComplete(header, secrets) ? chooseTemplate(header, secrets) : null;
      return template === null
        ? []
        : [[header.name.toLowerCase(), renderHeader(template, secrets)] as const];
    }),
  );
}

/** Whether every secret that the template names was given. Which may be missing was checked before. */
export function isComplete({ template }: NamedTemplate, secrets: OpenSecrets): boolean {
  return placeholders(template).every((name) => secrets.has(name));
}
