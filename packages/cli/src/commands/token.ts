import { type Command, type Flag, JSON_FLAGS } from "../command.ts";

const count = (name: string, summary: string): Flag => ({
  name,
  kind: "count",
  value: "N",
  min: 1,
  summary,
});

export const tokenCommands: readonly Command[] = [
  {
    words: ["token", "mint"],
    summary: "make a token that may do some things for a while",
    details: [
      "For agents that are not to have all that callers on this machine may do, and for SDKs that insist on a key: the token goes where the key would. It is printed once and kept by nobody.",
    ],
    flags: [
      {
        name: "capability",
        kind: "list",
        value: "ID",
        required: true,
        summary: "what it may invoke: an id, or a pattern such as openai/*",
        completes: "capability",
      },
      {
        name: "credential",
        kind: "text",
        value: "ID",
        summary: "the only credential it may use",
        completes: "credential",
      },
      { name: "workspace-id", kind: "text", value: "ID", summary: "the workspace it acts in" },
      { name: "group-id", kind: "text", value: "ID", summary: "the group of the workspace" },
      {
        name: "ttl",
        kind: "text",
        value: "TIME",
        summary: "how long it lives, such as 90s or 12h; default: 10m",
      },
      count("uses", "how often it may be used"),
      count("rate-limit-per-minute", "calls a minute"),
      count("concurrency", "calls at the same time"),
      count("max-request-body-bytes", "the largest request body"),
      count("max-response-body-bytes", "the largest response body"),
      {
        name: "label",
        kind: "text",
        value: "NAME",
        summary: "what lists, bindings and the audit log call it",
      },
      {
        name: "public-key",
        kind: "text",
        value: "KEY",
        summary: "Ed25519, base64url: each request must be signed with it (RFC 9421)",
      },
      { name: "token-only", kind: "switch", summary: "print the token and nothing else" },
      ...JSON_FLAGS,
    ],
    examples: [
      {
        title: "For an hour, for one thing",
        line: "aivault token mint --capability openai/chat-completions --ttl 1h --label summaries",
      },
    ],
    load: async () => (await import("../run/token.ts")).runMint,
  },
  {
    words: ["token", "list"],
    summary: "list tokens: what they may do and how long, never what they are",
    flags: JSON_FLAGS,
    load: async () => (await import("../run/token.ts")).runList,
  },
  {
    words: ["token", "revoke"],
    summary: "make a token worthless at once, and those derived from it",
    positionals: [
      { name: "id", summary: "the token's id, or its label", required: true, completes: "token" },
    ],
    flags: JSON_FLAGS,
    load: async () => (await import("../run/token.ts")).runRevoke,
  },
];
