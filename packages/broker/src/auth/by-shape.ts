import type { NamedTemplate } from "@aivault/registry";
import { placeholders } from "../template.ts";
import { type OpenSecrets, secretText } from "./injection.ts";

/**
 * The template for what the secret looks like: some services take personal keys bare and OAuth tokens
 * with `Bearer`.
 *
 * @returns Null where the registry says to leave the header or parameter out.
 */
export function chooseTemplate(
  { template, byShape = [] }: Pick<NamedTemplate, "template" | "byShape">,
  secrets: OpenSecrets,
): string | null {
  const [decisive] = placeholders(template);
  if (decisive === undefined || byShape.length === 0) return template;
  const text = secretText(secrets, decisive);
  const match = byShape.find(({ pattern }) => new RegExp(pattern, "u").test(text));
  return match === undefined ? template : match.template;
}
