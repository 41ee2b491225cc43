import { type Command, JSON_FLAGS } from "../command.ts";

export const oauthCommands: readonly Command[] = [
  {
    words: ["oauth", "login"],
    summary: "log in to a provider in a browser, and keep what renews the login",
    details: [
      "Register an application at the provider first, and give its client id; its client secret, if it has one, is asked for. The address to consent at is printed, and opened only if you say so. The provider sends the browser back to this machine, the daemon exchanges the code (with PKCE), and the refresh token becomes the provider's secret in the vault. No token is printed. To log in again, the name of the provider is enough: client id and secret are known.",
      "On a machine without a browser use --device, where the provider has it, or --paste: open the address anywhere, and paste the one that the browser ends at.",
    ],
    positionals: [
      { name: "provider", summary: "the provider's id", required: true, completes: "provider" },
    ],
    flags: [
      {
        name: "client-id",
        kind: "text",
        value: "ID",
        summary: "your application's id at the provider; default: the one of the last login",
      },
      {
        name: "client-secret-stdin",
        kind: "switch",
        summary: "read its client secret from stdin",
        conflicts: ["client-secret-file", "public"],
      },
      {
        name: "client-secret-file",
        kind: "text",
        value: "PATH",
        summary: "read its client secret from a file",
        conflicts: ["public"],
        completes: "file",
      },
      { name: "public", kind: "switch", summary: "the application has no client secret" },
      {
        name: "scope",
        kind: "list",
        value: "SCOPE",
        summary: "what access is asked for; default: what the provider's capabilities need",
      },
      {
        name: "redirect-uri",
        kind: "text",
        value: "URL",
        summary:
          "the address of this machine that is registered at the provider; default: http://127.0.0.1, a free port, /callback",
        conflicts: ["device"],
      },
      {
        name: "device",
        kind: "switch",
        summary: "consent on another device, with a code to type there",
        conflicts: ["paste", "open"],
      },
      {
        name: "paste",
        kind: "switch",
        summary: "ask for the address that the browser ends at, instead of listening for it",
        conflicts: ["open"],
      },
      { name: "open", kind: "switch", summary: "open the browser without asking" },
      { name: "no-verify", kind: "switch", summary: "do not try the login with a harmless call" },
      ...JSON_FLAGS,
    ],
    examples: [
      {
        title: "With an application registered at Spotify",
        line: "aivault oauth login spotify --client-id 8f3c0d",
        run: "skip, needs a person at the provider",
      },
      {
        title: "Once the login has ended",
        line: "aivault oauth login spotify",
        run: "skip, needs a person at the provider",
      },
    ],
    load: async () => (await import("../run/oauth-login.ts")).runLogin,
  },
  {
    words: ["oauth", "setup"],
    summary: "print the address at which a person grants access to an OAuth application",
    details: [
      "For scripts of the earlier aivault; `oauth login` does the whole thing. The code that the provider gives back is exchanged for tokens outside aivault; the refresh token is then stored as a secret.",
    ],
    flags: [
      {
        name: "provider",
        kind: "text",
        value: "NAME",
        required: true,
        summary: "whose access it is",
      },
      {
        name: "auth-url",
        kind: "text",
        value: "URL",
        required: true,
        summary: "the provider's authorisation endpoint, https",
      },
      {
        name: "client-id",
        kind: "text",
        value: "ID",
        required: true,
        summary: "your application's id at the provider",
      },
      {
        name: "redirect-uri",
        kind: "text",
        value: "URL",
        required: true,
        summary: "where the provider sends the code, as registered there",
      },
      { name: "scope", kind: "list", value: "SCOPE", summary: "what access is asked for" },
      {
        name: "state",
        kind: "text",
        value: "TEXT",
        summary: "what the provider gives back with the code; default: a random one",
      },
      ...JSON_FLAGS,
    ],
    examples: [
      {
        title: "Read access to mail",
        line: "aivault oauth setup --provider google --auth-url https://accounts.google.com/o/oauth2/v2/auth --client-id my-app --redirect-uri http://127.0.0.1:8910/callback --scope https://www.googleapis.com/auth/gmail.readonly",
      },
    ],
    load: async () => (await import("../run/oauth.ts")).runSetup,
  },
];
