import type { NamedTemplate } from "@aivault/registry";
import { chooseTemplate } from "./by-shape.ts";
import { type Injection, type OpenSecrets, paramsOnly, renderParam } from "./injection.ts";
import { isLeftOut, NONE } from "./multi-header.ts";

/** Puts secrets into several query parameters, behind the caller's own; else as `injectHeaders`. */
export function injectParams(
  { params }: { readonly params: readonly NamedTemplate[] },
  secrets: OpenSecrets,
  optional: ReadonlySet<string> = NONE,
): Injection {
  return paramsOnly(
    params.flatMap((param) => {
      const template = isLeftOut(param, secrets, optional) ? null : chooseTemplate(param, secrets);
      return template === null ? [] : [renderParam(param.name, template, secrets)];
    }),
  );
}
