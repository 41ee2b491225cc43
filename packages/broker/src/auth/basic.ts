import { placeholders, render } from "../template.ts";
import { type Injection, type OpenSecrets, secretText, unusable } from "./injection.ts";

/**
 * Puts username and password into `authorization`.
 *
 * @see RFC 7617 section 2: UTF-8, no control characters, no colon in the user-id.
 */
export function injectBasic(
  { username, password }: { readonly username: string; readonly password: string },
  secrets: OpenSecrets,
): Injection {
  const valueFor = (placeholder: string) => {
    const text = secretText(secrets, placeholder);
    if (/\p{Cc}/u.test(text)) throw unusable(placeholder, "has control characters");
    return text;
  };
  const user = render(username, valueFor);
  if (user.includes(":")) {
    throw unusable(placeholders(username)[0] ?? "username", "has a colon, which ends a username");
  }
  const pair = Buffer.from(`${user}:${render(password, valueFor)}`, "utf8");
  const value = `Basic ${pair.toString("base64")}`;
  return { headers: [["authorization", value]], params: [], pathPrefix: "", derived: [pair] };
}
