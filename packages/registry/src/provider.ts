/** What a capability's use can cost whoever owns the credential. */
export type Risk = "read" | "write" | "destructive" | "spend";

/** The methods a rule can admit. */
export type HttpMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS";

/**
 * What a rule demands of a request's query. Names are compared after percent-decoding, values too.
 *
 * Whoever matches a request against a {@link PathRule} must honour this as well: ignoring it admits
 * more than the rule says.
 */
export interface QueryConstraint {
  /** Parameters that must be present exactly once, with exactly this value. */
  readonly required?: Readonly<Record<string, string>>;
  /** Parameters that must not be present. */
  readonly forbidden?: readonly string[];
  /** The only parameters that may be present, besides the required ones. */
  readonly allowed?: readonly string[];
}

/** One path rule of a capability; a request must satisfy at least one. */
export interface PathRule {
  readonly methods: readonly HttpMethod[];
  /**
   * - `prefix`: the path itself, or the path followed by `/` and anything. A prefix that ends in `/`,
   *   `.` or `:` matches any continuation (Slack's `/api/chat.`).
   * - `exact`: the path and nothing else.
   * - `pattern`: segments, where `{name}` stands for one or more characters other than `/`. A segment
   *   has at most one, and may have literal text around it (`{model}:generateContent`, `{sid}.json`).
   *   The last segment may be `{name+}`: one or more segments (GitHub's `…/contents/{path+}`).
   */
  readonly match: "prefix" | "exact" | "pattern";
  readonly path: string;
  /** Overrides the capability's risk for what this rule admits. */
  readonly risk?: Risk;
  readonly query?: QueryConstraint;
  /** Also admits `%2F` inside a segment, for services whose ids contain slashes (GitLab). */
  readonly encodedSlash?: boolean;
}

/** A named operation at a provider. */
export interface CapabilityDefinition {
  /** `<provider>/<name>`; the name may have hyphens or underscores between its words. */
  readonly id: string;
  readonly description: string;
  /** Exactly one of the provider's hosts. */
  readonly host: string;
  /** The gravest risk among the rules. */
  readonly risk: Risk;
  readonly rules: readonly PathRule[];
  /**
   * Why a rule of this capability has the prefix `/`, or a pattern such as `/{bucket}/{key+}`. Without it
   * such a rule is refused, since it admits whatever the host serves, now and later.
   */
  readonly wholeHost?: string;
  /** What a caller or reviewer should know: headers that are needed, paths that were retired. */
  readonly notes?: string;
}

/**
 * Chooses another template by what the secret looks like: a service may want personal keys bare and
 * OAuth tokens with `Bearer`. The first entry whose `pattern` matches decides; the default template is
 * for the rest. The value tested is that of the placeholder the default template names first.
 */
export interface TemplateByShape {
  /** Regular expression source, applied to the secret's value as UTF-8 text. */
  readonly pattern: string;
  /** The template to use; null leaves the header or parameter out. */
  readonly template: string | null;
}

/** One header or query parameter that carries a credential. */
export interface NamedTemplate {
  readonly name: string;
  readonly template: string;
  readonly byShape?: readonly TemplateByShape[];
}

/**
 * A credential placed into a request as it is. In templates `{{placeholder}}` names one of the
 * provider's secrets by its placeholder (see {@link SecretDefinition}).
 */
export type StaticAuthScheme =
  | {
      readonly strategy: "header";
      readonly name: string;
      readonly template: string;
      readonly byShape?: readonly TemplateByShape[];
    }
  | {
      readonly strategy: "query";
      readonly name: string;
      readonly template: string;
      readonly byShape?: readonly TemplateByShape[];
    }
  | { readonly strategy: "path"; readonly template: string }
  | { readonly strategy: "basic"; readonly username: string; readonly password: string }
  | { readonly strategy: "multi-header"; readonly headers: readonly NamedTemplate[] }
  | { readonly strategy: "multi-query"; readonly params: readonly NamedTemplate[] };

/** How a client proves itself at a token endpoint (RFC 6749 section 2.3, RFC 7523 section 2.2). */
export type OAuthClientAuth =
  | "client_secret_basic"
  | "client_secret_post"
  | "private_key_jwt"
  | "none";

/**
 * RFC 6749. The secret is a JSON document: `{clientId, clientSecret?, refreshToken?, privateKey?, …}`,
 * according to the grant; the broker obtains and renews the access token.
 */
export interface OAuth2Scheme {
  readonly strategy: "oauth2";
  /** In order of preference; `jwt_bearer` is RFC 7523 section 2.1, `account_credentials` is Zoom's own. */
  readonly grants: readonly OAuthGrant[];
  /** HTTPS. Its host need not be one of the provider's hosts: no capability reaches it. */
  readonly tokenUrl: string;
  /** HTTPS; where a person consents, for setting up a refresh token. */
  readonly authorizationUrl?: string;
  /** Further parameters of the authorization request, such as those that ask for a refresh token. */
  readonly authorizationParams?: Readonly<Record<string, string>>;
  /** HTTPS; where a device without a browser asks for consent (RFC 8628 section 3.1). */
  readonly deviceAuthorizationUrl?: string;
  /** What the capabilities need, and what each is for. */
  readonly scopes?: Readonly<Record<string, string>>;
  readonly scopeSeparator?: " " | ",";
  readonly clientAuth: OAuthClientAuth;
  /** True when the authorization endpoint demands or recommends RFC 7636. */
  readonly pkce?: boolean;
  /** True when each refresh returns a new refresh token and voids the old one. */
  readonly rotatesRefreshToken?: boolean;
  /** Further parameters of the token request, such as `audience`. */
  readonly tokenParams?: Readonly<Record<string, string>>;
  /** Placeholder of the JSON document. */
  readonly document: string;
  /** Where the access token goes: `{{access_token}}` stands for it. */
  readonly headers: readonly NamedTemplate[];
}

export type OAuthGrant =
  | "refresh_token"
  | "client_credentials"
  | "jwt_bearer"
  | "account_credentials";

/** AWS Signature Version 4. Placeholders name the parts of the credential. */
export interface AwsSigV4Scheme {
  readonly strategy: "aws-sigv4";
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** The signing name by host entry of {@link Provider.hosts}. */
  readonly services: Readonly<Record<string, string>>;
  /** The host variable that is the region; hosts without it sign for `defaultRegion`. */
  readonly regionVariable: string;
  readonly defaultRegion: string;
}

/**
 * A keyed hash over parts of the request. `message` is a template over the parts that `hmac-parts.ts` lists
 * (`{{method}}`, `{{path}}`, `{{sorted_query}}`, `{{header_content_type}}`, `{{body_sha256}}`,
 * `{{timestamp}}`, `{{nonce}}` and others) and the placeholders of secrets.
 */
export interface HmacScheme {
  readonly strategy: "hmac";
  readonly algorithm: "sha256" | "sha384" | "sha512";
  /** Placeholder of the key. */
  readonly key: string;
  readonly keyEncoding: "utf8" | "base64" | "hex";
  readonly message: string;
  readonly timestamp: "unix-s" | "unix-ms" | "iso-8601-ms";
  readonly signatureEncoding: "hex" | "base64" | "base64url";
  /** Headers of the signed request; `{{signature}}` stands for the result. */
  readonly headers?: readonly NamedTemplate[];
  /** Query parameters of the signed request, appended in this order. */
  readonly params?: readonly NamedTemplate[];
}

/** A client certificate (RFC 8446 section 4.4.2), presented during the handshake. */
export interface MtlsScheme {
  readonly strategy: "mtls";
  /** Placeholder of the PEM certificate chain. */
  readonly certificate: string;
  /** Placeholder of the PEM private key. */
  readonly privateKey: string;
  readonly headers?: readonly NamedTemplate[];
}

/** How the credential enters a request. */
export type AuthScheme = StaticAuthScheme | OAuth2Scheme | AwsSigV4Scheme | HmacScheme | MtlsScheme;

/**
 * A part of a host name that differs between tenants, regions or plans: `{shop}` in
 * `{shop}.myshopify.com`. Exactly one of `values` and `pattern` is present.
 */
export interface HostVariable {
  readonly description: string;
  /** All values there are; only these may contain dots. */
  readonly values?: readonly string[];
  /** Anchored regular expression source; a value is always a single label on top of that. */
  readonly pattern?: string;
  readonly default?: string;
  /** Environment names that conventionally hold it. */
  readonly env?: readonly string[];
  /** Reads it off the secret: Mailchimp's data centre is the end of its key. */
  readonly fromSecret?: readonly HostVariableSource[];
}

export interface HostVariableSource {
  readonly placeholder: string;
  /** Regular expression source; without `value` its first group is the variable's value. */
  readonly pattern: string;
  readonly value?: string;
}

/** The same service under other names: another jurisdiction, a sandbox, a cheaper plan. */
export interface Region {
  readonly description: string;
  /** Host entry of {@link Provider.hosts} to the host name that takes its place. */
  readonly hosts: Readonly<Record<string, string>>;
  /** Recognises the secrets that belong to this region: DeepL's free keys end in `:fx`. */
  readonly fromSecret?: { readonly placeholder: string; readonly pattern: string };
}

/** Another way to authenticate than {@link Provider.auth}. */
export interface CredentialAlternative {
  /** Unique within the provider, for example `oauth`. */
  readonly id: string;
  readonly description: string;
  /** Greater is preferred where several stored credentials would do; the provider's own has 0. */
  readonly priority: number;
  /** What it is made of; the same name may appear in several alternatives of one provider. */
  readonly secrets: readonly SecretDefinition[];
  readonly auth: AuthScheme;
  /** The only capabilities it is for; absent: all. */
  readonly capabilities?: readonly string[];
}

/** A secret that a provider's credential is made of. */
export interface SecretDefinition {
  /** The conventional environment name, for example `OPENAI_API_KEY`. Storing a secret of this name pins it. */
  readonly name: string;
  /** The word that stands for this secret in auth templates. */
  readonly placeholder: string;
  readonly description: string;
  /** Anchored regular expression source: what such a key looks like. */
  readonly pattern: string;
  /** A made-up value that matches `pattern`, for documentation and look-alike placeholders. */
  readonly example: string;
  /** Other conventional names of the same secret, claimed like `name`. */
  readonly aliases?: readonly string[];
  /** True when nothing marks such a key as this provider's: `pattern` must not be used to recognise leaks. */
  readonly opaque?: boolean;
  /** True when the credential works without it, as with an AWS session token. */
  readonly optional?: boolean;
}

/** A harmless request that succeeds exactly when the credential works. */
export interface VerifyRequest {
  /** Id of the capability that admits it. */
  readonly capability: string;
  readonly method: HttpMethod;
  /** May carry a query. */
  readonly path: string;
  /** Request body, JSON text, for services whose every request is a POST. */
  readonly body?: string;
}

/** How known SDKs are pointed at aivault. */
export interface SdkSettings {
  /** Environment names an SDK reads its base URL from; absent when it has none. */
  readonly baseUrlEnv?: readonly string[];
  /** The path appended to `<aivault>/v/<credential>`, for example `/v1`. */
  readonly baseUrlPath: string;
  /** Environment names an SDK reads its key from; they get a proxy token. */
  readonly tokenEnv: readonly string[];
}

/** An external service, as the registry describes it. */
export interface Provider {
  readonly id: string;
  readonly name: string;
  readonly category: string;
  readonly docsUrl: string;
  /**
   * ISO date on which hosts and paths were last compared with what the provider publishes: its
   * documentation, its API description, or its own SDK. Absent while nobody has done so.
   */
  readonly checked?: string;
  readonly secrets: readonly SecretDefinition[];
  readonly auth: AuthScheme;
  /** The only capabilities that `auth` is good for; absent: all. */
  readonly authCapabilities?: readonly string[];
  /** Further ways to authenticate; none of them is needed. */
  readonly alternatives?: readonly CredentialAlternative[];
  /**
   * Exact host names, lower case. With `hostVariables` present an entry may be a template such as
   * `{shop}.myshopify.com`, which is no host name until every variable has a value (see `expandHost`).
   */
  readonly hosts: readonly string[];
  readonly hostVariables?: Readonly<Record<string, HostVariable>>;
  /** The same service elsewhere, by a name an operator can choose: `eu`, `sandbox`. */
  readonly regions?: Readonly<Record<string, Region>>;
  /** Port by host entry; 443 where absent. */
  readonly ports?: Readonly<Record<string, number>>;
  /** Headers the provider demands of every request; a caller's own value wins. */
  readonly staticHeaders?: Readonly<Record<string, string>>;
  readonly capabilities: readonly CapabilityDefinition[];
  /** Absent when the documentation names no harmless request that needs nothing but the credential. */
  readonly verify?: VerifyRequest;
  readonly sdk?: SdkSettings;
  /** What was decided about this provider and why: retired paths, disagreeing sources, omissions. */
  readonly notes?: readonly string[];
}
