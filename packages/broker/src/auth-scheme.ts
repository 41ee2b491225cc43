import { parseEndpointUrl, parseInternalHost } from "@aivault/policy";
import {
  type AuthScheme,
  HMAC_VALUE_PARTS,
  isHmacPart,
  type MtlsScheme,
  type NamedTemplate,
} from "@aivault/registry";
import { BrokerError } from "./errors.ts";
import { invalidShape, readArray, readChoice, readMembers, readString } from "./shape.ts";
import { placeholders, requireTemplate } from "./template.ts";

/** A client certificate as an operator can write it down: with what a key of one's own may need. */
export interface OperatorMtlsScheme extends MtlsScheme {
  /** Placeholder of the passphrase of an encrypted key. */
  readonly passphrase?: string;
  /** Placeholder of the PEM certificates to trust, instead of the public authorities. */
  readonly ca?: string;
}

/** Tells whether an operator allowed this internal host and port. */
export type IsInternalAllowed = (host: string, port: number) => boolean;

/** The strategies an operator can write down. */
const STRATEGIES = [
  "header",
  "query",
  "path",
  "basic",
  "multi-header",
  "multi-query",
  "hmac",
  "aws-sigv4",
  "mtls",
  "oauth2",
] as const;

// RFC 9110 section 5.6.2. A query name is kept to what needs no encoding.
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/;
const PARAM_NAME = /^[A-Za-z0-9._~-]{1,256}$/;
// Framing and routing are the broker's; a credential there would change where or how it travels.
const RESERVED_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/**
 * Reads an operator's auth scheme.
 *
 * @param known - The placeholders that secrets are given for.
 * @param isInternalAllowed - Where a token endpoint may be besides public hosts.
 * @throws {BrokerError} `invalid_request`, naming the member.
 */
export function parseAuthScheme(
  json: unknown,
  known: readonly string[],
  isInternalAllowed: IsInternalAllowed = () => false,
): AuthScheme {
  const strategy = readChoice(
    (json as { strategy?: unknown } | null)?.strategy,
    "auth.strategy",
    STRATEGIES,
  );
  const scheme = readScheme(strategy, json, known, isInternalAllowed);
  if (known.length === 0) throw new BrokerError("invalid_request", "the credential has no secret");
  return scheme;
}

function readScheme(
  strategy: (typeof STRATEGIES)[number],
  json: unknown,
  known: readonly string[],
  isInternalAllowed: IsInternalAllowed,
): AuthScheme {
  const members = (names: readonly string[]) => readMembers(json, "auth", ["strategy", ...names]);
  const template = (value: unknown, what: string) => {
    const text = readString(value, what);
    requireTemplate(text, what, known);
    return text;
  };
  const secretTemplate = (value: unknown, what: string) => {
    const text = template(value, what);
    if (placeholders(text).length === 0) throw invalidShape(what, "a template with a placeholder");
    return text;
  };
  const placeholder = (value: unknown, what: string) => {
    const name = readString(value, what);
    if (!known.includes(name)) throw invalidShape(what, "the placeholder of a secret");
    return name;
  };
  switch (strategy) {
    case "header": {
      const auth = members(["name", "template"]);
      return {
        strategy,
        name: headerName(auth.get("name"), "auth.name"),
        template: secretTemplate(auth.get("template"), "auth.template"),
      };
    }
    case "query": {
      const auth = members(["name", "template"]);
      return {
        strategy,
        name: paramName(auth.get("name"), "auth.name"),
        template: secretTemplate(auth.get("template") ?? "{{secret}}", "auth.template"),
      };
    }
    case "path": {
      const auth = members(["template"]);
      const text = secretTemplate(auth.get("template"), "auth.template");
      requirePathTemplate(text);
      return { strategy, template: text };
    }
    case "basic": {
      const auth = members(["username", "password"]);
      const username = template(auth.get("username"), "auth.username");
      const password = auth.get("password");
      if (username.includes(":")) throw invalidShape("auth.username", "without a colon");
      const passwordText = password === "" ? "" : template(password, "auth.password");
      if (placeholders(username + passwordText).length === 0) {
        throw new BrokerError("invalid_request", "neither username nor password is a secret");
      }
      return { strategy, username, password: passwordText };
    }
    case "multi-header":
      return {
        strategy,
        headers: named(members(["headers"]).get("headers"), "auth.headers", headerName, template),
      };
    case "multi-query":
      return {
        strategy,
        params: named(members(["params"]).get("params"), "auth.params", paramName, template),
      };
    case "hmac": {
      const auth = members([
        "algorithm",
        "key",
        "keyEncoding",
        "message",
        "timestamp",
        "signatureEncoding",
        "headers",
        "params",
      ]);
      const key = placeholder(auth.get("key"), "auth.key");
      // The key itself is never sent (W-A2), so no template may name it.
      const others = known.filter((name) => name !== key);
      const part = (value: unknown, what: string) => {
        const text = readString(value, what);
        requireTemplate(text, what, [...others, ...HMAC_VALUE_PARTS, "signature"]);
        return text;
      };
      const message = auth.get("message");
      if (typeof message !== "string") throw invalidShape("auth.message", "a template");
      const parts = placeholders(message).filter(isHmacPart);
      requireTemplate(message, "auth.message", [...others, ...parts]);
      return {
        strategy,
        algorithm: readChoice(auth.get("algorithm"), "auth.algorithm", [
          "sha256",
          "sha384",
          "sha512",
        ]),
        key,
        keyEncoding: readChoice(auth.get("keyEncoding") ?? "utf8", "auth.keyEncoding", [
          "utf8",
          "base64",
          "hex",
        ]),
        message,
        timestamp: readChoice(auth.get("timestamp") ?? "unix-s", "auth.timestamp", [
          "unix-s",
          "unix-ms",
          "iso-8601-ms",
        ]),
        signatureEncoding: readChoice(
          auth.get("signatureEncoding") ?? "hex",
          "auth.signatureEncoding",
          ["hex", "base64", "base64url"],
        ),
        ...(auth.has("headers")
          ? { headers: named(auth.get("headers"), "auth.headers", headerName, part) }
          : {}),
        ...(auth.has("params")
          ? { params: named(auth.get("params"), "auth.params", paramName, part) }
          : {}),
      };
    }
    case "aws-sigv4": {
      const auth = members([
        "accessKeyId",
        "secretAccessKey",
        "sessionToken",
        "services",
        "regionVariable",
        "defaultRegion",
      ]);
      const services = auth.get("services");
      if (typeof services !== "object" || services === null) {
        throw invalidShape("auth.services", "an object from host to signing name");
      }
      return {
        strategy,
        accessKeyId: placeholder(auth.get("accessKeyId"), "auth.accessKeyId"),
        secretAccessKey: placeholder(auth.get("secretAccessKey"), "auth.secretAccessKey"),
        ...(auth.has("sessionToken")
          ? { sessionToken: placeholder(auth.get("sessionToken"), "auth.sessionToken") }
          : {}),
        services: Object.fromEntries(
          Object.entries(services).map(([host, name]) => [
            host,
            readString(name, "auth.services", 64),
          ]),
        ),
        regionVariable: readString(auth.get("regionVariable") ?? "region", "auth.regionVariable"),
        defaultRegion: readString(auth.get("defaultRegion"), "auth.defaultRegion", 64),
      };
    }
    case "mtls": {
      const auth = members(["certificate", "privateKey", "passphrase", "ca", "headers"]);
      const optional = (name: "passphrase" | "ca") =>
        auth.has(name) ? { [name]: placeholder(auth.get(name), `auth.${name}`) } : {};
      return {
        strategy,
        certificate: placeholder(auth.get("certificate"), "auth.certificate"),
        privateKey: placeholder(auth.get("privateKey"), "auth.privateKey"),
        ...(auth.has("headers")
          ? { headers: named(auth.get("headers"), "auth.headers", headerName, template) }
          : {}),
        ...optional("passphrase"),
        ...optional("ca"),
      } satisfies OperatorMtlsScheme;
    }
    case "oauth2": {
      const auth = members([
        "grants",
        "tokenUrl",
        "scopes",
        "scopeSeparator",
        "clientAuth",
        "tokenParams",
        "document",
        "headers",
      ]);
      const grants = readArray(auth.get("grants"), "auth.grants", (item, what) =>
        readChoice(item, what, OAUTH_GRANTS),
      );
      if (grants.length === 0) throw invalidShape("auth.grants", "a list with at least one grant");
      const headers = auth.get("headers") ?? [
        { name: "authorization", template: "Bearer {{access_token}}" },
      ];
      const tokenTemplate = (value: unknown, what: string) => {
        const text = readString(value, what);
        requireTemplate(text, what, ["access_token"]);
        return text;
      };
      const texts = (name: "scopes" | "tokenParams") =>
        auth.has(name) ? { [name]: readTexts(auth.get(name), `auth.${name}`) } : {};
      return {
        strategy,
        grants,
        tokenUrl: readTokenUrl(auth.get("tokenUrl"), isInternalAllowed),
        scopeSeparator: readChoice(auth.get("scopeSeparator") ?? " ", "auth.scopeSeparator", [
          " ",
          ",",
        ]),
        clientAuth: readChoice(auth.get("clientAuth") ?? "client_secret_basic", "auth.clientAuth", [
          "client_secret_basic",
          "client_secret_post",
          "private_key_jwt",
          "none",
        ]),
        document: placeholder(auth.get("document"), "auth.document"),
        headers: named(headers, "auth.headers", headerName, tokenTemplate),
        ...texts("scopes"),
        ...texts("tokenParams"),
      };
    }
  }
}

const OAUTH_GRANTS = [
  "refresh_token",
  "client_credentials",
  "jwt_bearer",
  "account_credentials",
] as const;

/**
 * A token endpoint: https, and a public name on port 443 or an internal service that is allowed.
 * `{installationId}` may stand in its path.
 */
function readTokenUrl(json: unknown, isInternalAllowed: IsInternalAllowed): string {
  const text = readString(json, "auth.tokenUrl", 2048);
  const filled = text.replaceAll("{installationId}", "0");
  const authority = /^https:\/\/([^/?#]+)/i.exec(filled)?.[1] ?? "";
  const internal = parseInternalHost(/:[0-9]+$/.test(authority) ? authority : `${authority}:443`);
  const isInternal = internal.ok && isInternalAllowed(internal.value.host, internal.value.port);
  // Everything behind an internal host is held to the same rules, under a public name in its place.
  const url = isInternal
    ? parseEndpointUrl(`https://internal.example${filled.slice(8 + authority.length)}`, [
        "internal.example",
      ])
    : parseEndpointUrl(filled, [authority.replace(/:443$/, "")]);
  if (!url.ok) throw new BrokerError("invalid_request", `auth.tokenUrl: ${url.message}`);
  return text;
}

function readTexts(json: unknown, what: string): Readonly<Record<string, string>> {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw invalidShape(what, "an object");
  }
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => [
      readString(name, `a name in ${what}`, 256),
      value === "" ? "" : readString(value, `${what}.${name}`),
    ]),
  );
}

function headerName(value: unknown, what: string): string {
  const name = readString(value, what, 256);
  if (!HEADER_NAME.test(name) || RESERVED_HEADERS.has(name.toLowerCase())) {
    throw invalidShape(what, "the name of a header that a credential can be in");
  }
  return name.toLowerCase();
}

function paramName(value: unknown, what: string): string {
  const name = readString(value, what, 256);
  if (!PARAM_NAME.test(name)) throw invalidShape(what, "a parameter name of A-Z a-z 0-9 . _ ~ -");
  return name;
}

function named(
  json: unknown,
  what: string,
  readName: (value: unknown, what: string) => string,
  readTemplate: (value: unknown, what: string) => string,
): readonly NamedTemplate[] {
  const entries = readArray(json, what, (item, place) => {
    const entry = readMembers(item, place, ["name", "template"]);
    return {
      name: readName(entry.get("name"), `${place}.name`),
      template: readTemplate(entry.get("template"), `${place}.template`),
    };
  });
  const names = new Set(entries.map(({ name }) => name.toLowerCase()));
  if (entries.length === 0 || names.size !== entries.length) {
    throw invalidShape(what, "a list of different names, not empty");
  }
  return entries;
}

// The static part is sent as it is, so it has to be canonical already.
function requirePathTemplate(template: string): void {
  const [fixed, ...others] = template.split(/\{\{[^}]*\}\}/);
  const isPlain = /^\/[A-Za-z0-9._~/-]*$/.test(fixed ?? "") && !/\/\/|\/\.\.?(\/|$)/.test(template);
  if (!isPlain || others.length !== 1 || !/^[A-Za-z0-9._~/-]*$/.test(others[0] ?? "")) {
    throw invalidShape("auth.template", "a path with one placeholder, such as /bot{{secret}}");
  }
}
