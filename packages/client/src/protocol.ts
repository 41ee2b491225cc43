/**
 * The wire contract between a caller or operator and `aivaultd`: HTTP/1.1 on two unix sockets.
 *
 * Types and constants only; imports nothing. docs/protocol.md describes every message.
 */

export const PROTOCOL_VERSION = 1;

/** Routes of the caller socket. */
export const CALLER_ROUTES = {
  proxy: "/aivault/proxy",
  capabilities: "/aivault/capabilities",
  whoami: "/aivault/whoami",
  health: "/aivault/health",
  tokenDerive: "/aivault/tokens/derive",
  websocket: "/aivault/ws",
} as const;

/** Routes of the operator socket; an id follows as one percent-encoded segment where one is needed. */
export const OPERATOR_ROUTES = {
  status: "/aivault/status",
  secrets: "/aivault/secrets",
  credentials: "/aivault/credentials",
  capabilities: "/aivault/capabilities",
  proxy: "/aivault/proxy",
  audit: "/aivault/audit",
  auditVerify: "/aivault/audit/verify",
  /** A stream of {@link WireAuditEntry}, one JSON text a line, as they are written. */
  auditTail: "/aivault/audit/tail",
  auditCheckpoints: "/aivault/audit/checkpoints",
  settings: "/aivault/settings",
  tokens: "/aivault/tokens",
  bindings: "/aivault/bindings",
  providers: "/aivault/providers",
  undo: "/aivault/undo",
  oauthLogins: "/aivault/oauth/logins",
  lock: "/aivault/lock",
  unlock: "/aivault/unlock",
  rotateMaster: "/aivault/rotate-master",
  backup: "/aivault/backup",
  operatorPassphrase: "/aivault/operator/passphrase",
  operatorLogin: "/aivault/operator/login",
  operatorLogout: "/aivault/operator/logout",
  shutdown: "/aivault/shutdown",
  /** Prometheus text. */
  metrics: "/metrics",
} as const;

/** Headers of aivault's own that a client may send. */
export const REQUEST_HEADERS = {
  /** Milliseconds after which an invocation is given up. */
  timeout: "aivault-timeout-ms",
  /** The session that `POST /aivault/operator/login` gave; needed once there is an operator passphrase. */
  operatorSession: "aivault-operator-session",
  /** The token of a {@link WireConfirmation}: do it. */
  confirm: "aivault-confirm",
} as const;

/** Headers that aivault adds to a response. The provider's own headers never begin with `aivault-`. */
export const RESPONSE_HEADERS = {
  /** Present exactly when the answer is aivault's refusal and not the provider's. Value: the error code. */
  error: "aivault-error",
  requestId: "aivault-request-id",
  capability: "aivault-capability",
  credential: "aivault-credential",
  method: "aivault-method",
  /** The upstream URL with every credential masked. */
  url: "aivault-url",
  /** `unknown` where the provider said no length, so that a body which was cut looks whole; else absent. */
  length: "aivault-length",
} as const;

export type WireErrorCode =
  | "invalid_request"
  | "token_invalid"
  | "operator_auth_required"
  | "policy_violation"
  | "not_found"
  | "capability_not_found"
  | "credential_not_found"
  | "secret_not_found"
  | "credential_ambiguous"
  | "conflict"
  | "request_too_large"
  | "vault_locked"
  | "rate_limited"
  | "upstream_unreachable"
  | "upstream_timeout"
  | "upstream_failed"
  | "response_too_large"
  | "vault_unavailable"
  | "auth_failed"
  | "internal";

export type WireReason =
  | "method_not_allowed"
  | "path_not_allowed"
  | "path_traversal"
  | "host_not_allowed"
  | "address_blocked"
  | "auth_header_rejected"
  | "auth_query_rejected"
  | "duplicate_header"
  | "body_mode_conflict"
  | "capability_not_granted"
  | "replayed"
  | "signature_invalid"
  | "redirect_blocked"
  | "secret_pinned"
  | "file_path_not_accepted"
  /** With `operator_auth_required`: this passphrase does not fit. */
  | "passphrase_wrong"
  /** With `operator_auth_required`: there is an operator passphrase, and no session of it was sent. */
  | "session_required"
  /** With `conflict`: the body's `confirmation` says what will happen; send its token to do it. */
  | "confirmation_required"
  /** With `token_invalid`: the token is bound to a key, and the request has no signature. */
  | "signature_required";

/** The body of every refusal. Never contains a secret, token or body byte. */
export interface ProblemBody {
  readonly error: WireErrorCode;
  readonly reason?: WireReason;
  /** One or two lines: what happened, which rule, what to do next. */
  readonly message: string;
  /** What to do next, when it is a command. */
  readonly hint?: string;
  readonly requestId: string;
  /** With the reason `confirmation_required`. */
  readonly confirmation?: WireConfirmation;
}

/** What a destructive call would do. */
export interface WireConfirmation {
  /** For the header `aivault-confirm`. Good for 60 seconds, once, for exactly this call. */
  readonly token: string;
  /** For people: what will happen, in a sentence or two. */
  readonly says: string;
}

export interface WireHeader {
  readonly name: string;
  readonly value: string;
}

/** Body of `POST /aivault/proxy`; also the part `envelope` of a `multipart/form-data` one. Unknown members are refused. */
export interface WireEnvelope {
  readonly capability: string;
  readonly credential?: string;
  /** Decide and plan, and spend nothing. The answer is a {@link WirePlan}. */
  readonly dryRun?: boolean;
  readonly request: {
    readonly method: string;
    /** Path and optional query, as the provider documents it. */
    readonly path: string;
    readonly headers?: readonly WireHeader[];
    /** At most one of the following. */
    readonly body?: string;
    readonly bodyBase64?: string;
    /** Only with `multipart/form-data`: the part named `body` is streamed as the whole body. */
    readonly bodyUpload?: true;
    readonly multipart?: Readonly<Record<string, string>>;
    /** Only with `multipart/form-data`: a part per entry, named by `field`, in this order. May accompany `multipart`. */
    readonly multipartFiles?: readonly { readonly field: string; readonly filename?: string }[];
  };
}

export interface WirePlan {
  readonly decision: "allow";
  readonly capability: string;
  readonly credential: string;
  readonly method: string;
  /** Every credential masked as `[REDACTED]`. */
  readonly url: string;
  readonly headers: readonly WireHeader[];
  /** Names of what would be injected, for example `header authorization`. */
  readonly injects: readonly string[];
}

export type WireScope =
  | { readonly kind: "global" }
  | { readonly kind: "workspace"; readonly workspaceId: string }
  | { readonly kind: "group"; readonly workspaceId: string; readonly groupId: string };

export interface WireSecret {
  readonly secretId: string;
  readonly name: string;
  readonly aliases: readonly string[];
  readonly scope: WireScope;
  readonly pinnedProvider: string | null;
  readonly valueVersion: number;
  readonly attachedGroups: readonly { readonly workspaceId: string; readonly groupId: string }[];
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly deletedAtMs: number | null;
}

/**
 * Metadata of a new secret. It is the part `secret` (JSON) of a `multipart/form-data` body whose part
 * `value` holds the octets, so that a value is never inside a JSON string.
 */
export interface WireNewSecret {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly scope?: WireScope;
}

/** What storing a secret set up. */
export interface WireProvisioning {
  /** The provider whose registry entry claims the name, or null. */
  readonly provider: string | null;
  readonly credential: string | null;
  readonly capabilities: readonly string[];
  /** Names of further secrets the provider needs before its credential works. */
  readonly missing: readonly string[];
}

export interface WireSecretCreated {
  readonly secret: WireSecret;
  readonly provisioning: WireProvisioning;
}

export interface WireSecretDeleted {
  readonly secret: WireSecret;
  /** Credentials that stopped working with it. */
  readonly dependants: readonly string[];
}

export interface WireAuthScheme {
  readonly strategy: string;
  readonly [member: string]: unknown;
}

export interface WireCredential {
  readonly id: string;
  readonly provider: string;
  readonly auth: WireAuthScheme;
  readonly hosts: readonly string[];
  /** Placeholder to secret id. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly scope: WireScope;
  /** `registry`: provisioned from a provider's definition; `operator`: made by hand. */
  readonly origin: "registry" | "operator";
  readonly createdAtMs: number;
}

export interface WireNewCredential {
  readonly id: string;
  readonly provider: string;
  /** Placeholder to secret id or name. One secret without a placeholder goes under `secret`. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Refused for a registry provider, whose scheme is the registry's. */
  readonly auth?: WireAuthScheme;
  readonly hosts?: readonly string[];
  readonly scope?: WireScope;
}

export interface WirePathRule {
  readonly methods: readonly string[];
  readonly match: "prefix" | "exact" | "pattern";
  readonly path: string;
  /** What the rule demands of the query; absent: nothing. */
  readonly query?: {
    /** Parameters that must be there exactly once, with exactly this value. */
    readonly required?: Readonly<Record<string, string>>;
    /** Parameters that must not be there. */
    readonly forbidden?: readonly string[];
    /** The only parameters that may be there, besides the required ones. */
    readonly allowed?: readonly string[];
  };
  /** The rule also admits `%2F` inside a segment; absent: it does not. */
  readonly encodedSlash?: boolean;
}

export interface WireCapability {
  readonly id: string;
  readonly provider: string;
  readonly description: string;
  readonly host: string;
  readonly risk: "read" | "write" | "destructive" | "spend";
  readonly rules: readonly WirePathRule[];
  readonly origin: "registry" | "operator";
  /** A credential exists that can serve it. */
  readonly ready: boolean;
  /** Secret names that would make it ready. */
  readonly missing: readonly string[];
}

export interface WireNewCapability {
  readonly id: string;
  readonly provider: string;
  readonly host: string;
  readonly description?: string;
  readonly risk?: "read" | "write" | "destructive" | "spend";
  readonly rules: readonly WirePathRule[];
}

/**
 * What an operator demands of one capability. Left out: no demand. Sizes in bytes, times in milliseconds.
 */
export interface WirePolicy {
  readonly requestsPerMinute?: number;
  readonly concurrency?: number;
  readonly requestBytesMax?: number;
  readonly responseBytesMax?: number;
  readonly totalMs?: number;
  readonly idleMs?: number;
  /** Names of JSON members whose values callers do not get to see, at any depth. */
  readonly responseBlock?: readonly string[];
  /** Default false: redirects are handed to the caller. */
  readonly followRedirects?: boolean;
  /** Further hosts that redirects may lead to; the credential stays behind. */
  readonly redirectHosts?: readonly string[];
}

/** An operator's choice of who uses which credential for what. One of the last two is not null. */
export interface WireBinding {
  readonly id: string;
  /** An id, or a pattern in which `*` stands for any run of characters but `/`. */
  readonly capability: string;
  readonly scope: WireScope;
  /** A token's id or label, or an agent's name; null for everybody. */
  readonly consumer: string | null;
  readonly credential: string | null;
  readonly secretId: string | null;
  readonly createdAtMs: number;
}

export interface WireNewBinding {
  /** Default: a random one. */
  readonly id?: string;
  readonly capability: string;
  readonly scope?: WireScope;
  readonly consumer?: string | null;
  /** One of these two. */
  readonly credential?: string;
  /** Id or name. */
  readonly secret?: string;
}

/** A group of a workspace, to attach a secret to or detach it from. */
export interface WireGroup {
  readonly workspaceId: string;
  readonly groupId: string;
}

/** What depends on a secret. */
export interface WireDependants {
  readonly credentials: readonly string[];
  readonly capabilities: readonly string[];
  readonly bindings: readonly string[];
}

/** Answer of `POST /aivault/secrets/{idOrName}/verify`: whether the provider takes the key. */
export interface WireSecretVerified {
  readonly ok: boolean;
  /** What the provider answered to the harmless request of its definition. */
  readonly status: number;
  readonly provider: string;
  readonly method: string;
  /** The upstream URL with every credential masked. */
  readonly url: string;
}

/** A name of a secret that a provider claims. Answer of `POST /aivault/providers/claims`, a page. */
export interface WireClaim {
  readonly name: string;
  readonly provider: string;
  readonly description: string;
  /** A made-up value that looks like such a secret. */
  readonly example: string;
  /** Regular expression source: what such a secret looks like. */
  readonly pattern: string;
  /** The pattern says little: nothing marks such a secret. */
  readonly opaque: boolean;
}

/** Answer of `POST /aivault/undo`, whose body is octets that the sender has sealed. */
export interface WireUndoKept {
  readonly id: string;
  /** From then on it cannot be undone. */
  readonly expiresAtMs: number;
}

/** Answer of `POST /aivault/undo/{id}`. */
export interface WireUndoGiven {
  /** Base64url of what was sent. */
  readonly sealed: string;
}

/** Part `login` of `POST /aivault/oauth/logins`; a part `clientSecret` may follow, octets. */
export interface WireNewOAuthLogin {
  readonly provider: string;
  /** `code`: RFC 6749 section 4.1 with PKCE, in a browser. `device`: RFC 8628, on another device. */
  readonly flow: "code" | "device";
  /** Absent: the client of the secret that is stored already. */
  readonly clientId?: string;
  /** Of `code`: an http address of this machine, which the provider sends the browser back to. */
  readonly redirectUri?: string;
  /** Absent: those that the provider's capabilities need. */
  readonly scopes?: readonly string[];
}

/** A login that waits for a person. */
export type WireOAuthLogin = {
  readonly id: string;
  readonly provider: string;
  /** The secret that comes of it. */
  readonly secretName: string;
  readonly oauthScopes: readonly string[];
  readonly expiresAtMs: number;
} & (
  | {
      readonly flow: "code";
      /** Where a person consents. */
      readonly authorizationUrl: string;
      /** What must come back with the code. */
      readonly state: string;
    }
  | {
      readonly flow: "device";
      /** What a person types at `verificationUri`. */
      readonly userCode: string;
      readonly verificationUri: string;
      /** The same with the code in it, where the provider has that. */
      readonly verificationUriComplete: string | null;
      readonly intervalMs: number;
    }
);

/** Body of `POST /aivault/oauth/logins/{id}/callback`: the query that a browser came back with. */
export type WireOAuthCallback =
  | { readonly state: string; readonly code: string }
  | { readonly state: string; readonly error: string };

/** Answer of `…/callback` and `…/poll`. */
export type WireOAuthResult =
  /** Not yet; ask again after `waitMs`. */
  | { readonly done: false; readonly waitMs: number }
  | {
      readonly done: true;
      /** What was stored; false for `isNew` says that it has a new value. */
      readonly secret: WireSecret;
      readonly isNew: boolean;
      readonly oauthScopes: readonly string[];
    };

/** A provider's definition, as in the registry (schema/provider.schema.json), and where it is from. */
export interface WireProvider {
  readonly id: string;
  readonly name: string;
  readonly category: string;
  readonly hosts: readonly string[];
  readonly origin: "registry" | "operator";
  readonly [member: string]: unknown;
}

/** Answer of `GET /aivault/providers`. */
export interface WireProviders {
  readonly items: readonly Pick<WireProvider, "id" | "name" | "category" | "hosts" | "origin">[];
  readonly next: null;
  /** SHA-256 of the built-in definitions, hexadecimal. */
  readonly registryDigest: string;
}

/** A token as it is shown: what it may do, and never what proves it. */
export interface WireToken {
  readonly tokenId: string;
  /** The token it was derived from; its grants limit this one too. */
  readonly parentId: string | null;
  readonly label: string | null;
  readonly capabilities: readonly string[];
  readonly credential: string | null;
  readonly workspaceId: string | null;
  readonly groupId: string | null;
  readonly expiresAtMs: number;
  readonly usesMax: number | null;
  readonly perMinute: number | null;
  readonly concurrency: number | null;
  readonly requestBytesMax: number | null;
  readonly responseBytesMax: number | null;
  /** Ed25519, 32 octets, base64url: each request is then signed with it (RFC 9421). */
  readonly publicKey: string | null;
  readonly createdAtMs: number;
  readonly revokedAtMs: number | null;
}

/** Body of `POST /aivault/tokens` and `POST /aivault/tokens/derive`. */
export interface WireNewToken {
  readonly capabilities: readonly string[];
  readonly credential?: string;
  readonly workspaceId?: string;
  /** Needs a workspace. */
  readonly groupId?: string;
  /** Default 10 minutes; at most the setting `tokenTtlMsMax`. */
  readonly ttlMs?: number;
  readonly usesMax?: number;
  readonly perMinute?: number;
  readonly concurrency?: number;
  readonly requestBytesMax?: number;
  readonly responseBytesMax?: number;
  readonly label?: string;
  readonly publicKey?: string;
}

/** A minted token; `token` is shown here and never again. */
export interface WireTokenMinted extends WireToken {
  readonly token: string;
}

/** Answer of `GET /aivault/settings`; `PUT` and `PATCH` take some or all members. */
export interface WireSettings {
  readonly requireToken: boolean;
  readonly lockAfterIdleMs: number | null;
  readonly tokenTtlMsMax: number;
  /** `group`: written before release, synced within 50 ms. `disk`: synced before release. */
  readonly auditDurability: "group" | "disk";
  /** Days of which the audit log is kept; null for all. */
  readonly auditRetentionDays: number | null;
  /** Internal services that operators' capabilities and credentials may name. */
  readonly allowedInternal: readonly WireInternalService[];
}

/** An exception from the rules about hosts and addresses, for one host and one port. */
export interface WireInternalService {
  /** `host:port`, `address:port` or `[address]:port`; no wildcard and no range. */
  readonly service: string;
  /** PEM certificates to trust for it instead of the public authorities; null for those. */
  readonly ca: string | null;
}

/** Where a rotated master key is to be. */
export type WireKeyProviderChoice =
  | { readonly kind: "file"; readonly path?: string }
  | { readonly kind: "env"; readonly variable?: string }
  | { readonly kind: "passphrase" }
  | { readonly kind: "macos-keychain" | "secret-service" | "credential-manager" };

/**
 * Part `options` (JSON) of `POST /aivault/rotate-master`, `multipart/form-data`. After it, for a
 * passphrase vault to be, the part `passphrase`: octets; for `env` the part `key`: key text, which the
 * operator has made and will put into the variable.
 */
export interface WireRotateMaster {
  /** Default: where the key is now. */
  readonly to?: WireKeyProviderChoice;
}

/** Answer of `POST /aivault/rotate-master`. */
export interface WireMasterRotated {
  readonly keyProvider: WireStatus["vault"]["keyProvider"];
  /** Not null while the key before this one still opens the vault. */
  readonly previousKeyProvider: WireStatus["vault"]["keyProvider"] | null;
  /** Records that depend on the new key alone. */
  readonly rewrapped: number;
  /** Records that could not be opened. */
  readonly skipped: number;
  /** What is left for the operator to do, such as setting a variable; null for nothing. */
  readonly next: string | null;
}

/** What an auditor checks the log against without any secret: an Ed25519 signature over where it was. */
export interface WireAuditCheckpoint {
  readonly seq: number;
  readonly tsMs: number;
  readonly [member: string]: unknown;
}

/** Answer of `GET /aivault/audit/checkpoints`. */
export interface WireAuditCheckpoints {
  readonly items: readonly WireAuditCheckpoint[];
  /** Ed25519, 32 octets, base64. */
  readonly publicKey: string;
}

/** Answer of `POST /aivault/operator/login`. */
export interface WireOperatorSession {
  /** For the header `aivault-operator-session`. */
  readonly session: string;
  readonly expiresAtMs: number;
}

/** Answer of `POST /aivault/operator/passphrase`. */
export interface WireOperatorPassphrase {
  /** There is one now. */
  readonly set: boolean;
}

export interface WirePage<T> {
  readonly items: readonly T[];
  /** Pass as `after` to continue; null at the end. */
  readonly next: string | null;
}

export interface WireAuditEntry {
  readonly seq: number;
  readonly tsMs: number;
  /** The clock had been put back: it shows less than at the entry before. */
  readonly clockBack?: true;
  readonly event: { readonly kind: string; readonly [field: string]: unknown };
}

/** A credential, capability, policy or binding that no longer fits the registry or the settings. */
export interface WireSetAside {
  readonly kind: string;
  readonly id: string;
  readonly problem: string;
}

export interface WireStatus {
  readonly version: string;
  readonly protocol: number;
  readonly pid: number;
  readonly vault: {
    readonly vaultId: string;
    readonly dev: boolean;
    readonly locked: boolean;
    readonly formatVersion: number;
    readonly keyProvider: { readonly kind: string; readonly [member: string]: unknown };
    /** Not null while the key before a rotation still opens the vault. */
    readonly previousKeyProvider: {
      readonly kind: string;
      readonly [member: string]: unknown;
    } | null;
    readonly revision: number;
    readonly quarantined: readonly string[];
  };
  /** An operator passphrase is set; null while the vault is locked. */
  readonly operatorPassphrase: boolean | null;
  /** Internal services that may be reached, as `host:port`; null while the vault is locked. */
  readonly allowedInternal: readonly string[] | null;
  /** What an operator made and is not used, and why; null while the vault is locked. */
  readonly setAside: readonly WireSetAside[] | null;
  readonly paths: {
    readonly root: string;
    readonly socket: string;
    readonly operatorSocket: string;
  };
}

export interface WireHealth {
  readonly ok: true;
  readonly locked: boolean;
  readonly version: string;
}

export interface WireWhoami {
  readonly principal: "caller" | "operator";
  readonly transport: "unix" | "tcp";
  /** The peer's uid when the system told it, else null. */
  readonly uid: number | null;
  /** What the token that was sent allows; absent without one. */
  readonly token?: WireToken;
}
