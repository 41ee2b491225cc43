/**
 * The shape of a definition file, one reader per type of `provider.ts`. A reader copies what it
 * understands, freezes it, and records a complaint for everything else; no reader throws.
 */

import type {
  AuthScheme,
  AwsSigV4Scheme,
  CapabilityDefinition,
  CredentialAlternative,
  HmacScheme,
  HostVariable,
  HostVariableSource,
  HttpMethod,
  MtlsScheme,
  NamedTemplate,
  OAuth2Scheme,
  OAuthClientAuth,
  OAuthGrant,
  PathRule,
  Provider,
  QueryConstraint,
  Region,
  Risk,
  SdkSettings,
  SecretDefinition,
  StaticAuthScheme,
  TemplateByShape,
  VerifyRequest,
} from "./provider.ts";

/** Returns the value read, or undefined after at least one complaint. */
type Reader<T> = (value: unknown, path: string, complaints: string[]) => T | undefined;

type OptionalReader<T> = { readonly optional: Reader<T> };

// The mapped type makes a reader name exactly the fields of the type it reads, so that neither a new
// field nor its being optional can be forgotten here.
type Fields<T> = {
  readonly [K in keyof T]-?: Record<never, never> extends Pick<T, K>
    ? OptionalReader<NonNullable<T[K]>>
    : Reader<T[K]>;
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const optional = <T>(reader: Reader<T>): OptionalReader<T> => ({ optional: reader });

function object<T>(fields: Fields<T>): Reader<T> {
  const readers = new Map<string, Reader<unknown> | OptionalReader<unknown>>(
    Object.entries(fields as Record<string, Reader<unknown> | OptionalReader<unknown>>),
  );
  return (value, path, complaints) => {
    if (!isObject(value)) {
      complaints.push(`${path}: must be an object`);
      return undefined;
    }
    const before = complaints.length;
    for (const key of Object.keys(value)) {
      if (!readers.has(key)) complaints.push(`${path}.${key}: is not a known key`);
    }
    const result: Record<string, unknown> = {};
    for (const [key, reader] of readers) {
      const present = Object.hasOwn(value, key);
      if (typeof reader === "function") {
        if (present) result[key] = reader(value[key], `${path}.${key}`, complaints);
        else complaints.push(`${path}.${key}: is missing`);
      } else if (present) {
        result[key] = reader.optional(value[key], `${path}.${key}`, complaints);
      }
    }
    return complaints.length > before ? undefined : (Object.freeze(result) as T);
  };
}

function list<T>(item: Reader<T>, bounds: { min: number; max: number }): Reader<readonly T[]> {
  return (value, path, complaints) => {
    if (!Array.isArray(value) || value.length < bounds.min || value.length > bounds.max) {
      complaints.push(`${path}: must be an array of ${bounds.min} to ${bounds.max} items`);
      return undefined;
    }
    const before = complaints.length;
    const items = value.map((entry, index) => item(entry, `${path}[${index}]`, complaints));
    if (value.some((entry, i) => typeof entry === "string" && value.indexOf(entry) !== i)) {
      complaints.push(`${path}: must not repeat an item`);
    }
    return complaints.length > before ? undefined : Object.freeze(items as T[]);
  };
}

/** An object whose keys are data. */
function record<T>(key: RegExp, item: Reader<T>): Reader<Readonly<Record<string, T>>> {
  return (value, path, complaints) => {
    if (!isObject(value) || Object.keys(value).length === 0) {
      complaints.push(`${path}: must be an object with at least one entry`);
      return undefined;
    }
    const before = complaints.length;
    const result: Record<string, T | undefined> = {};
    for (const [name, entry] of Object.entries(value)) {
      if (!key.test(name) || name === "__proto__") {
        complaints.push(`${path}.${name}: is not a valid name here`);
        continue;
      }
      result[name] = item(entry, `${path}.${name}`, complaints);
    }
    return complaints.length > before ? undefined : Object.freeze(result as Record<string, T>);
  };
}

function text(pattern: RegExp, what: string): Reader<string> {
  return (value, path, complaints) => {
    if (typeof value === "string" && pattern.test(value)) return value;
    complaints.push(`${path}: must be ${what}`);
    return undefined;
  };
}

function oneOf<T extends string>(...values: readonly T[]): Reader<T> {
  return (value, path, complaints) => {
    if (values.includes(value as T)) return value as T;
    complaints.push(`${path}: must be one of ${values.join(", ")}`);
    return undefined;
  };
}

function integer(min: number, max: number): Reader<number> {
  return (value, path, complaints) => {
    if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) {
      return value;
    }
    complaints.push(`${path}: must be an integer from ${min} to ${max}`);
    return undefined;
  };
}

/** A flag is written only when it is set, so that every file has one form. */
const flag: Reader<true> = (value, path, complaints) => {
  if (value === true) return true;
  complaints.push(`${path}: must be true, or left out`);
  return undefined;
};

const regexp: Reader<string> = (value, path, complaints) => {
  if (typeof value === "string" && value.length > 0 && value.length <= 400) {
    try {
      new RegExp(value, "u");
      return value;
    } catch {
      // Falls through to the complaint.
    }
  }
  complaints.push(`${path}: must be a regular expression of at most 400 characters`);
  return undefined;
};

const LABEL = "(?:[a-z0-9]|\\{[a-z]+\\})(?:[a-z0-9-]|\\{[a-z]+\\})*";
const HOST = `${LABEL}(?:\\.${LABEL})+`;
const PLAIN_HOST = /^[a-z0-9][a-z0-9-]*(?:\.[a-z0-9][a-z0-9-]*)+$/;
const HOST_PATTERN = new RegExp(`^${HOST}$`);
// Unreserved and sub-delims of RFC 3986 without `%`, plus `:` and `@`: what is matched is what is sent
// only if there is one way to write it (G7).
const PATH_CHARS = "[A-Za-z0-9._~!$&'()*+,;=:@-]";

const line = text(/^[^\p{Cc}]{1,600}$/u, "one line of text");
const idText = text(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, "lower-case words joined by hyphens");
const capabilityIdText = text(
  /^[a-z0-9]+(?:-[a-z0-9]+)*\/[a-z0-9]+(?:[-_][a-z0-9]+)*$/,
  "`<provider>/<name>`",
);
const placeholderText = text(/^[a-z][a-z0-9_]{0,31}$/, "a lower-case placeholder");
const secretName = text(/^[A-Z][A-Z0-9_]{1,63}$/, "an upper-case environment name");
const environmentName = text(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, "an environment name");
const hostText = text(HOST_PATTERN, "a lower-case host name without port");
const httpsUrl = text(/^https:\/\/[^\s/?#@]+(?:\/[^\s]*)?$/, "an https URL");
const tokenUrlText = text(
  new RegExp(`^https://${HOST}(?:/(?:${PATH_CHARS}|[/{}])*)?$`),
  "an https URL without port, query or fragment",
);
const headerName = text(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/, "a header name");
const parameterName = text(/^[A-Za-z0-9._~$-]{1,100}$/, "a query parameter name");
const template = text(/^[\x21-\x7e](?:[\x20-\x7e]{0,298}[\x21-\x7e])?$/, "printable ASCII");
const headerValue = template;
const isoDate: Reader<string> = (value, path, complaints) => {
  if (
    typeof value === "string" &&
    /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/.test(value)
  ) {
    return value;
  }
  complaints.push(`${path}: must be a date as in 2026-01-31`);
  return undefined;
};
const pathText = text(
  new RegExp(`^(?:/(?:${PATH_CHARS}|[{}])+)*/?$`),
  "a path beginning with `/`, without query, escapes or empty segments",
);
const targetText = text(
  new RegExp(`^(?:/${PATH_CHARS}+)*/?(?:\\?[A-Za-z0-9._~!$&'()*+,;=:@/%-]*)?$`),
  "a path, with or without a query",
);

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;
const method = oneOf<HttpMethod>(...METHODS);
const risk = oneOf<Risk>("read", "write", "destructive", "spend");

/** What a provider is for; the catalogue is ordered by it. */
export const CATEGORIES = [
  "ai",
  "analytics",
  "cloud",
  "commerce",
  "communication",
  "crm",
  "data",
  "design",
  "developer",
  "email",
  "finance",
  "maps",
  "media",
  "observability",
  "payments",
  "productivity",
  "search",
  "social",
  "storage",
  "support",
  "vector",
] as const;

const queryConstraint = object<QueryConstraint>({
  required: optional(record(/^[A-Za-z0-9._~$-]{1,100}$/, text(/^[\x21-\x7e]{1,100}$/, "a value"))),
  forbidden: optional(list(parameterName, { min: 1, max: 40 })),
  allowed: optional(list(parameterName, { min: 0, max: 60 })),
});

const pathRule = object<PathRule>({
  methods: list(method, { min: 1, max: METHODS.length }),
  match: oneOf("prefix", "exact", "pattern"),
  path: pathText,
  risk: optional(risk),
  query: optional(queryConstraint),
  encodedSlash: optional(flag),
});

const capability = object<CapabilityDefinition>({
  id: capabilityIdText,
  description: line,
  host: hostText,
  risk,
  rules: list(pathRule, { min: 1, max: 100 }),
  wholeHost: optional(line),
  notes: optional(line),
});

const byShape = list(
  object<TemplateByShape>({
    pattern: regexp,
    template: (value, path, complaints) =>
      value === null ? null : template(value, path, complaints),
  }),
  { min: 1, max: 8 },
);

const namedHeaders = list(
  object<NamedTemplate>({ name: headerName, template, byShape: optional(byShape) }),
  { min: 1, max: 8 },
);
const namedParams = list(
  object<NamedTemplate>({ name: parameterName, template, byShape: optional(byShape) }),
  { min: 1, max: 8 },
);

type Strategy<S extends AuthScheme["strategy"]> = Extract<AuthScheme, { strategy: S }>;

const schemes: { readonly [S in AuthScheme["strategy"]]: Reader<Strategy<S>> } = {
  header: object<Extract<StaticAuthScheme, { strategy: "header" }>>({
    strategy: oneOf("header"),
    name: headerName,
    template,
    byShape: optional(byShape),
  }),
  query: object<Extract<StaticAuthScheme, { strategy: "query" }>>({
    strategy: oneOf("query"),
    name: parameterName,
    template,
    byShape: optional(byShape),
  }),
  path: object<Extract<StaticAuthScheme, { strategy: "path" }>>({
    strategy: oneOf("path"),
    template: text(/^\/[\x21-\x7e]{1,200}$/, "a path template beginning with `/`"),
  }),
  basic: object<Extract<StaticAuthScheme, { strategy: "basic" }>>({
    strategy: oneOf("basic"),
    username: text(/^[\x21-\x39\x3b-\x7e]{0,200}$/, "printable ASCII without a colon"),
    password: text(/^[\x21-\x7e]{0,200}$/, "printable ASCII"),
  }),
  "multi-header": object<Extract<StaticAuthScheme, { strategy: "multi-header" }>>({
    strategy: oneOf("multi-header"),
    headers: namedHeaders,
  }),
  "multi-query": object<Extract<StaticAuthScheme, { strategy: "multi-query" }>>({
    strategy: oneOf("multi-query"),
    params: namedParams,
  }),
  oauth2: object<OAuth2Scheme>({
    strategy: oneOf("oauth2"),
    grants: list(
      oneOf<OAuthGrant>("refresh_token", "client_credentials", "jwt_bearer", "account_credentials"),
      { min: 1, max: 4 },
    ),
    tokenUrl: tokenUrlText,
    authorizationUrl: optional(tokenUrlText),
    authorizationParams: optional(record(/^[a-z_]{1,60}$/, template)),
    deviceAuthorizationUrl: optional(tokenUrlText),
    scopes: optional(record(/^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/, line)),
    scopeSeparator: optional(oneOf(" ", ",")),
    clientAuth: oneOf<OAuthClientAuth>(
      "client_secret_basic",
      "client_secret_post",
      "private_key_jwt",
      "none",
    ),
    pkce: optional(flag),
    rotatesRefreshToken: optional(flag),
    tokenParams: optional(record(/^[a-z_]{1,60}$/, template)),
    document: placeholderText,
    headers: namedHeaders,
  }),
  "aws-sigv4": object<AwsSigV4Scheme>({
    strategy: oneOf("aws-sigv4"),
    accessKeyId: placeholderText,
    secretAccessKey: placeholderText,
    sessionToken: optional(placeholderText),
    services: record(HOST_PATTERN, text(/^[a-z0-9-]{1,40}$/, "an AWS signing name")),
    regionVariable: text(/^[a-z]+$/, "the name of a host variable"),
    defaultRegion: text(/^[a-z0-9-]{1,40}$/, "an AWS region"),
  }),
  hmac: object<HmacScheme>({
    strategy: oneOf("hmac"),
    algorithm: oneOf("sha256", "sha384", "sha512"),
    key: placeholderText,
    keyEncoding: oneOf("utf8", "base64", "hex"),
    message: template,
    timestamp: oneOf("unix-s", "unix-ms", "iso-8601-ms"),
    signatureEncoding: oneOf("hex", "base64", "base64url"),
    headers: optional(namedHeaders),
    params: optional(namedParams),
  }),
  mtls: object<MtlsScheme>({
    strategy: oneOf("mtls"),
    certificate: placeholderText,
    privateKey: placeholderText,
    headers: optional(namedHeaders),
  }),
};

const auth: Reader<AuthScheme> = (value, path, complaints) => {
  const { strategy }: Record<string, unknown> = isObject(value) ? value : {};
  if (typeof strategy === "string" && Object.hasOwn(schemes, strategy)) {
    return schemes[strategy as AuthScheme["strategy"]](value, path, complaints);
  }
  complaints.push(`${path}.strategy: must be one of ${Object.keys(schemes).join(", ")}`);
  return undefined;
};

const secret = object<SecretDefinition>({
  name: secretName,
  placeholder: placeholderText,
  description: line,
  pattern: regexp,
  example: text(/^[^\p{Cc}]{4,2000}$/u, "one line of text"),
  aliases: optional(list(secretName, { min: 1, max: 8 })),
  opaque: optional(flag),
  optional: optional(flag),
});
const secrets = list(secret, { min: 1, max: 6 });

const hostVariable = object<HostVariable>({
  description: line,
  values: optional(
    list(text(/^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/, "labels of a host name"), { min: 1, max: 80 }),
  ),
  pattern: optional(regexp),
  default: optional(text(/^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/, "labels of a host name")),
  env: optional(list(environmentName, { min: 1, max: 8 })),
  fromSecret: optional(
    list(
      object<HostVariableSource>({
        placeholder: placeholderText,
        pattern: regexp,
        value: optional(text(/^[a-z0-9.-]+$/, "labels of a host name")),
      }),
      { min: 1, max: 8 },
    ),
  ),
});

const region = object<Region>({
  description: line,
  hosts: record(HOST_PATTERN, text(PLAIN_HOST, "a lower-case host name")),
  fromSecret: optional(
    object<NonNullable<Region["fromSecret"]>>({ placeholder: placeholderText, pattern: regexp }),
  ),
});

const alternative = object<CredentialAlternative>({
  id: idText,
  description: line,
  priority: integer(-100, 100),
  secrets,
  auth,
  capabilities: optional(list(capabilityIdText, { min: 1, max: 200 })),
});

const provider = object<Provider>({
  id: idText,
  name: line,
  category: oneOf(...CATEGORIES),
  docsUrl: httpsUrl,
  checked: optional(isoDate),
  secrets,
  auth,
  authCapabilities: optional(list(capabilityIdText, { min: 1, max: 200 })),
  alternatives: optional(list(alternative, { min: 1, max: 8 })),
  hosts: list(hostText, { min: 1, max: 60 }),
  hostVariables: optional(record(/^[a-z]+$/, hostVariable)),
  regions: optional(record(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, region)),
  ports: optional(record(HOST_PATTERN, integer(1, 65535))),
  staticHeaders: optional(record(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/, headerValue)),
  capabilities: list(capability, { min: 1, max: 200 }),
  verify: optional(
    object<VerifyRequest>({
      capability: capabilityIdText,
      method,
      path: targetText,
      body: optional(text(/^[^\p{Cc}]{1,2000}$/u, "one line of JSON")),
    }),
  ),
  sdk: optional(
    object<SdkSettings>({
      baseUrlEnv: optional(list(environmentName, { min: 1, max: 8 })),
      baseUrlPath: text(new RegExp(`^(?:/${PATH_CHARS}+)*/?$`), "a path, or empty"),
      tokenEnv: list(environmentName, { min: 0, max: 8 }),
    }),
  ),
  notes: optional(list(line, { min: 1, max: 20 })),
});

/**
 * Reads the shape of a definition.
 *
 * @param complaints - Receives one line per fault, beginning with its JSON path (`$.hosts[0]: …`).
 * @returns A deeply frozen copy, or null after at least one complaint.
 */
export function readProvider(json: unknown, complaints: string[]): Provider | null {
  return provider(json, "$", complaints) ?? null;
}
