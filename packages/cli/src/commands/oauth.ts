import { type Command, JSON_FLAGS } from "../command.ts";

export const oauthCommands: readonly Command[] = [
  {
    words: ["oauth", "setup"],
    summary: "print the address at which a person grants access to an OAuth application",
    details: [
      "The code that the provider gives back is exchanged for tokens outside aivault; the refresh token is then stored as a secret.",
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
