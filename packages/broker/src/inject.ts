import type { AuthScheme, Registry } from "@aivault/registry";
import type { Vault } from "@aivault/vault-core";
import { injectAwsSigV4 } from "./auth/aws-sigv4.ts";
import { injectBasic } from "./auth/basic.ts";
import { injectHeader } from "./auth/header.ts";
import { injectHmac } from "./auth/hmac.ts";
import type { Injection, OpenSecrets } from "./auth/injection.ts";
import { injectMtls } from "./auth/mtls.ts";
import { injectHeaders } from "./auth/multi-header.ts";
import { injectParams } from "./auth/multi-query.ts";
import { injectPath } from "./auth/path.ts";
import { injectQuery } from "./auth/query.ts";
import type { SigningContext } from "./auth/signing-context.ts";
import type { RequestBody } from "./body.ts";
import { type Credential, optionalPlaceholders, schemePlaceholders } from "./credential.ts";
import { joinTarget, type PlannedRequest, requirePin } from "./plan.ts";
import { Redactor } from "./redact.ts";
import { placeholders } from "./template.ts";
import type { ClientCertificate } from "./upstream.ts";

/** A planned request with its credential in it. */
export interface InjectedRequest {
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** With query. */
  readonly path: string;
  /** Finds everything that was injected. Its owner wipes it. */
  readonly redactor: Redactor;
  /** To be presented; its owner wipes it after sending. */
  readonly clientCertificate: ClientCertificate | null;
}

/** What injecting works on. */
export interface InjectSources {
  readonly vault: Vault;
  readonly registry: Registry;
  /** For signatures with a date. */
  readonly nowMs: number;
  /** The access token of an `oauth2` credential; its document is not opened here. */
  readonly accessToken: string | null;
}

/**
 * B1: opens the secrets of a planned request and puts them in. The one place where a secret meets a request.
 *
 * G23: only the secrets this scheme uses are opened, after every check has passed, and they are wiped
 * when this returns. What remains is the request's own text, which no JavaScript can wipe, and the
 * redactor, which is wiped with the exchange.
 *
 * @throws {BrokerError} `auth_failed`: a secret's value cannot go where the scheme puts it.
 */
export async function injectCredential(
  planned: PlannedRequest,
  body: RequestBody,
  { vault, registry, nowMs, accessToken }: InjectSources,
): Promise<InjectedRequest> {
  const { credential } = planned;
  if (planned.anonymous) return withoutCredential(planned, body);
  const secretsUsed = secretsOf(credential);
  const headers =
    body.contentType === null
      ? planned.headers
      : [...planned.headers, { name: "content-type", value: body.contentType }];
  const context = signingContext(planned, headers, body, nowMs);
  const hidden = publicPlaceholders(credential.auth);
  let versions = "";
  const opening = { vault, registry, planned, onOpen: (id: string) => (versions += `${id} `) };
  const minted = accessToken === null ? null : new TextEncoder().encode(accessToken);
  const opened = new Map<string, Uint8Array>();
  if (minted !== null) opened.set("access_token", minted);
  return await openSecrets(opening, secretsUsed, 0, opened, (secrets) => {
    const injection = inject(credential, secrets, context);
    const sensitive: Uint8Array[] = [];
    for (const [name, value] of secrets) if (!hidden.has(name)) sensitive.push(value);
    sensitive.push(...injection.derived);
    const redactor = new Redactor(sensitive);
    for (const derived of injection.derived) derived.fill(0);
    minted?.fill(0);
    return {
      headers: [...headers.map(({ name, value }) => [name, value] as const), ...injection.headers],
      path: joinTarget(injection.pathPrefix, planned.target, injection.params),
      redactor,
      clientCertificate:
        injection.pair === undefined
          ? null
          : { id: `${credential.id} ${planned.host} ${versions}`, ...injection.pair },
    };
  });
}

/** G8: a request that left its origin opens no secret. */
function withoutCredential(planned: PlannedRequest, body: RequestBody): InjectedRequest {
  const headers = planned.headers.map(({ name, value }) => [name, value] as const);
  return {
    headers: body.contentType === null ? headers : [...headers, ["content-type", body.contentType]],
    path: joinTarget("", planned.target, []),
    redactor: new Redactor([]),
    clientCertificate: null,
  };
}

/** Parts of a credential that are no secret: providers print them in every answer. */
function publicPlaceholders(auth: AuthScheme): ReadonlySet<string> {
  switch (auth.strategy) {
    case "aws-sigv4":
      return new Set([auth.accessKeyId]);
    case "mtls":
      return new Set([auth.certificate, ...("ca" in auth ? [String(auth.ca)] : [])]);
    case "basic": {
      // What is called a user name, beside a password of its own, is a name: Jira's e-mail address, the SID
      // in all of Twilio's paths. Half of a pair that is called anything else is taken for a secret (G9).
      const proof = placeholders(auth.password);
      const isName = placeholders(auth.username).includes(USERNAME) && !proof.includes(USERNAME);
      return proof.length > 0 && isName ? new Set([USERNAME]) : NO_PLACEHOLDERS;
    }
    default:
      return NO_PLACEHOLDERS;
  }
}

const NO_PLACEHOLDERS: ReadonlySet<string> = new Set();
const USERNAME = "username";

function signingContext(
  planned: PlannedRequest,
  headers: PlannedRequest["headers"],
  { body, payloadHash = null }: RequestBody,
  nowMs: number,
): SigningContext {
  return {
    method: planned.method,
    authority: planned.port === 443 ? planned.host : `${planned.host}:${planned.port}`,
    hostEntry: planned.capability.host,
    hostVariables: planned.credential.hostVariables,
    target: planned.target,
    headers,
    body: body === null || body instanceof Uint8Array ? body : "streamed",
    payloadHash,
    nowMs,
  };
}

interface Opening {
  readonly vault: Vault;
  readonly registry: Registry;
  readonly planned: PlannedRequest;
  /** Told which version of which secret was opened. */
  readonly onOpen: (version: string) => void;
}

type UsedSecret = readonly [placeholder: string, secretId: string];

const used = new WeakMap<Credential, readonly UsedSecret[]>();

/** The secrets that the credential's scheme opens. A change of the vault makes another credential. */
function secretsOf(credential: Credential): readonly UsedSecret[] {
  const known = used.get(credential);
  if (known !== undefined) return known;
  const found: UsedSecret[] = [];
  for (const placeholder of schemePlaceholders(credential.auth)) {
    const secretId = credential.secrets[placeholder];
    if (secretId !== undefined) found.push([placeholder, secretId]);
  }
  used.set(credential, found);
  return found;
}

/** Opens the secrets from `index` on, each within the last one's callback, into `opened`. */
function openSecrets<T>(
  opening: Opening,
  secrets: readonly UsedSecret[],
  index: number,
  opened: Map<string, Uint8Array>,
  use: (secrets: OpenSecrets) => T,
): T | Promise<T> {
  const next = secrets[index];
  if (next === undefined) return use(opened);
  const [placeholder, secretId] = next;
  const { vault, planned, registry, onOpen } = opening;
  return vault.useSecret(secretId, (value, { name, pinnedProvider, valueVersion }) => {
    // G4: once more, on what the vault says at this moment.
    requirePin(name, pinnedProvider, [planned.host], planned.credential, registry);
    onOpen(`${secretId}:${valueVersion}`);
    opened.set(placeholder, value);
    return openSecrets(opening, secrets, index + 1, opened, use);
  });
}

function inject(
  credential: Credential,
  secrets: OpenSecrets,
  context: SigningContext,
): Injection & { readonly pair?: Omit<ClientCertificate, "id"> } {
  const { auth } = credential;
  switch (auth.strategy) {
    case "header":
      return injectHeader(auth, secrets);
    case "query":
      return injectQuery(auth, secrets);
    case "path":
      return injectPath(auth, secrets);
    case "basic":
      return injectBasic(auth, secrets);
    case "multi-header":
      return injectHeaders(auth, secrets, optionalPlaceholders(credential));
    case "multi-query":
      return injectParams(auth, secrets, optionalPlaceholders(credential));
    case "hmac":
      return injectHmac(auth, secrets, context);
    case "aws-sigv4":
      return injectAwsSigV4(auth, secrets, context);
    case "mtls":
      return injectMtls(auth, secrets);
    case "oauth2":
      return injectHeaders(auth, secrets, optionalPlaceholders(credential));
  }
}
