/** What a login asks an authorisation server, and what is said when the answer is no. */
import {
  addClientSecret,
  askEndpoint,
  type EndpointAnswer,
  type EndpointRequest,
  type Upstream,
} from "@aivault/broker";
import type { OAuth2Scheme } from "@aivault/registry";
import { Problem } from "../problem.ts";

/** An application at the provider. */
export interface OAuthClient {
  readonly clientId: string;
  /** UTF-8 octets; null for a public client. Whoever made this wipes it. */
  readonly clientSecret: Uint8Array | null;
}

/** A form for an authorisation server, and who sends it. */
export interface ClientRequest extends Pick<EndpointRequest, "userAgent" | "signal"> {
  readonly url: string;
  readonly form: Readonly<Record<string, string>>;
  readonly client: OAuthClient;
  readonly clientAuth: OAuth2Scheme["clientAuth"];
}

/**
 * Send a form, with the client's own proof.
 *
 * @throws {BrokerError} `upstream_…`: there is no answer.
 */
export async function askAsClient(
  upstream: Upstream,
  { url, form: fields, client, clientAuth, userAgent, signal }: ClientRequest,
): Promise<EndpointAnswer> {
  const form = new URLSearchParams(fields);
  const headers: (readonly [string, string])[] = [];
  const { clientId, clientSecret } = client;
  const secret = clientSecret === null ? null : Buffer.from(clientSecret).toString("utf8");
  addClientSecret(form, headers, clientId, secret, clientAuth);
  return await askEndpoint(upstream, { url: new URL(url), headers, form, userAgent, signal });
}

/** A server that did not give what was asked for. */
export function refused(provider: string, what: string, answer: EndpointAnswer): Problem {
  const code = answer.error ?? `status ${answer.status}`;
  return new Problem("auth_failed", `\`${provider}\` gave no ${what} (${code})`, {
    hint: HINTS[code] ?? `aivault oauth login ${provider}`,
  });
}

const HINTS: Readonly<Record<string, string>> = {
  invalid_client: "check the client id and secret against what the provider shows",
  unauthorized_client: "allow this kind of login in the application's settings at the provider",
  invalid_scope: "name scopes that the application has, with --scope",
  redirect_uri_mismatch: "register the address at the provider, and give it with --redirect-uri",
};
