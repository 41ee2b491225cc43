import { render } from "../template.ts";
import { type Injection, type OpenSecrets, secretText, unusable } from "./injection.ts";

// RFC 3986 `pchar` without `%`: what stands for itself in one segment. Anything else could end the
// segment, or be decoded into something that does (G7).
const SEGMENT = /^[A-Za-z0-9._~!$&'()*+,;=:@-]+$/;

/** Puts a secret into the beginning of the path: `/bot{{secret}}`. */
export function injectPath(
  { template }: { readonly template: string },
  secrets: OpenSecrets,
): Injection {
  const pathPrefix = render(template, (placeholder) => {
    const text = secretText(secrets, placeholder);
    if (!SEGMENT.test(text) || /^\.+$/.test(text)) {
      throw unusable(placeholder, "has characters that cannot be in a path segment");
    }
    return text;
  });
  return { headers: [], params: [], pathPrefix, derived: [] };
}
