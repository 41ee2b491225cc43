import { createSign } from "node:crypto";
import { expandHost, type OAuth2Scheme, type OAuthGrant } from "@aivault/registry";
import type { Clock, JsonValue, RandomBytes, Vault } from "@aivault/vault-core";
import type { Credential } from "./credential.ts";
import { BrokerError, isBrokerError } from "./errors.ts";
import { readCount, readMembers, readString } from "./shape.ts";
import type { Upstream, UpstreamLimits } from "./upstream.ts";

/** A token is renewed this long before it ends, and up to as much earlier again at random. */
const EARLY_MS = 60_000;
/** What a token without `expires_in` is taken to last (RFC 6749 section 5.1 only recommends it). */
const DEFAULT_LIFE_MS = 30 * 60_000;
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
  /** Of the secret: another value makes the token stale. */
  readonly valueVersion: number;
}

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

  constructor(options: OAuthTokensOptions) {
    this.#options = options;
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
    const stored = await this.#stored(credential.id);
    const { valueVersion } = await vault.getSecret(secretId);
    const usable =
      stored !== null && stored.valueVersion === valueVersion && stored.accessToken !== rejected
        ? stored
        : null;
    const early = EARLY_MS * (1 + (this.#options.random(1)[0] ?? 0) / 256);
    if (usable !== null && usable.expiresAtMs - early > now()) return usable.accessToken;
    try {
      return await this.#renewOnce(credential, scheme, secretId);
    } catch (error) {
      // A passing failure need not fail a request whose token still lives.
      const passing = isBrokerError(error) && error.code.startsWith("upstream_");
      if (passing && usable !== null && usable.expiresAtMs > now()) return usable.accessToken;
      throw error;
    }
  }

  #renewOnce(credential: Credential, scheme: OAuth2Scheme, secretId: string): Promise<string> {
    const known = this.#renewing.get(credential.id);
    if (known !== undefined) return known;
    const renewing = this.#renew(credential, scheme, secretId).finally(() => {
      this.#renewing.delete(credential.id);
    });
    this.#renewing.set(credential.id, renewing);
    return renewing;
  }

  async #stored(credentialId: string): Promise<StoredToken | null> {
    const document = await this.#options.vault.getDocument("state", stateId(credentialId));
    if (document === null) return null;
    const members = readMembers(document.value, "the stored token", [
      "accessToken",
      "expiresAtMs",
      "valueVersion",
    ]);
    return {
      accessToken: readString(members.get("accessToken"), "accessToken", TOKEN_CHARS_MAX),
      expiresAtMs: readCount(members.get("expiresAtMs"), "expiresAtMs"),
      valueVersion: readCount(members.get("valueVersion"), "valueVersion"),
    };
  }

  async #renew(credential: Credential, scheme: OAuth2Scheme, secretId: string): Promise<string> {
    const { vault, now } = this.#options;
    const document = await vault.useSecret(secretId, parseDocument);
    const grant = chooseGrant(scheme, document);
    const answer = await this.#ask(credential, scheme, grant, document).catch(async (error) => {
      await vault.audit.append({
        kind: "oauth.failed",
        credential: credential.id,
        grant,
        code: isBrokerError(error) ? error.code : "internal",
      });
      throw error;
    });
    const expiresAtMs = now() + answer.lifeMs;
    const { refreshToken } = answer;
    await vault.transaction(async (tx) => {
      let { valueVersion } = await tx.getSecret(secretId);
      if (refreshToken !== null && refreshToken !== document["refreshToken"]) {
        const value = new TextEncoder().encode(JSON.stringify({ ...document, refreshToken }));
        ({ valueVersion } = await tx.rotateSecret(secretId, value));
        value.fill(0);
      }
      const token: StoredToken = { accessToken: answer.accessToken, expiresAtMs, valueVersion };
      await tx.putDocument("state", stateId(credential.id), { ...token } as unknown as JsonValue);
      await vault.audit.append({
        kind: "oauth.renewed",
        credential: credential.id,
        grant,
        rotated: refreshToken !== null,
        expiresAtMs,
      });
    });
    return answer.accessToken;
  }

  async #ask(
    credential: Credential,
    scheme: OAuth2Scheme,
    grant: OAuthGrant,
    document: OAuthDocument,
  ): Promise<TokenAnswer> {
    const tokenUrl =
      credential.definition === null
        ? scheme.tokenUrl
        : expandHost(credential.definition, scheme.tokenUrl, credential.hostVariables);
    const url = new URL(tokenUrl);
    const form = new URLSearchParams(scheme.tokenParams ?? {});
    const headers: [string, string][] = [
      ["accept", "application/json"],
      ["accept-encoding", "identity"],
      ["content-type", "application/x-www-form-urlencoded"],
      ["user-agent", this.#options.userAgent],
    ];
    addGrant(form, grant, scheme, document, tokenUrl, this.#options.now());
    addClient(form, headers, scheme, document, grant);
    const { status, body } = await this.#exchange(url, headers, form.toString());
    return readAnswer(status, body, credential.id);
  }

  #exchange(
    url: URL,
    headers: readonly (readonly [string, string])[],
    form: string,
  ): Promise<{ status: number; body: Buffer }> {
    const bytes = new TextEncoder().encode(form);
    return new Promise((resolve, reject) => {
      let status = 0;
      let size = 0;
      const chunks: Uint8Array[] = [];
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
          bodyLength: bytes.length,
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
            bytes.fill(0);
            resolve({ status, body: Buffer.concat(chunks) });
          },
          error: (error) => {
            bytes.fill(0);
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

function addGrant(
  form: URLSearchParams,
  grant: OAuthGrant,
  scheme: OAuth2Scheme,
  document: OAuthDocument,
  tokenUrl: string,
  nowMs: number,
): void {
  // On renewal no scope is sent: the server's memory of what was consented to is the right one.
  const scope = Object.keys(scheme.scopes ?? {}).join(scheme.scopeSeparator ?? " ");
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
      form.set("assertion", signAssertion(document, scope, tokenUrl, nowMs));
  }
}

function signAssertion(
  document: OAuthDocument,
  scope: string,
  audience: string,
  nowMs: number,
): string {
  const issuer = need(document, ...ISSUER);
  const issuedAt = Math.floor(nowMs / 1000);
  const keyId = text(document, "privateKeyId", "private_key_id");
  const subject = text(document, "subject");
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const head = encode({ alg: "RS256", typ: "JWT", ...(keyId === null ? {} : { kid: keyId }) });
  const claims = encode({
    iss: issuer,
    aud: audience,
    iat: issuedAt,
    exp: issuedAt + 300,
    ...(subject === null ? {} : { sub: subject }),
    ...(scope === "" ? {} : { scope }),
  });
  try {
    const signature = createSign("RSA-SHA256").update(`${head}.${claims}`);
    return `${head}.${claims}.${signature.sign(need(document, ...PRIVATE_KEY), "base64url")}`;
  } catch (error) {
    if (isBrokerError(error)) throw error;
    throw new BrokerError("auth_failed", "the OAuth secret's private key is not usable; rotate it");
  }
}

function addClient(
  form: URLSearchParams,
  headers: [string, string][],
  { clientAuth }: OAuth2Scheme,
  document: OAuthDocument,
  grant: OAuthGrant,
): void {
  // The assertion names and proves the client by itself.
  if (grant === "jwt_bearer") return;
  const clientId = need(document, "clientId");
  const clientSecret = text(document, "clientSecret");
  // A public client has no secret, whatever its provider prefers.
  const method = clientSecret === null ? "none" : clientAuth;
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
      throw new BrokerError(
        "auth_failed",
        "clients that prove themselves by JWT are not supported",
      );
  }
}

function readAnswer(status: number, body: Buffer, credentialId: string): TokenAnswer {
  let json: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(body.toString("utf8"));
    if (typeof parsed === "object" && parsed !== null) json = parsed as Record<string, unknown>;
  } catch {
    // An answer that is no JSON has no token and no error code.
  } finally {
    body.fill(0);
  }
  const { access_token: accessToken, refresh_token: refreshToken, expires_in: expiresIn } = json;
  if (status >= 200 && status < 300 && isToken(accessToken)) {
    const seconds = Number(expiresIn);
    return {
      accessToken,
      refreshToken: isToken(refreshToken) ? refreshToken : null,
      lifeMs: Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : DEFAULT_LIFE_MS,
    };
  }
  // Only the code: descriptions quote tokens and accounts (W-A4).
  const code = typeof json["error"] === "string" ? json["error"] : "";
  const shown = /^[a-z_]{1,40}$/.test(code) ? code : `status ${status}`;
  if (code === "invalid_grant") {
    throw new BrokerError(
      "auth_failed",
      `the login of credential \`${credentialId}\` has ended (invalid_grant); sign in again`,
      { hint: "aivault oauth" },
    );
  }
  const passing = status === 429 || status >= 500;
  throw new BrokerError(
    passing ? "upstream_failed" : "auth_failed",
    `the token endpoint of credential \`${credentialId}\` gave no token (${shown})`,
  );
}

function isToken(value: unknown): value is string {
  return (
    typeof value === "string" && value.length <= TOKEN_CHARS_MAX && /^[\x21-\x7e]+$/.test(value)
  );
}
