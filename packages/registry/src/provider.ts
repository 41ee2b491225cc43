/** What a capability's use can cost whoever owns the credential. */
export type Risk = "read" | "write" | "destructive" | "spend";

export type HttpMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS";

/** One path rule of a capability; a request must satisfy at least one. */
export interface PathRule {
  readonly methods: readonly HttpMethod[];
  /**
   * - `prefix`: the path itself, or the path followed by `/` and anything. A prefix that ends in `/`,
   *   `.` or `:` matches any continuation (Slack's `/api/chat.`).
   * - `exact`: the path and nothing else.
   * - `pattern`: segments, where `{name}` stands for exactly one non-empty segment.
   */
  readonly match: "prefix" | "exact" | "pattern";
  readonly path: string;
  /** Overrides the capability's risk for what this rule admits. */
  readonly risk?: Risk;
}

export interface CapabilityDefinition {
  /** `<provider>/<name>`. */
  readonly id: string;
  readonly description: string;
  /** Exactly one of the provider's hosts. */
  readonly host: string;
  readonly risk: Risk;
  readonly rules: readonly PathRule[];
}

/**
 * How the credential enters a request. In templates `{{placeholder}}` names one of the provider's
 * secrets by its placeholder (see {@link SecretDefinition}).
 */
export type AuthScheme =
  | { readonly strategy: "header"; readonly name: string; readonly template: string }
  | { readonly strategy: "query"; readonly name: string; readonly template: string }
  | { readonly strategy: "path"; readonly template: string }
  | { readonly strategy: "basic"; readonly username: string; readonly password: string }
  | {
      readonly strategy: "multi-header";
      readonly headers: readonly { readonly name: string; readonly template: string }[];
    }
  | {
      readonly strategy: "multi-query";
      readonly params: readonly { readonly name: string; readonly template: string }[];
    };

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
}

export interface VerifyRequest {
  readonly capability: string;
  readonly method: HttpMethod;
  readonly path: string;
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
  /** ISO date on which `docsUrl` was last compared with this definition. */
  readonly checked: string;
  readonly secrets: readonly SecretDefinition[];
  readonly auth: AuthScheme;
  /** Exact host names, lower case. */
  readonly hosts: readonly string[];
  /** Headers the provider demands of every request; a caller's own value wins. */
  readonly staticHeaders?: Readonly<Record<string, string>>;
  readonly capabilities: readonly CapabilityDefinition[];
  readonly verify: VerifyRequest;
  readonly sdk?: SdkSettings;
}
