/** What each OAuth grant asks a token endpoint with, and which members of the secret it takes. */
import { expandHost, type OAuth2Scheme, type OAuthGrant } from "@aivault/registry";
import type { RandomBytes } from "@aivault/vault-core";
import type { Credential } from "./credential.ts";
import { BrokerError } from "./errors.ts";
import { signAssertion } from "./oauth-assertion.ts";
import { addClientSecret, type EndpointRequest } from "./token-endpoint.ts";

/** The members of the secret that grants use; others are kept as they are. */
export type OAuthDocument = Readonly<Record<string, unknown>>;

/** What an assertion is made with. */
interface Made {
  readonly nowMs: number;
  readonly random: RandomBytes;
}

/** In a token URL, where an installation's id goes. */
const INSTALLATION = "{installationId}";

/** The token endpoint of a credential, its tenant filled in; an installation may still be missing. */
export function tokenUrlOf(
  { definition, hostVariables }: Credential,
  { tokenUrl }: OAuth2Scheme,
): string {
  if (definition === null) return tokenUrl;
  const [before = "", ...rest] = tokenUrl.split(INSTALLATION);
  return [expandHost(definition, before, hostVariables), ...rest].join(INSTALLATION);
}

/** The host of a token endpoint, whose path may still have an installation to fill in. */
export function hostOfTokenUrl(tokenUrl: string): string {
  return new URL(tokenUrl.replaceAll(INSTALLATION, "0")).hostname.replace(/^\[|\]$/g, "");
}

/**
 * The request for a token.
 *
 * @throws {BrokerError} `auth_failed`: the document lacks something, or its key is not usable.
 */
export function tokenRequest(
  scheme: OAuth2Scheme,
  grant: OAuthGrant,
  document: OAuthDocument,
  tokenUrl: string,
  made: Made,
): Pick<EndpointRequest, "url" | "headers" | "form"> {
  if (tokenUrl.includes(INSTALLATION)) {
    // GitHub's own shape: the assertion is the caller's authorization, and the installation the path.
    const installation = need(document, "installationId", "installation_id");
    if (!/^[1-9][0-9]{0,15}$/.test(installation)) throw documentLacks("installationId");
    const jwt = appAssertion(document, made.nowMs);
    const url = new URL(tokenUrl.replaceAll(INSTALLATION, installation));
    return { url, headers: [["authorization", `Bearer ${jwt}`]], form: null };
  }
  const form = new URLSearchParams(scheme.tokenParams ?? {});
  const headers: (readonly [string, string])[] = [];
  addGrant(form, grant, scheme, document, tokenUrl, made.nowMs);
  // Of a JWT bearer grant the assertion names and proves the client by itself.
  if (grant !== "jwt_bearer") addClient(form, headers, scheme, document, tokenUrl, made);
  return { url: new URL(tokenUrl), headers, form };
}

/** @throws {BrokerError} `auth_failed`: it is no JSON object. */
export function parseOAuthDocument(value: Uint8Array): OAuthDocument {
  try {
    const json: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(value));
    if (typeof json === "object" && json !== null && !Array.isArray(json)) {
      return json as OAuthDocument;
    }
  } catch {
    // Said below, without the text: a JSON error quotes what it could not read.
  }
  throw new BrokerError("auth_failed", "the OAuth secret is not a JSON object; rotate it", {
    hint: "aivault secrets rotate",
  });
}

function text(document: OAuthDocument, ...names: readonly string[]): string | null {
  for (const name of names) {
    const value = document[name];
    if (typeof value === "string" && value !== "") return value;
    // GitHub's ids are numbers, and are often written as such.
    if (Number.isSafeInteger(value)) return String(value);
  }
  return null;
}

function need(document: OAuthDocument, ...names: readonly string[]): string {
  const value = text(document, ...names);
  if (value === null) throw documentLacks(names[0] ?? "");
  return value;
}

// The second names are those of Google's service account files.
const PRIVATE_KEY = ["privateKey", "private_key"] as const;
const KEY_ID = ["privateKeyId", "private_key_id"] as const;
const ISSUER = ["clientEmail", "client_email", "clientId"] as const;

const NEEDED: Readonly<Record<OAuthGrant, readonly (readonly string[])[]>> = {
  refresh_token: [["refreshToken"]],
  client_credentials: [["clientId"], ["clientSecret", "privateKey"]],
  jwt_bearer: [PRIVATE_KEY],
  account_credentials: [["accountId"]],
};

/**
 * The first grant for which the document has everything.
 *
 * @throws {BrokerError} `auth_failed`, naming what is missing.
 */
export function chooseGrant({ grants }: OAuth2Scheme, document: OAuthDocument): OAuthGrant {
  const grant = grants.find((candidate) =>
    NEEDED[candidate].every((names) => text(document, ...names) !== null),
  );
  if (grant !== undefined) return grant;
  throw documentLacks(NEEDED[grants[0] ?? "refresh_token"].at(-1)?.[0] ?? "refreshToken");
}

/**
 * Scopes that ask for a refresh token, when a person consents. Without a person there is none to give, and
 * servers refuse such a scope (RFC 6749 section 4.4.3; OpenID Connect Core section 11).
 */
const OFFLINE: ReadonlySet<string> = new Set(["offline_access", "offline", "offline.access"]);

function addGrant(
  form: URLSearchParams,
  grant: OAuthGrant,
  scheme: OAuth2Scheme,
  document: OAuthDocument,
  tokenUrl: string,
  nowMs: number,
): void {
  // On renewal no scope is sent: the server's memory of what was consented to is the right one.
  const scopes = Object.keys(scheme.scopes ?? {});
  const separator = scheme.scopeSeparator ?? " ";
  const scope = scopes.filter((name) => !OFFLINE.has(name)).join(separator);
  switch (grant) {
    case "refresh_token":
      form.set("grant_type", grant);
      form.set("refresh_token", need(document, "refreshToken"));
      break;
    case "client_credentials":
      form.set("grant_type", grant);
      if (scope !== "") form.set("scope", scope);
      break;
    case "account_credentials":
      form.set("grant_type", grant);
      form.set("account_id", need(document, "accountId"));
      break;
    case "jwt_bearer":
      form.set("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
      form.set("assertion", grantAssertion(document, scope, tokenUrl, nowMs));
  }
}

/** RFC 7523 section 3; as Google's service accounts want it. */
function grantAssertion(
  document: OAuthDocument,
  scope: string,
  audience: string,
  nowMs: number,
): string {
  const issuedAt = Math.floor(nowMs / 1000);
  const subject = text(document, "subject");
  return signAssertion({
    key: need(document, ...PRIVATE_KEY),
    keyId: text(document, ...KEY_ID),
    claims: {
      iss: need(document, ...ISSUER),
      aud: audience,
      iat: issuedAt,
      exp: issuedAt + 300,
      ...(subject === null ? {} : { sub: subject }),
      ...(scope === "" ? {} : { scope }),
    },
  });
}

/** A GitHub App's. It begins a minute ago: GitHub's clock may be behind ours. */
function appAssertion(document: OAuthDocument, nowMs: number): string {
  const issuedAt = Math.floor(nowMs / 1000) - 60;
  return signAssertion({
    key: need(document, ...PRIVATE_KEY),
    keyId: null,
    claims: {
      iss: need(document, "appId", "app_id", "clientId"),
      iat: issuedAt,
      exp: issuedAt + 600,
    },
  });
}

/** RFC 7523 section 2.2. */
function clientAssertion(
  document: OAuthDocument,
  clientId: string,
  audience: string,
  { nowMs, random }: Made,
): string {
  const issuedAt = Math.floor(nowMs / 1000);
  return signAssertion({
    key: need(document, ...PRIVATE_KEY),
    keyId: text(document, ...KEY_ID),
    claims: {
      iss: clientId,
      sub: clientId,
      aud: audience,
      jti: Buffer.from(random(16)).toString("hex"),
      iat: issuedAt,
      exp: issuedAt + 300,
    },
  });
}

function addClient(
  form: URLSearchParams,
  headers: (readonly [string, string])[],
  { clientAuth }: OAuth2Scheme,
  document: OAuthDocument,
  tokenUrl: string,
  made: Made,
): void {
  const clientId = need(document, "clientId");
  if (clientAuth !== "private_key_jwt") {
    addClientSecret(form, headers, clientId, text(document, "clientSecret"), clientAuth);
    return;
  }
  form.set("client_id", clientId);
  form.set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
  form.set("client_assertion", clientAssertion(document, clientId, tokenUrl, made));
}

/** A document without a member that is needed. */
export function documentLacks(member: string): BrokerError {
  return new BrokerError("auth_failed", `the OAuth secret lacks \`${member}\`; rotate it`, {
    hint: "aivault secrets rotate",
  });
}
