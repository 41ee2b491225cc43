/**
 * A person's consent to an OAuth application, from the first address to a secret in the vault.
 *
 * Verifier, client secret, device code and tokens stay in this process: whoever drives a login hands
 * over nothing but the code that a browser brought back, which is worthless without the verifier
 * (RFC 7636), and hears nothing but the name of the secret that was stored (G3).
 *
 * @see RFC 6749 section 4.1, RFC 8252, RFC 8628
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { type Broker, type EndpointAnswer, isErrorCode, type Upstream } from "@aivault/broker";
import type {
  WireNewOAuthLogin,
  WireOAuthCallback,
  WireOAuthLogin,
  WireOAuthResult,
} from "@aivault/client/protocol";
import type { Provider } from "@aivault/registry";
import { isVaultError, type JsonValue, type SecretMetadata, type Vault } from "@aivault/vault-core";
import { Problem } from "../problem.ts";
import { askAsClient, type OAuthClient, refused } from "./endpoint.ts";
import { type LoginFlow, type LoginScheme, loginScheme } from "./scheme.ts";

/** A person needs a while; a login that is left lying is nobody's. */
const LIFE_MS = 10 * 60_000;
const DEVICE_LIFE_MS_MAX = 30 * 60_000;
/** RFC 8628 section 3.5: what a server leaves unsaid, and what `slow_down` adds. */
const INTERVAL_MS = 5_000;
const SLOWER_MS = 5_000;
const OPEN_MAX = 16;
const TOKEN_CHARS_MAX = 16_384;

interface OpenLogin {
  readonly id: string;
  readonly way: LoginScheme;
  readonly client: OAuthClient;
  readonly flow: LoginFlow;
  readonly scopes: readonly string[];
  readonly untilMs: number;
  /** Of the code flow. */
  readonly state: string;
  readonly verifier: string;
  readonly redirectUri: string;
  /** Of the device flow. */
  readonly deviceCode: string;
  intervalMs: number;
  nextPollMs: number;
}

export interface OAuthLoginsOptions {
  readonly vault: Vault;
  /** @throws {Problem} `vault_locked`. */
  readonly broker: () => Broker;
  /** @throws {Problem} `vault_locked`. */
  readonly upstream: () => Upstream;
  readonly now: () => number;
  readonly random: (length: number) => Uint8Array;
  readonly version: string;
}

export class OAuthLogins {
  readonly #options: OAuthLoginsOptions;
  readonly #open = new Map<string, OpenLogin>();

  constructor(options: OAuthLoginsOptions) {
    this.#options = options;
  }

  /**
   * Begin a login.
   *
   * @param clientSecret - UTF-8 octets, copied; null for a public client, or for the client of the
   * secret that is stored already.
   * @throws {Problem} `conflict`, `invalid_request`, `auth_failed`, `rate_limited`.
   */
  async begin(
    provider: Provider,
    login: WireNewOAuthLogin,
    clientSecret: Uint8Array | null,
    signal: AbortSignal,
  ): Promise<WireOAuthLogin> {
    this.#dropExpired();
    if (this.#open.size >= OPEN_MAX) {
      throw new Problem("rate_limited", `${OPEN_MAX} logins are waiting for somebody already`, {
        retryAfterMs: LIFE_MS,
      });
    }
    const way = loginScheme(provider, login.flow);
    const client = await this.#client(way, login.clientId, clientSecret);
    try {
      const scopes = login.scopes ?? Object.keys(way.scheme.scopes ?? {});
      const started =
        login.flow === "code"
          ? this.#startCode(way, client, scopes, login.redirectUri)
          : await this.#startDevice(way, client, scopes, signal);
      await this.#audit("oauth.login_started", started.open);
      this.#open.set(started.open.id, started.open);
      return started.shown;
    } catch (error) {
      client.clientSecret?.fill(0);
      throw error;
    }
  }

  /**
   * End a login with what a browser brought back.
   *
   * @throws {Problem} `invalid_request`: another login's state, and this one goes on waiting;
   * `auth_failed`: the person said no, or the provider gave no refresh token; `not_found`.
   */
  async complete(
    id: string,
    callback: WireOAuthCallback,
    signal: AbortSignal,
  ): Promise<WireOAuthResult> {
    const open = this.#find(id, "code");
    if (!sameText(callback.state, open.state)) {
      throw new Problem("invalid_request", "the state is not the one of this login", {
        hint: "what came back belongs to another login; this one still waits",
      });
    }
    // A code is good once, and so is a login.
    return await this.#using(open, async () => {
      if ("error" in callback) {
        const error = isErrorCode(callback.error) ? callback.error : null;
        throw refused(open.way.provider.id, "consent", { status: 0, members: {}, error });
      }
      return await this.#redeem(
        open,
        {
          grant_type: "authorization_code",
          code: callback.code,
          redirect_uri: open.redirectUri,
          code_verifier: open.verifier,
        },
        signal,
      );
    });
  }

  /**
   * Ask once whether the person has agreed on the other device.
   *
   * @throws {Problem} `auth_failed`; `not_found`, also when it was cancelled meanwhile: nothing is stored.
   */
  async poll(id: string, signal: AbortSignal): Promise<WireOAuthResult> {
    const { now } = this.#options;
    const open = this.#find(id, "device");
    const early = open.nextPollMs - now();
    if (early > 0) return { done: false, waitMs: early };
    open.nextPollMs = now() + open.intervalMs;
    const answer = await this.#token(
      open,
      {
        grant_type: "urn:ietf:params:oauth:grant-type:device_code",
        device_code: open.deviceCode,
      },
      signal,
    );
    // While the server was asked, it may have been cancelled or forgotten, and its client's secret wiped.
    if (this.#open.get(id) !== open) throw noLogin();
    if (answer.error === "slow_down") open.intervalMs += SLOWER_MS;
    if (answer.error === "slow_down" || answer.error === "authorization_pending") {
      open.nextPollMs = now() + open.intervalMs;
      return { done: false, waitMs: open.intervalMs };
    }
    return await this.#using(open, () => this.#keep(open, answer));
  }

  /** Forget a login. @returns False when there is none. */
  cancel(id: string): boolean {
    const open = this.#open.get(id);
    if (open === undefined) return false;
    this.#forget(open);
    return true;
  }

  /** Forget all of them: the vault is locked, or the daemon ends. */
  forgetAll(): void {
    for (const open of this.#open.values()) this.#forget(open);
  }

  #find(id: string, flow: LoginFlow): OpenLogin {
    this.#dropExpired();
    const open = this.#open.get(id);
    if (open?.flow === flow) return open;
    throw noLogin();
  }

  #dropExpired(): void {
    const nowMs = this.#options.now();
    for (const open of this.#open.values()) if (open.untilMs <= nowMs) this.#forget(open);
  }

  #forget(open: OpenLogin): void {
    this.#open.delete(open.id);
    open.client.clientSecret?.fill(0);
  }

  /** Takes the login out, and records how it ended. */
  async #using(open: OpenLogin, act: () => Promise<WireOAuthResult>): Promise<WireOAuthResult> {
    this.#open.delete(open.id);
    try {
      return await act();
    } catch (error) {
      const code = error instanceof Problem ? error.code : "internal";
      await this.#audit("oauth.login_failed", open, { code });
      throw error;
    } finally {
      open.client.clientSecret?.fill(0);
    }
  }

  async #audit(
    kind: string,
    { way, flow }: OpenLogin,
    more: Readonly<Record<string, JsonValue>> = {},
  ): Promise<void> {
    const { provider, secretName } = way;
    await this.#options.vault.audit.append({
      kind,
      provider: provider.id,
      flow,
      secretName,
      ...more,
    });
  }

  #startCode(
    way: LoginScheme,
    client: OAuthClient,
    scopes: readonly string[],
    redirectUri: string | undefined,
  ): { open: OpenLogin; shown: WireOAuthLogin } {
    requireLoopback(redirectUri);
    const state = this.#randomText(24);
    // RFC 7636 section 4.1: 43 characters of 32 random octets. S256 and nothing less.
    const verifier = this.#randomText(32);
    const challenge = createHash("sha256").update(verifier).digest("base64url");
    const url = new URL(way.startUrl);
    const parameters = {
      ...(way.scheme.authorizationParams ?? {}),
      response_type: "code",
      client_id: client.clientId,
      redirect_uri: redirectUri,
      ...this.#scopeOf(way, scopes),
      state,
      code_challenge: challenge,
      code_challenge_method: "S256",
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    const open = {
      ...this.#common(way, client, scopes, "code", LIFE_MS),
      state,
      verifier,
      redirectUri,
    };
    return { open, shown: { ...shown(open), flow: "code", authorizationUrl: url.href, state } };
  }

  async #startDevice(
    way: LoginScheme,
    client: OAuthClient,
    scopes: readonly string[],
    signal: AbortSignal,
  ): Promise<{ open: OpenLogin; shown: WireOAuthLogin }> {
    const answer = await askAsClient(this.#options.upstream(), {
      url: way.startUrl,
      form: { client_id: client.clientId, ...this.#scopeOf(way, scopes) },
      client,
      clientAuth: way.scheme.clientAuth,
      userAgent: this.#userAgent,
      signal,
    });
    const { members } = answer;
    const deviceCode = members["device_code"];
    const userCode = members["user_code"];
    const verificationUri = members["verification_uri"] ?? members["verification_url"];
    const complete = members["verification_uri_complete"];
    if (!isToken(deviceCode) || !isUserCode(userCode) || !isPage(verificationUri)) {
      throw refused(way.provider.id, "device code", answer);
    }
    const lifeMs = Math.min(DEVICE_LIFE_MS_MAX, milliseconds(members["expires_in"], LIFE_MS));
    const intervalMs = milliseconds(members["interval"], INTERVAL_MS);
    const open = {
      ...this.#common(way, client, scopes, "device", lifeMs),
      deviceCode,
      intervalMs,
      nextPollMs: this.#options.now() + intervalMs,
    };
    return {
      open,
      shown: {
        ...shown(open),
        flow: "device",
        userCode,
        verificationUri,
        verificationUriComplete: isPage(complete) ? complete : null,
        intervalMs,
      },
    };
  }

  #common(
    way: LoginScheme,
    client: OAuthClient,
    scopes: readonly string[],
    flow: LoginFlow,
    lifeMs: number,
  ): OpenLogin {
    return {
      id: this.#randomText(16),
      way,
      client,
      flow,
      scopes,
      untilMs: this.#options.now() + lifeMs,
      state: "",
      verifier: "",
      redirectUri: "",
      deviceCode: "",
      intervalMs: INTERVAL_MS,
      nextPollMs: 0,
    };
  }

  #scopeOf({ scheme }: LoginScheme, scopes: readonly string[]): { scope?: string } {
    return scopes.length === 0 ? {} : { scope: scopes.join(scheme.scopeSeparator ?? " ") };
  }

  #randomText(bytes: number): string {
    return Buffer.from(this.#options.random(bytes)).toString("base64url");
  }

  get #userAgent(): string {
    return `aivault/${this.#options.version}`;
  }

  #token(
    open: OpenLogin,
    form: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<EndpointAnswer> {
    const { scheme, tokenUrl } = open.way;
    return askAsClient(this.#options.upstream(), {
      url: tokenUrl,
      form: { ...(scheme.tokenParams ?? {}), ...form },
      client: open.client,
      clientAuth: scheme.clientAuth,
      userAgent: this.#userAgent,
      signal,
    });
  }

  async #redeem(
    open: OpenLogin,
    form: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<WireOAuthResult> {
    return await this.#keep(open, await this.#token(open, form, signal));
  }

  /** Keeps the refresh token, as the secret that the broker renews from. The access token is dropped. */
  async #keep(open: OpenLogin, answer: EndpointAnswer): Promise<WireOAuthResult> {
    const { way, client, scopes } = open;
    const refreshToken = answer.members["refresh_token"];
    if (answer.status < 200 || answer.status > 299 || !isToken(answer.members["access_token"])) {
      throw refused(way.provider.id, "token", answer);
    }
    if (!isToken(refreshToken)) {
      throw new Problem(
        "auth_failed",
        `\`${way.provider.id}\` gave a token that ends soon, and none to renew it with`,
        { hint: "let the application have offline access at the provider, then log in again" },
      );
    }
    const granted = answer.members["scope"];
    const document = Buffer.from(
      JSON.stringify({
        clientId: client.clientId,
        ...(client.clientSecret === null
          ? {}
          : { clientSecret: Buffer.from(client.clientSecret).toString("utf8") }),
        refreshToken,
      }),
    );
    try {
      const { secret, isNew } = await this.#store(way, document);
      const oauthScopes = typeof granted === "string" ? granted.split(/[ ,]+/) : scopes;
      await this.#audit("oauth.logged_in", open, { secretId: secret.secretId, oauthScopes });
      return { done: true, secret, isNew, oauthScopes };
    } finally {
      document.fill(0);
    }
  }

  async #store(
    { provider, secretName }: LoginScheme,
    value: Uint8Array,
  ): Promise<{ secret: SecretMetadata; isNew: boolean }> {
    const broker = this.#options.broker();
    const before = await this.#stored(secretName);
    if (before === null) {
      const { secret } = await broker.createSecret({ name: secretName, value });
      return { secret, isNew: true };
    }
    requireSame(provider, before);
    return { secret: await broker.rotateSecret(before.secretId, value), isNew: false };
  }

  async #stored(name: string): Promise<SecretMetadata | null> {
    const secret = await this.#options.vault.findSecret(name, { kind: "global" });
    return secret !== null && secret.deletedAtMs === null ? secret : null;
  }

  /** The client that is named, or the one that the stored secret has: to log in again needs neither. */
  async #client(
    { provider, secretName }: LoginScheme,
    clientId: string | undefined,
    clientSecret: Uint8Array | null,
  ): Promise<OAuthClient> {
    if (clientId !== undefined) {
      return { clientId, clientSecret: clientSecret === null ? null : Buffer.from(clientSecret) };
    }
    const before = await this.#stored(secretName);
    if (before !== null) {
      requireSame(provider, before);
      const known = await this.#options.vault
        .useSecret(before.secretId, (value) => clientOf(value))
        .catch((error: unknown) => {
          if (isVaultError(error)) throw error;
          return null;
        });
      if (known !== null) return known;
    }
    throw new Problem("invalid_request", `which application at \`${provider.id}\`?`, {
      hint: "register one at the provider, and give its id with --client-id",
    });
  }
}

function clientOf(value: Uint8Array): OAuthClient | null {
  const document: unknown = JSON.parse(Buffer.from(value).toString("utf8"));
  const { clientId, clientSecret } = document as Readonly<Record<string, unknown>>;
  if (typeof clientId !== "string") return null;
  return {
    clientId,
    clientSecret: typeof clientSecret === "string" ? Buffer.from(clientSecret) : null,
  };
}

// G4: a secret that is tied to another provider does not become this one's, nor its client known here.
function requireSame(provider: Provider, secret: SecretMetadata): void {
  if (secret.pinnedProvider === provider.id) return;
  throw new Problem("conflict", `\`${secret.name}\` is not tied to \`${provider.id}\``, {
    reason: "secret_pinned",
    hint: `aivault secrets delete ${secret.name}, then log in again`,
  });
}

function noLogin(): Problem {
  return new Problem("not_found", "there is no such login, or it took too long", {
    hint: "aivault oauth login",
  });
}

function shown({ id, way, scopes, untilMs }: OpenLogin) {
  const { provider, secretName } = way;
  return { id, provider: provider.id, secretName, oauthScopes: scopes, expiresAtMs: untilMs };
}

// RFC 8252 section 7.3. Nobody else's machine gets the code.
function requireLoopback(uri: string | undefined): asserts uri is string {
  const url = uri !== undefined && URL.canParse(uri) ? new URL(uri) : null;
  const plain =
    url !== null &&
    url.protocol === "http:" &&
    ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname) &&
    `${url.username}${url.password}${url.search}${url.hash}` === "";
  if (!plain) {
    throw new Problem(
      "invalid_request",
      "the redirect address is not one of this machine, such as http://127.0.0.1:8910/callback",
    );
  }
}

function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

function isToken(value: unknown): value is string {
  return (
    typeof value === "string" && value.length <= TOKEN_CHARS_MAX && /^[\x21-\x7e]+$/.test(value)
  );
}

// People type it, and terminals show it.
function isUserCode(value: unknown): value is string {
  return typeof value === "string" && /^[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?$/.test(value);
}

function isPage(value: unknown): value is string {
  return (
    typeof value === "string" &&
    /^https:\/\/[\x21-\x7e]{1,2000}$/.test(value) &&
    URL.canParse(value)
  );
}

function milliseconds(seconds: unknown, otherwise: number): number {
  return typeof seconds === "number" && seconds > 0 && seconds < 86_400
    ? seconds * 1000
    : otherwise;
}
