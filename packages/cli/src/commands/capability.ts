import { type Command, JSON_FLAGS, type Positional } from "../command.ts";

const ID: Positional = {
  name: "id",
  summary: "the capability's id",
  required: true,
  completes: "capability",
};

export const capabilityCommands: readonly Command[] = [
  {
    words: ["capability", "list"],
    summary: "list what can be invoked, and what could be with another secret",
    flags: [
      { name: "ready", kind: "switch", summary: "only those that work now" },
      { name: "provider", kind: "text", value: "NAME", summary: "only those of one provider" },
      ...JSON_FLAGS,
    ],
    load: async () => (await import("../run/capability.ts")).runList,
  },
  {
    words: ["capability", "describe"],
    aliases: [
      ["capability", "args"],
      ["capability", "shape"],
      ["capability", "inspect"],
    ],
    summary: "say what a capability allows and how to call it",
    positionals: [ID],
    flags: JSON_FLAGS,
    examples: [
      {
        title: "Before the first call",
        line: "aivault capability describe openai/chat-completions",
      },
    ],
    load: async () => (await import("../run/capability.ts")).runDescribe,
  },
  {
    words: ["capability", "create"],
    summary: "allow methods and paths at one host, under a name of your own",
    positionals: [
      { name: "id", summary: "provider/name, for example acme/orders", required: true },
    ],
    flags: [
      { name: "provider", kind: "text", value: "NAME", summary: "whose capability it is" },
      {
        name: "credential",
        kind: "text",
        value: "ID",
        summary: "take provider and host from this credential",
        completes: "credential",
      },
      {
        name: "method",
        kind: "list",
        value: "METHOD",
        required: true,
        summary: "an allowed method",
      },
      { name: "path", kind: "list", value: "PATH", required: true, summary: "an allowed path" },
      {
        name: "match",
        kind: "text",
        value: "KIND",
        choices: ["prefix", "exact", "pattern"],
        summary: "prefix: the path and all below it (the default); exact; pattern: /a/{id}/b",
      },
      { name: "host", kind: "list", value: "HOST", summary: "the host; exactly one" },
      { name: "description", kind: "text", value: "TEXT", summary: "what it is for" },
      {
        name: "risk",
        kind: "text",
        value: "RISK",
        choices: ["read", "write", "destructive", "spend"],
        summary: "what its use can cost; default: write",
      },
      ...JSON_FLAGS,
    ],
    examples: [
      {
        title: "Read orders, nothing else",
        line: "aivault capability create acme/orders --credential acme --method GET --path /v1/orders --risk read",
      },
    ],
    load: async () => (await import("../run/capability.ts")).runCreate,
  },
  {
    words: ["capability", "delete"],
    summary: "delete a capability of your own making",
    positionals: [{ ...ID }],
    flags: JSON_FLAGS,
    load: async () => (await import("../run/capability.ts")).runDelete,
  },
];
