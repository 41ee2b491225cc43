import { randomUUID } from "node:crypto";
import { list, type ParsedArgs, text, wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { usageError } from "../errors.ts";

/** Print where consent is given (RFC 6749 §4.1.1). Nothing is stored or sent. */
export async function runSetup({ args, out }: Context): Promise<void> {
  const provider = text(args, "provider") as string;
  const url = consentUrl(args);
  const notes = [
    "open consentUrl in a browser, and check that the state that comes back is the one in it",
    "exchange the code that comes back for tokens at the provider's token endpoint, outside aivault",
    `store the refresh token with \`aivault secrets create\`; \`aivault provider describe ${provider}\` has the name`,
  ];
  if (wantsJson(args) || !out.isTerminal) {
    out.json({ provider, consentUrl: url, exchangeOutsideBroker: true, notes });
    return;
  }
  out.answer(url);
  for (const note of notes) out.note(note);
}

function consentUrl(args: ParsedArgs): string {
  const url = endpoint("auth-url", text(args, "auth-url") as string);
  if (url.protocol !== "https:") throw usageError("--auth-url is an https address");
  const redirect = text(args, "redirect-uri") as string;
  endpoint("redirect-uri", redirect);
  const scopes = list(args, "scope");
  const parameters = {
    response_type: "code",
    client_id: text(args, "client-id") as string,
    redirect_uri: redirect,
    ...(scopes.length === 0 ? {} : { scope: scopes.join(" ") }),
    state: text(args, "state") ?? randomUUID(),
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

function endpoint(flag: string, value: string): URL {
  if (!URL.canParse(value)) {
    throw usageError(`--${flag} is an address such as https://example.com/authorize`);
  }
  return new URL(value);
}
