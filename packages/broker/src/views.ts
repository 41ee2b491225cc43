import type { Scope, SecretMetadata } from "@aivault/vault-core";

// The shapes that operators and callers see. They equal those of the wire contract; two packages each
// declare them, since that costs less than a shared package both must agree with.

/** A path rule, as shown. */
export interface PathRuleView {
  readonly methods: readonly string[];
  readonly match: "prefix" | "exact" | "pattern";
  readonly path: string;
  /** What is demanded of the query; absent: nothing. */
  readonly query?: {
    /** Parameters that must be there exactly once, with exactly this value. */
    readonly required?: Readonly<Record<string, string>>;
    /** Parameters that must not be there. */
    readonly forbidden?: readonly string[];
    /** The only parameters that may be there, besides the required ones. */
    readonly allowed?: readonly string[];
  };
  /** The rule also admits `%2F` inside a segment; absent: it does not. */
  readonly encodedSlash?: true;
}

/** A capability, as shown. */
export interface CapabilityView {
  readonly id: string;
  readonly provider: string;
  readonly description: string;
  readonly host: string;
  readonly risk: "read" | "write" | "destructive" | "spend";
  readonly rules: readonly PathRuleView[];
  readonly origin: "registry" | "operator";
  /** A credential exists that can serve it. */
  readonly ready: boolean;
  /** Secret names that would make it ready. */
  readonly missing: readonly string[];
}

/** A credential, as shown. */
export interface CredentialView {
  readonly id: string;
  readonly provider: string;
  readonly auth: { readonly strategy: string; readonly [member: string]: unknown };
  readonly hosts: readonly string[];
  /** Placeholder to secret id. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly scope: Scope;
  readonly origin: "registry" | "operator";
  readonly createdAtMs: number;
}

/** What storing a secret set up. */
export interface Provisioning {
  /** The provider whose registry entry claims the name, or null. */
  readonly provider: string | null;
  readonly credential: string | null;
  readonly capabilities: readonly string[];
  /** What the provider's credential still needs: names of secrets, or of host variables. */
  readonly missing: readonly string[];
}

/** A stored secret and what came with it. */
export interface SecretCreated {
  readonly secret: SecretMetadata;
  readonly provisioning: Provisioning;
}

/** A deleted secret. */
export interface SecretDeleted {
  readonly secret: SecretMetadata;
  /** Credentials that stopped working with it. */
  readonly dependants: readonly string[];
}

/** A secret to store. */
export interface NewSecret {
  readonly name: string;
  /** Borrowed: neither kept nor wiped. */
  readonly value: Uint8Array;
  readonly aliases?: readonly string[];
  readonly scope?: Scope;
}

/** What may be changed about a secret besides its value. */
export interface SecretChange {
  readonly name?: string;
  readonly aliases?: readonly string[];
}

/** A credential to make. */
export interface NewCredential {
  readonly id: string;
  readonly provider: string;
  /** Placeholder to secret id or name. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Refused for a registry provider, whose scheme is the registry's. */
  readonly auth?: { readonly strategy: string; readonly [member: string]: unknown };
  /** For a registry provider only where its hosts differ between tenants, or to choose a region. */
  readonly hosts?: readonly string[];
  readonly scope?: Scope;
}

/** A binding to make: to a credential, or to whichever credential uses a secret. */
export interface NewBinding {
  readonly id: string;
  /** A capability id, or a pattern over them such as `openai/*`. */
  readonly capability: string;
  /** Default: global. */
  readonly scope?: Scope;
  /** A token's id or label, or an agent's name; null or left out for everybody. */
  readonly consumer?: string | null;
  readonly credential?: string | null;
  /** Id or name. */
  readonly secret?: string | null;
}

/** A binding, as shown. */
export interface BindingView {
  readonly id: string;
  readonly capability: string;
  readonly scope: Scope;
  readonly consumer: string | null;
  readonly credential: string | null;
  readonly secret: string | null;
  readonly createdAtMs: number;
}

/** A capability to make. */
export interface NewCapability {
  readonly id: string;
  readonly provider: string;
  readonly host: string;
  readonly description?: string;
  readonly risk?: "read" | "write" | "destructive" | "spend";
  /** Demands on the query are the registry's only. */
  readonly rules: readonly Pick<PathRuleView, "methods" | "match" | "path">[];
}
