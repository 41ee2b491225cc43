/**
 * The flags of `credential create` to an auth scheme.
 */
import type { WireAuthScheme } from "@aivault/client";
import { list, type ParsedArgs, text } from "./args.ts";
import { AUTH_STRATEGIES } from "./auth-strategies.ts";
import { usageError } from "./errors.ts";
import { parsePair } from "./headers.ts";

// Which flags go with which scheme; a flag of another scheme is a mistake, not a no-op.
const SCHEME_FLAGS: Readonly<Record<string, readonly string[]>> = {
  header: ["header-name", "value-template"],
  query: ["query-param"],
  path: ["path-prefix-template"],
  basic: ["basic-username", "basic-password"],
  "multi-header": ["auth-header"],
  "multi-query": ["auth-query"],
  oauth2: ["grant-type", "token-endpoint", "scope", "client-auth"],
  "aws-sigv4": ["aws-service", "aws-region"],
  hmac: [
    "hmac-algorithm",
    "hmac-message",
    "hmac-key-encoding",
    "hmac-encoding",
    "hmac-timestamp",
    "header-name",
    "value-template",
    "auth-header",
  ],
  mtls: [],
};

/**
 * The scheme that the flags describe; null leaves it to the registry.
 *
 * @param placeholders - Of the secrets that are given.
 * @throws {CliError} `CLI_USAGE`
 */
export function authFromFlags(
  args: ParsedArgs,
  placeholders: readonly string[],
): WireAuthScheme | null {
  const given = text(args, "auth");
  const strategy = given === "o-auth2" ? "oauth2" : given;
  refuseStrays(args, strategy);
  switch (strategy) {
    case undefined:
      return null;
    case "header":
      return {
        strategy,
        name: text(args, "header-name") ?? "authorization",
        template: text(args, "value-template") ?? "Bearer {{secret}}",
      };
    case "query":
      return { strategy, name: text(args, "query-param") ?? "api_key", template: "{{secret}}" };
    case "path":
      return { strategy, template: text(args, "path-prefix-template") ?? "/bot{{secret}}" };
    case "basic":
      return {
        strategy,
        username: text(args, "basic-username") ?? "{{username}}",
        password: text(args, "basic-password") ?? "{{password}}",
      };
    case "multi-header":
      return { strategy, headers: named(args, "auth-header") };
    case "multi-query":
      return { strategy, params: named(args, "auth-query") };
    case "oauth2":
      return oauth2(args, strategy, placeholders);
    case "aws-sigv4":
      return awsSigV4(args, strategy, placeholders);
    case "hmac":
      return hmac(args, strategy, placeholders);
    case "mtls": {
      // One secret may hold both, as PEM files often do.
      const [only, second] = placeholders;
      if (second === undefined) return { strategy, certificate: only, privateKey: only };
      const optional = ["passphrase", "ca"].filter((name) => placeholders.includes(name));
      return {
        strategy,
        certificate: "certificate",
        privateKey: "privateKey",
        ...Object.fromEntries(optional.map((name) => [name, name])),
      };
    }
    default:
      throw usageError(`there is no scheme ${strategy}`, `one of ${AUTH_STRATEGIES.join(", ")}`);
  }
}

function hmac(args: ParsedArgs, strategy: "hmac", placeholders: readonly string[]): WireAuthScheme {
  const algorithm = text(args, "hmac-algorithm") ?? "sha256";
  const choices = [
    ["keyEncoding", "hmac-key-encoding"],
    ["signatureEncoding", "hmac-encoding"],
    ["timestamp", "hmac-timestamp"],
  ] as const;
  const chosen = choices.flatMap(([member, flag]) => {
    const value = text(args, flag);
    return value === undefined ? [] : [[member, value] as const];
  });
  const further = list(args, "auth-header").map((pair) => parsePair("auth-header", pair));
  return {
    strategy,
    algorithm,
    // Providers that name the key in a header have two parts; the one that signs is called `key`.
    key: placeholders.includes("key") ? "key" : onlyOne(placeholders, "hmac"),
    message: unescaped(text(args, "hmac-message") ?? "{{method}}\\n{{path}}\\n{{query}}"),
    ...Object.fromEntries(chosen),
    headers: [
      {
        name: text(args, "header-name") ?? "x-signature",
        template: text(args, "value-template") ?? `${algorithm}={{signature}}`,
      },
      ...further.map(([name, template]) => ({ name, template })),
    ],
  };
}

function refuseStrays(args: ParsedArgs, strategy: string | undefined): void {
  const own = SCHEME_FLAGS[strategy ?? ""] ?? [];
  for (const [scheme, flags] of Object.entries(SCHEME_FLAGS)) {
    const stray = flags.find((flag) => args.flags[flag] !== undefined && !own.includes(flag));
    if (stray !== undefined) throw usageError(`--${stray} goes with --auth ${scheme}`);
  }
}

function oauth2(
  args: ParsedArgs,
  strategy: "oauth2",
  placeholders: readonly string[],
): WireAuthScheme {
  const tokenUrl = text(args, "token-endpoint");
  if (tokenUrl === undefined) {
    throw usageError(
      "--auth oauth2 needs --token-endpoint",
      "it is the provider's, such as https://login.example.com/oauth/token; no default is safe",
    );
  }
  const clientAuth = text(args, "client-auth");
  const scopes = list(args, "scope");
  return {
    strategy,
    grants: [text(args, "grant-type") ?? "refresh_token"],
    tokenUrl,
    document: onlyOne(placeholders, strategy),
    ...(clientAuth === undefined ? {} : { clientAuth }),
    ...(scopes.length === 0
      ? {}
      : { scopes: Object.fromEntries(scopes.map((name) => [name, ""])) }),
  };
}

function awsSigV4(
  args: ParsedArgs,
  strategy: "aws-sigv4",
  placeholders: readonly string[],
): WireAuthScheme {
  const needed = ["accessKeyId", "secretAccessKey"];
  if (needed.some((name) => !placeholders.includes(name))) {
    throw usageError(
      "--auth aws-sigv4 needs two secrets",
      "--secret accessKeyId=NAME --secret secretAccessKey=NAME, and sessionToken if there is one",
    );
  }
  const service = text(args, "aws-service") ?? "s3";
  return {
    strategy,
    accessKeyId: "accessKeyId",
    secretAccessKey: "secretAccessKey",
    ...(placeholders.includes("sessionToken") ? { sessionToken: "sessionToken" } : {}),
    services: Object.fromEntries(list(args, "host").map((host) => [host, service])),
    defaultRegion: text(args, "aws-region") ?? "us-east-1",
  };
}

function onlyOne(placeholders: readonly string[], scheme: string): string {
  const [only, second] = placeholders;
  if (only !== undefined && second === undefined) return only;
  throw usageError(`--auth ${scheme} takes one secret`, "name it with --secret-ref");
}

function named(args: ParsedArgs, flag: string): readonly { name: string; template: string }[] {
  const pairs = list(args, flag).map((pair) => parsePair(flag, pair));
  if (pairs.length === 0) throw usageError(`this scheme needs --${flag}`);
  return pairs.map(([name, template]) => ({ name, template }));
}

// A shell's single quotes keep `\\n` as two characters.
function unescaped(message: string): string {
  return message.replaceAll("\\n", "\n");
}
