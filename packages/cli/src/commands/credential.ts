import { AUTH_STRATEGIES } from "../auth-strategies.ts";
import { type Command, JSON_FLAGS, type Positional } from "../command.ts";

const ID: Positional = {
  name: "id",
  summary: "the credential's id",
  required: true,
  completes: "credential",
};

export const credentialCommands: readonly Command[] = [
  {
    words: ["credential", "list"],
    summary: "list credentials: which secret is used how, and where it may go",
    flags: JSON_FLAGS,
    load: async () => (await import("../run/credential.ts")).runList,
  },
  {
    words: ["credential", "create"],
    summary: "say how a secret is used, and which hosts it may go to",
    details: [
      "For a provider that aivault knows, the scheme and hosts are the registry's; storing the secret under the provider's name for it does this by itself.",
    ],
    positionals: [{ name: "id", summary: "an id of your choice", required: true }],
    flags: [
      {
        name: "provider",
        kind: "text",
        value: "NAME",
        required: true,
        summary: "whose credential it is",
      },
      {
        name: "secret-ref",
        kind: "text",
        value: "SECRET",
        summary: "the secret: its name, id, or vault:secret:ID",
        conflicts: ["secret"],
        completes: "secret",
      },
      {
        name: "secret",
        kind: "list",
        value: "PLACEHOLDER=SECRET",
        summary: "one of several secrets, by the placeholder that templates name",
      },
      {
        name: "auth",
        kind: "text",
        value: "SCHEME",
        summary: "how the secret is put into a request",
        choices: AUTH_STRATEGIES,
      },
      {
        name: "header-name",
        kind: "text",
        value: "NAME",
        summary: "with --auth header, default authorization; with hmac, default x-signature",
      },
      {
        name: "value-template",
        kind: "text",
        value: "TEMPLATE",
        summary:
          "with --auth header, default Bearer {{secret}}; with hmac, default the algorithm, = and {{signature}}",
      },
      {
        name: "query-param",
        kind: "text",
        value: "NAME",
        summary: "with --auth query; default: api_key",
      },
      {
        name: "path-prefix-template",
        kind: "text",
        value: "TEMPLATE",
        summary: "with --auth path; default: /bot{{secret}}",
      },
      {
        name: "auth-header",
        kind: "list",
        value: "NAME=TEMPLATE",
        summary: "with --auth multi-header, each header; with hmac, further ones",
      },
      {
        name: "auth-query",
        kind: "list",
        value: "NAME=TEMPLATE",
        summary: "with --auth multi-query, each parameter",
      },
      {
        name: "basic-username",
        kind: "text",
        value: "TEMPLATE",
        summary: "with --auth basic; default: {{username}}",
      },
      {
        name: "basic-password",
        kind: "text",
        value: "TEMPLATE",
        summary: "with --auth basic; default: {{password}}",
      },
      {
        name: "token-endpoint",
        kind: "text",
        value: "URL",
        summary: "with --auth oauth2: where tokens are renewed, https",
      },
      {
        name: "grant-type",
        kind: "text",
        value: "GRANT",
        summary: "with --auth oauth2; default: refresh_token",
        choices: ["refresh_token", "client_credentials", "jwt_bearer", "account_credentials"],
      },
      {
        name: "client-auth",
        kind: "text",
        value: "METHOD",
        summary: "with --auth oauth2; default: client_secret_basic",
        choices: ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
      },
      {
        name: "scope",
        kind: "list",
        value: "SCOPE",
        summary: "with --auth oauth2: an OAuth scope",
      },
      {
        name: "aws-service",
        kind: "text",
        value: "NAME",
        summary: "with --auth aws-sigv4: the signing name; default: s3",
      },
      {
        name: "aws-region",
        kind: "text",
        value: "NAME",
        summary: "with --auth aws-sigv4; default: us-east-1",
      },
      {
        name: "hmac-algorithm",
        kind: "text",
        value: "NAME",
        summary: "with --auth hmac; default: sha256",
        choices: ["sha256", "sha384", "sha512"],
      },
      {
        name: "hmac-message",
        kind: "text",
        value: "TEMPLATE",
        summary:
          "with --auth hmac: what is signed, of {{method}}, {{host}}, {{path}}, {{query}}, {{sorted_query}}, {{path_and_query}}, {{header_content_type}} and the like, {{body}}, {{body_sha256}} (and 384, 512; with _base64), {{timestamp}}, {{nonce}} and other secrets; default: method, path and query, a line each",
      },
      {
        name: "hmac-key-encoding",
        kind: "text",
        value: "NAME",
        summary: "with --auth hmac: how the key is written down; default: utf8",
        choices: ["utf8", "base64", "hex"],
      },
      {
        name: "hmac-encoding",
        kind: "text",
        value: "NAME",
        summary: "with --auth hmac: how the signature is written; default: hex",
        choices: ["hex", "base64", "base64url"],
      },
      {
        name: "hmac-timestamp",
        kind: "text",
        value: "NAME",
        summary: "with --auth hmac: what {{timestamp}} is; default: unix-s",
        choices: ["unix-s", "unix-ms", "iso-8601-ms"],
      },
      {
        name: "max-policy-mode",
        kind: "text",
        value: "MODE",
        summary: "refused: of database credentials, which there are none of",
      },
      { name: "host", kind: "list", value: "HOST", summary: "a host the secret may go to" },
      { name: "workspace-id", kind: "text", value: "ID", summary: "only for this workspace" },
      {
        name: "group-id",
        kind: "text",
        value: "ID",
        summary: "only for this group of the workspace",
      },
      ...JSON_FLAGS,
    ],
    examples: [
      {
        title: "An API of your own",
        before: ["echo example | aivault secrets create ACME_KEY --value-stdin"],
        line: "aivault credential create acme --provider acme --secret-ref ACME_KEY --auth header --host api.acme.example",
      },
    ],
    load: async () => (await import("../run/credential.ts")).runCreate,
  },
  {
    words: ["credential", "delete"],
    summary: "delete a credential; its secrets stay",
    positionals: [ID],
    flags: JSON_FLAGS,
    load: async () => (await import("../run/credential.ts")).runDelete,
  },
];
