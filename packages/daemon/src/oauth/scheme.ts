/** Which login a provider has, and what it leads to. */
import {
  expandHost,
  type OAuth2Scheme,
  type Provider,
  type SecretDefinition,
} from "@aivault/registry";
import { Problem } from "../problem.ts";

export type LoginFlow = "code" | "device";

/** A way in: where it begins, and the secret that comes of it. */
export interface LoginScheme {
  readonly provider: Provider;
  readonly scheme: OAuth2Scheme;
  /** Name of the secret that keeps the client and the refresh token. */
  readonly secretName: string;
  /** Where it begins. */
  readonly startUrl: string;
  readonly tokenUrl: string;
}

/**
 * The provider's login by this flow.
 *
 * Every address is the definition's, none is anyone's who asks (W-A4).
 *
 * @throws {Problem} `conflict`: it has none.
 */
export function loginScheme(provider: Provider, flow: LoginFlow): LoginScheme {
  const ways: readonly { auth: Provider["auth"]; secrets: readonly SecretDefinition[] }[] = [
    provider,
    ...(provider.alternatives ?? []),
  ];
  let hasOther = false;
  for (const { auth, secrets } of ways) {
    if (auth.strategy !== "oauth2" || !auth.grants.includes("refresh_token")) continue;
    const secret = secrets.find(({ placeholder }) => placeholder === auth.document);
    const start = flow === "code" ? auth.authorizationUrl : auth.deviceAuthorizationUrl;
    if (secret === undefined || auth.clientAuth === "private_key_jwt") continue;
    if (start === undefined) {
      hasOther ||= (auth.authorizationUrl ?? auth.deviceAuthorizationUrl) !== undefined;
      continue;
    }
    return {
      provider,
      scheme: auth,
      secretName: secret.name,
      startUrl: expandHost(provider, start, {}),
      tokenUrl: expandHost(provider, auth.tokenUrl, {}),
    };
  }
  const [first] = provider.secrets;
  if (hasOther) {
    const what = flow === "device" ? "device code" : "login in a browser";
    const other = flow === "device" ? "without --device" : "with --device";
    throw new Problem("conflict", `\`${provider.id}\` has no ${what}`, {
      hint: `aivault oauth login ${provider.id}, ${other}`,
    });
  }
  throw new Problem("conflict", `nobody logs in to \`${provider.id}\` by OAuth`, {
    hint: `aivault secrets create ${first?.name ?? ""}`.trimEnd(),
  });
}
