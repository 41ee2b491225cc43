import { BrokerError } from "./errors.ts";
import { invalidShape } from "./shape.ts";

const PART = /\{\{([A-Za-z][A-Za-z0-9_]{0,63})\}\}/g;

/** The placeholders of a template, in order, each once. */
export function placeholders(template: string): readonly string[] {
  const known = parsed.get(template);
  if (known !== undefined) return known;
  const found = [...new Set([...template.matchAll(PART)].map((match) => match[1] as string))];
  // Templates are the registry's and an operator's: few, and the same ones again and again.
  if (parsed.size >= PARSED_MAX) parsed.clear();
  parsed.set(template, found);
  return found;
}

const parsed = new Map<string, readonly string[]>();
const PARSED_MAX = 1_000;

/** @throws {BrokerError} `invalid_request`: braces that are no placeholder, or none that is known. */
export function requireTemplate(template: string, what: string, known: readonly string[]): void {
  if (/[{}]/.test(template.replaceAll(PART, ""))) {
    throw invalidShape(what, "text around placeholders such as {{secret}}");
  }
  for (const name of placeholders(template)) {
    if (!known.includes(name)) {
      throw new BrokerError(
        "invalid_request",
        `${what} uses {{${name}}}, which no secret is given for`,
      );
    }
  }
}

/** Puts text where the placeholders are. */
export function render(template: string, valueFor: (placeholder: string) => string): string {
  return template.replaceAll(PART, (_match, name: string) => valueFor(name));
}
