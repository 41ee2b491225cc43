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
  lock: "/aivault/lock",
  unlock: "/aivault/unlock",
  shutdown: "/aivault/shutdown",
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
  | "file_path_not_accepted";

/** The body of every refusal. Never contains a secret, token or body byte. */
export interface ProblemBody {
  readonly error: WireErrorCode;
  readonly reason?: WireReason;
  /** One or two lines: what happened, which rule, what to do next. */
  readonly message: string;
  /** What to do next, when it is a command. */
  readonly hint?: string;
  readonly requestId: string;
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

export interface WirePage<T> {
  readonly items: readonly T[];
  /** Pass as `after` to continue; null at the end. */
  readonly next: string | null;
}

export interface WireAuditEntry {
  readonly seq: number;
  readonly tsMs: number;
  readonly event: { readonly kind: string; readonly [field: string]: unknown };
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
    readonly revision: number;
    readonly quarantined: readonly string[];
  };
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
}
