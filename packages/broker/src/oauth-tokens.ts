import type { OAuth2Scheme, OAuthGrant, Registry } from "@aivault/registry";
import type { Clock, JsonValue, RandomBytes, Vault } from "@aivault/vault-core";
import type { Credential } from "./credential.ts";
import { BrokerError, isBrokerError } from "./errors.ts";
import {
  chooseGrant,
  documentLacks,
  hostOfTokenUrl,
  type OAuthDocument,
  parseOAuthDocument,
  tokenRequest,
  tokenUrlOf,
} from "./oauth-grant.ts";
import { OAuthLeases, type TakenLease } from "./oauth-lease.ts";
import { requirePin } from "./plan.ts";
import { readChoice, readCount, readMembers, readString } from "./shape.ts";
import { askEndpoint, type EndpointAnswer } from "./token-endpoint.ts";
import type { Upstream } from "./upstream.ts";

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
const TOKEN_CHARS_MAX = 16_384;

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
    if (secretId === undefined) throw documentLacks(scheme.document);
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
      await lease.release(tx);
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
        return parseOAuthDocument(value);
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
    lease: TakenLease,
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
    const { interruptedAtMs } = lease;
    const wasInterrupted = interruptedAtMs !== null && grant === "refresh_token";
    const reason = wasInterrupted ? "renewal_interrupted" : "invalid_grant";
    const needsLogin: NeedsLogin = { reason, atMs: wasInterrupted ? interruptedAtMs : now() };
    await vault.transaction(async (tx) => {
      if (isAnswered) await lease.release(tx);
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
    const { upstream, now, random, userAgent } = this.#options;
    const nowMs = now();
    const request = tokenRequest(scheme, grant, document, tokenUrl, { nowMs, random });
    const { signal } = new AbortController();
    const answer = await askEndpoint(upstream, { ...request, userAgent, signal });
    return readToken(answer, grant, credential.id, nowMs);
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

function readToken(
  { status, members, error }: EndpointAnswer,
  grant: OAuthGrant,
  credentialId: string,
  nowMs: number,
): TokenAnswer {
  const { refresh_token: refreshToken, expires_in: expiresIn } = members;
  // GitHub names it otherwise and gives the end as a time.
  const accessToken = members["access_token"] ?? members["token"];
  if (status >= 200 && status < 300 && isToken(accessToken)) {
    const endsAtMs = Date.parse(String(members["expires_at"]));
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
  // Of another grant it says that the assertion or the client is wrong, or a clock: nobody has to sign in.
  if (error === "invalid_grant" && grant === "refresh_token") throw new LoginEnded();
  const shown = error ?? `status ${status}`;
  const message = `the token endpoint of credential \`${credentialId}\` gave no token (${shown})`;
  // A server that failed may have used the refresh token before it did; one that refused has not.
  const isFailure = status >= 500 || status === 408 || error === "server_error";
  if (isFailure) throw new BrokerError("upstream_failed", message);
  const isPassing = status === 429 || PASSING_ERRORS.has(error ?? "");
  throw new Refused(isPassing ? "upstream_failed" : "auth_failed", message);
}

/** Of servers that ask for patience. */
const PASSING_ERRORS: ReadonlySet<string> = new Set(["temporarily_unavailable", "slow_down"]);

function isToken(value: unknown): value is string {
  return (
    typeof value === "string" && value.length <= TOKEN_CHARS_MAX && /^[\x21-\x7e]+$/.test(value)
  );
}
