import { expandHost, type OAuth2Scheme, type OAuthGrant, type Registry } from "@aivault/registry";
import type { Clock, JsonValue, RandomBytes, Vault } from "@aivault/vault-core";
import type { Credential } from "./credential.ts";
import { BrokerError, isBrokerError } from "./errors.ts";
import { signAssertion } from "./oauth-assertion.ts";
import { leaseId, OAuthLeases, type TakenLease } from "./oauth-lease.ts";
import { requirePin } from "./plan.ts";
import { readChoice, readCount, readMembers, readString } from "./shape.ts";
import type { Upstream, UpstreamLimits } from "./upstream.ts";

/** A token is renewed this long before it ends, and up to as much earlier again at random. */
const EARLY_MS = 60_000;
/**
 * The same for a token that lasts minutes: a quarter of its life. Were it a minute as well, a token of two
 * minutes would be renewed for every request.
 */
const EARLY_PART = 1 / 4;
/** What a token without `expires_in` is taken to last (RFC 6749 section 5.1 only recommends it). */
const DEFAULT_LIFE_MS = 30 * 60_000;
/** Whatever a server says; a number beyond what dates can say would spoil what is stored. */
const LIFE_MS_MAX = 366 * 86_400_000;
const ANSWER_BYTES_MAX = 65_536;
const TOKEN_CHARS_MAX = 16_384;
const LIMITS: UpstreamLimits = {
  connectMs: 10_000,
  headersMs: 30_000,
  idleMs: 10_000,
  totalMs: 60_000,
};

/** What obtaining tokens needs. */
export interface OAuthTokensOptions {
  readonly vault: Vault;
  readonly registry: Registry;
  readonly upstream: Upstream;
  readonly now: Clock;
  /** Spreads renewals, so that many brokers do not ask at the same moment. */
  readonly random: RandomBytes;
  readonly userAgent: string;
}

/** A token and what it was made from, in a sealed document of kind `state`. */
interface StoredToken {
  readonly accessToken: string;
  readonly expiresAtMs: number;
  /** What it lasts from when it was obtained. */
  readonly lifeMs: number;
  /** Of the secret: another value makes the token stale. */
  readonly valueVersion: number;
}

/** A login that has ended, and why: it is not asked for again before the secret has another value. */
export interface NeedsLogin {
  /** `renewal_interrupted`: an earlier renewal was cut off, and with it probably the new refresh token. */
  readonly reason: "invalid_grant" | "renewal_interrupted";
  /** When the renewal that ended it began or was refused. */
  readonly atMs: number;
}

interface EndedLogin {
  readonly needsLogin: NeedsLogin;
  readonly valueVersion: number;
}

type StoredState = StoredToken | EndedLogin;

/** The members of the secret that grants use; others are kept as they are. */
type OAuthDocument = Readonly<Record<string, unknown>>;

/**
 * Obtains, keeps and renews OAuth access tokens.
 *
 * However many requests want a token, it is renewed once. A rotated refresh token is stored in the same
 * transaction as the access token, before either is used. The token endpoint is the registry's, never a
 * document's (W-A4), and what it answers is never passed on but for its error code.
 *
 * @see RFC 6749 sections 4.4 and 6, RFC 7523 section 2.1
 */
export class OAuthTokens {
  readonly #options: OAuthTokensOptions;
  readonly #renewing = new Map<string, Promise<string>>();

  readonly #leases: OAuthLeases;

  constructor(options: OAuthTokensOptions) {
    this.#options = options;
    this.#leases = new OAuthLeases(options.vault, options.random);
  }

  /**
   * A valid access token.
   *
   * @param rejected - A token that the provider has just refused; it is not handed out again.
   * @throws {BrokerError} `auth_failed`: the login has ended, or the document lacks something.
   */
  async accessToken(
    credential: Credential,
    scheme: OAuth2Scheme,
    rejected: string | null = null,
  ): Promise<string> {
    const { vault, now } = this.#options;
    const secretId = credential.secrets[scheme.document];
    if (secretId === undefined) throw lacks(scheme.document);
    const { valueVersion } = await vault.getSecret(secretId);
    const stored = await this.#current(credential.id, valueVersion);
    if (stored !== null && "needsLogin" in stored) throw ended(credential.id, stored.needsLogin);
    const usable = stored !== null && stored.accessToken !== rejected ? stored : null;
    if (usable !== null && usable.expiresAtMs - this.#early(usable) > now()) {
      return usable.accessToken;
    }
    try {
      return await this.#renewOnce(credential, scheme, secretId, stored?.accessToken ?? null);
    } catch (error) {
      // A passing failure need not fail a request whose token still lives.
      const passing = isBrokerError(error) && error.code.startsWith("upstream_");
      if (passing && usable !== null && usable.expiresAtMs > now()) return usable.accessToken;
      throw error;
    }
  }

  /** How long before its end a token is renewed. */
  #early({ lifeMs }: StoredToken): number {
    const jitter = 1 + (this.#options.random(1)[0] ?? 0) / 256;
    return Math.min(EARLY_MS, lifeMs * EARLY_PART) * jitter;
  }

  /** Why a credential's login has ended; null when it has not, as far as is known. */
  async needsLogin(credential: Credential): Promise<NeedsLogin | null> {
    if (credential.auth.strategy !== "oauth2") return null;
    const secretId = credential.secrets[credential.auth.document];
    if (secretId === undefined) return null;
    const { valueVersion } = await this.#options.vault.getSecret(secretId);
    const stored = await this.#current(credential.id, valueVersion);
    return stored !== null && "needsLogin" in stored ? stored.needsLogin : null;
  }

  #renewOnce(
    credential: Credential,
    scheme: OAuth2Scheme,
    secretId: string,
    stale: string | null,
  ): Promise<string> {
    const known = this.#renewing.get(credential.id);
    if (known !== undefined) return known;
    const renewing = this.#renew(credential, scheme, secretId, stale).finally(() => {
      this.#renewing.delete(credential.id);
    });
    this.#renewing.set(credential.id, renewing);
    return renewing;
  }

  /** What is stored and was made from the secret's present value. */
  async #current(credentialId: string, valueVersion: number): Promise<StoredState | null> {
    const document = await this.#options.vault.getDocument("state", stateId(credentialId));
    const stored = document === null ? null : parseState(document.value);
    return stored?.valueVersion === valueVersion ? stored : null;
  }

  /**
   * Asks for a token under a lease, so that a refresh token is used once among everything that works on
   * the vault. The lease is written first: if this process ends between the provider's answer and the
   * vault's commit, whoever comes next knows that the refresh token may have been spent.
   *
   * @param stale - The stored token that will not do; another one means that somebody else has renewed.
   */
  async #renew(
    credential: Credential,
    scheme: OAuth2Scheme,
    secretId: string,
    stale: string | null,
  ): Promise<string> {
    const { vault, now } = this.#options;
    let renewed: string | null = null;
    const { valueVersion } = await vault.getSecret(secretId);
    const lease = await this.#leases.take(credential.id, valueVersion, now(), async () => {
      const secret = await vault.getSecret(secretId);
      const state = await this.#current(credential.id, secret.valueVersion);
      if (state !== null && "needsLogin" in state) throw ended(credential.id, state.needsLogin);
      renewed = state !== null && state.accessToken !== stale ? state.accessToken : null;
      return renewed !== null;
    });
    if (lease === null) return renewed as unknown as string;
    try {
      return await this.#renewUnder(lease, credential, scheme, secretId);
    } finally {
      lease.stop();
    }
  }

  async #renewUnder(
    lease: TakenLease,
    credential: Credential,
    scheme: OAuth2Scheme,
    secretId: string,
  ): Promise<string> {
    const { vault, now } = this.#options;
    const asked = await this.#askUnder(lease, credential, scheme, secretId);
    const { document, grant, answer } = asked;
    const { accessToken, refreshToken, lifeMs } = answer;
    const expiresAtMs = now() + lifeMs;
    await vault.transaction(async (tx) => {
      let { valueVersion } = await tx.getSecret(secretId);
      if (refreshToken !== null && refreshToken !== document["refreshToken"]) {
        const value = new TextEncoder().encode(JSON.stringify({ ...document, refreshToken }));
        ({ valueVersion } = await tx.rotateSecret(secretId, value));
        value.fill(0);
      }
      const token: StoredToken = { accessToken, expiresAtMs, lifeMs, valueVersion };
      await tx.putDocument("state", stateId(credential.id), { ...token } as unknown as JsonValue);
      await tx.deleteDocument("state", leaseId(credential.id));
      await vault.audit.append({
        kind: "oauth.renewed",
        credential: credential.id,
        grant,
        rotated: refreshToken !== null,
        expiresAtMs,
      });
    });
    return accessToken;
  }

  async #askUnder(
    lease: TakenLease,
    credential: Credential,
    scheme: OAuth2Scheme,
    secretId: string,
  ): Promise<{ document: OAuthDocument; grant: OAuthGrant; answer: TokenAnswer }> {
    let grant: OAuthGrant | null = null;
    try {
      const tokenUrl = tokenUrlOf(credential, scheme);
      const document = await this.#options.vault.useSecret(secretId, (value, metadata) => {
        // G4: the endpoint of a scheme that an operator wrote is one more place the secret goes to.
        if (credential.definition === null) {
          const { name, pinnedProvider } = metadata;
          const host = hostOfTokenUrl(tokenUrl);
          requirePin(name, pinnedProvider, [host], credential, this.#options.registry);
        }
        return parseDocument(value);
      });
      grant = chooseGrant(scheme, document);
      return {
        document,
        grant,
        answer: await this.#ask(credential, scheme, grant, document, tokenUrl),
      };
    } catch (error) {
      return await this.#failed(lease, credential, secretId, grant, error);
    }
  }

  /** Records a renewal that failed. An ended login is stored, so that it is not asked for again. */
  async #failed(
    { interruptedAtMs }: TakenLease,
    credential: Credential,
    secretId: string,
    grant: OAuthGrant | null,
    error: unknown,
  ): Promise<never> {
    const { vault, now } = this.#options;
    const code = isBrokerError(error) ? error.code : "internal";
    const isEnded = error instanceof LoginEnded;
    // Without an answer the refresh token may have been used all the same: the lease stays and says so.
    const isAnswered = !code.startsWith("upstream_") || error instanceof Refused;
    const wasInterrupted = interruptedAtMs !== null && grant === "refresh_token";
    const reason = wasInterrupted ? "renewal_interrupted" : "invalid_grant";
    const needsLogin: NeedsLogin = { reason, atMs: wasInterrupted ? interruptedAtMs : now() };
    await vault.transaction(async (tx) => {
      if (isAnswered) await tx.deleteDocument("state", leaseId(credential.id));
      if (isEnded) {
        const { valueVersion } = await tx.getSecret(secretId);
        const state: EndedLogin = { needsLogin, valueVersion };
        await tx.putDocument("state", stateId(credential.id), state as unknown as JsonValue);
      }
      await vault.audit.append({
        kind: isEnded ? "oauth.needs_login" : "oauth.failed",
        credential: credential.id,
        grant,
        code,
        ...(isEnded ? { reason } : {}),
      });
    });
    if (isEnded) throw ended(credential.id, needsLogin);
    throw error;
  }

  async #ask(
    credential: Credential,
    scheme: OAuth2Scheme,
    grant: OAuthGrant,
    document: OAuthDocument,
    tokenUrl: string,
  ): Promise<TokenAnswer> {
    const form = new URLSearchParams(scheme.tokenParams ?? {});
    const headers: [string, string][] = [
      ["accept", "application/json"],
      ["accept-encoding", "identity"],
      ["user-agent", this.#options.userAgent],
    ];
    if (tokenUrl.includes(INSTALLATION)) {
      // GitHub's own shape: the assertion is the caller's authorization, and the installation the path.
      const installation = need(document, "installationId", "installation_id");
      if (!/^[1-9][0-9]{0,15}$/.test(installation)) throw lacks("installationId");
      const jwt = appAssertion(document, this.#options.now());
      headers.push(["authorization", `Bearer ${jwt}`], ["content-length", "0"]);
      const url = new URL(tokenUrl.replaceAll(INSTALLATION, installation));
      const { status, body } = await this.#exchange(url, headers, null);
      return readAnswer(status, body, credential.id, this.#options.now());
    }
    headers.push(["content-type", "application/x-www-form-urlencoded"]);
    const made = { nowMs: this.#options.now(), random: this.#options.random };
    addGrant(form, grant, scheme, document, tokenUrl, made.nowMs);
    addClient(form, headers, scheme, document, grant, tokenUrl, made);
    const { status, body } = await this.#exchange(new URL(tokenUrl), headers, form.toString());
    return readAnswer(status, body, credential.id, made.nowMs);
  }

  #exchange(
    url: URL,
    headers: readonly (readonly [string, string])[],
    form: string | null,
  ): Promise<{ status: number; body: Buffer }> {
    const bytes = form === null ? null : new TextEncoder().encode(form);
    return new Promise((resolve, reject) => {
      let status = 0;
      let size = 0;
      const chunks: Uint8Array[] = [];
      // G23: what was asked holds the client's proof, and what is answered the tokens.
      const wipe = () => {
        bytes?.fill(0);
        for (const chunk of chunks) chunk.fill(0);
      };
      let abort = (_error: BrokerError) => {};
      this.#options.upstream.send(
        {
          method: "POST",
          origin: {
            scheme: "https",
            host: url.hostname,
            port: url.port === "" ? 443 : Number(url.port),
            portDeclared: true,
          },
          path: url.pathname + url.search,
          headers,
          body: bytes,
          bodyLength: bytes?.length ?? null,
          limits: LIMITS,
        },
        {
          head: (code, _text, _headers, control) => {
            status = code;
            abort = (error) => control.abort(error);
          },
          data: (chunk) => {
            size += chunk.length;
            chunks.push(chunk);
            if (size > ANSWER_BYTES_MAX) {
              abort(new BrokerError("upstream_failed", "the token endpoint's answer is too large"));
            }
          },
          end: () => {
            resolve({ status, body: Buffer.concat(chunks) });
            wipe();
          },
          error: (error) => {
            wipe();
            reject(error);
          },
        },
        new AbortController().signal,
      );
    });
  }
}

interface TokenAnswer {
  readonly accessToken: string;
  readonly refreshToken: string | null;
  readonly lifeMs: number;
}

function stateId(credentialId: string): string {
  return `oauth:${credentialId}`;
}

/** In a token URL, where an installation's id goes. */
const INSTALLATION = "{installationId}";

function tokenUrlOf({ definition, hostVariables }: Credential, { tokenUrl }: OAuth2Scheme): string {
  if (definition === null) return tokenUrl;
  const [before = "", ...rest] = tokenUrl.split(INSTALLATION);
  return [expandHost(definition, before, hostVariables), ...rest].join(INSTALLATION);
}

/** The host of a token endpoint, whose path may still have an installation to fill in. */
export function hostOfTokenUrl(tokenUrl: string): string {
  return new URL(tokenUrl.replaceAll(INSTALLATION, "0")).hostname;
}

function parseState(value: JsonValue): StoredState {
  const members = readMembers(value, "the stored token", [
    "accessToken",
    "expiresAtMs",
    "lifeMs",
    "valueVersion",
    "needsLogin",
  ]);
  const valueVersion = readCount(members.get("valueVersion"), "valueVersion");
  if (members.has("needsLogin")) {
    const login = readMembers(members.get("needsLogin"), "needsLogin", ["reason", "atMs"]);
    return {
      needsLogin: {
        reason: readChoice(login.get("reason"), "reason", ["invalid_grant", "renewal_interrupted"]),
        atMs: readCount(login.get("atMs"), "atMs"),
      },
      valueVersion,
    };
  }
  return {
    accessToken: readString(members.get("accessToken"), "accessToken", TOKEN_CHARS_MAX),
    expiresAtMs: readCount(members.get("expiresAtMs"), "expiresAtMs"),
    lifeMs: readCount(members.get("lifeMs") ?? DEFAULT_LIFE_MS, "lifeMs"),
    valueVersion,
  };
}

/** The token endpoint says that the grant is good no more. */
class LoginEnded extends Error {}

/** The token endpoint answered without a token, and the refresh token was not used. */
class Refused extends BrokerError {}

function ended(credentialId: string, { reason, atMs }: NeedsLogin): BrokerError {
  const why =
    reason === "invalid_grant"
      ? "the provider ended it (invalid_grant)"
      : `a renewal that began at ${new Date(atMs).toISOString()} was cut off, and its refresh token is spent (invalid_grant)`;
  return new BrokerError(
    "auth_failed",
    `credential \`${credentialId}\` needs a new login: ${why}`,
    { hint: "aivault oauth login" },
  );
}

function lacks(member: string): BrokerError {
  return new BrokerError("auth_failed", `the OAuth secret lacks \`${member}\`; rotate it`, {
    hint: "aivault secrets rotate",
  });
}

function parseDocument(value: Uint8Array): OAuthDocument {
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
  if (value === null) throw lacks(names[0] ?? "");
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

/** The first grant for which the document has everything. */
function chooseGrant({ grants }: OAuth2Scheme, document: OAuthDocument): OAuthGrant {
  const grant = grants.find((candidate) =>
    NEEDED[candidate].every((names) => text(document, ...names) !== null),
  );
  if (grant !== undefined) return grant;
  throw lacks(NEEDED[grants[0] ?? "refresh_token"].at(-1)?.[0] ?? "refreshToken");
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
  { nowMs, random }: { readonly nowMs: number; readonly random: RandomBytes },
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
  headers: [string, string][],
  { clientAuth }: OAuth2Scheme,
  document: OAuthDocument,
  grant: OAuthGrant,
  tokenUrl: string,
  made: { readonly nowMs: number; readonly random: RandomBytes },
): void {
  // The assertion names and proves the client by itself.
  if (grant === "jwt_bearer") return;
  const clientId = need(document, "clientId");
  const clientSecret = text(document, "clientSecret");
  // A public client has no secret, whatever its provider prefers.
  const method = clientSecret === null && clientAuth !== "private_key_jwt" ? "none" : clientAuth;
  switch (method) {
    case "client_secret_basic": {
      // RFC 6749 section 2.3.1: both are form-encoded first.
      const encode = (value: string) => new URLSearchParams({ v: value }).toString().slice(2);
      const pair = `${encode(clientId)}:${encode(clientSecret ?? "")}`;
      headers.push(["authorization", `Basic ${Buffer.from(pair).toString("base64")}`]);
      break;
    }
    case "client_secret_post":
      form.set("client_id", clientId);
      form.set("client_secret", clientSecret ?? "");
      break;
    case "none":
      form.set("client_id", clientId);
      break;
    case "private_key_jwt":
      form.set("client_id", clientId);
      form.set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
      form.set("client_assertion", clientAssertion(document, clientId, tokenUrl, made));
  }
}

function readAnswer(
  status: number,
  body: Buffer,
  credentialId: string,
  nowMs: number,
): TokenAnswer {
  let json: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(body.toString("utf8"));
    if (typeof parsed === "object" && parsed !== null) json = parsed as Record<string, unknown>;
  } catch {
    // An answer that is no JSON has no token and no error code.
  } finally {
    body.fill(0);
  }
  const { refresh_token: refreshToken, expires_in: expiresIn } = json;
  // GitHub names it otherwise and gives the end as a time.
  const accessToken = json["access_token"] ?? json["token"];
  if (status >= 200 && status < 300 && isToken(accessToken)) {
    const endsAtMs = Date.parse(String(json["expires_at"]));
    const seconds = Number(expiresIn ?? (endsAtMs - nowMs) / 1000);
    return {
      accessToken,
      refreshToken: isToken(refreshToken) ? refreshToken : null,
      lifeMs:
        Number.isFinite(seconds) && seconds > 0
          ? Math.ceil(Math.min(seconds * 1000, LIFE_MS_MAX))
          : DEFAULT_LIFE_MS,
    };
  }
  // Only the code: descriptions quote tokens and accounts (W-A4).
  const code = typeof json["error"] === "string" ? json["error"] : "";
  const shown = /^[a-z_]{1,40}$/.test(code) ? code : `status ${status}`;
  if (code === "invalid_grant") {
    throw new LoginEnded();
  }
  const passing = status === 429;
  const message = `the token endpoint of credential \`${credentialId}\` gave no token (${shown})`;
  // A server that failed may have used the refresh token before it did; one that refused has not.
  if (status >= 500) throw new BrokerError("upstream_failed", message);
  throw new Refused(passing ? "upstream_failed" : "auth_failed", message);
}

function isToken(value: unknown): value is string {
  return (
    typeof value === "string" && value.length <= TOKEN_CHARS_MAX && /^[\x21-\x7e]+$/.test(value)
  );
}
