import type { NamedTemplate } from "@aivault/registry";
import { chooseTemplate } from "./by-shape.ts";
import { type Injection, type OpenSecrets, paramsOnly, renderParam } from "./injection.ts";
import { isComplete } from "./multi-header.ts";

/** Puts secrets into several query parameters, behind the caller's own. */
export function injectParams(
  { params }: { readonly params: readonly NamedTemplate[] },
  secrets: OpenSecrets,
): Injection {
  return paramsOnly(
    params.flatMap((param) => {
      const template = isComplete(param, secrets) ? chooseTemplate(param, secrets) : null;
      return template === null ? [] : [renderParam(param.name, template, secrets)];
    }),
  );
}
