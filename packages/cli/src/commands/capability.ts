import { type Command, type Flag, JSON_FLAGS, type Positional, TOKEN_FLAG } from "../command.ts";
import { SCOPE_FLAGS } from "./secret-flags.ts";

const ID: Positional = {
  name: "id",
  summary: "the capability's id",
  required: true,
  completes: "capability",
};

const WHICH: Positional = { ...ID, required: false };
const CAPABILITY: Flag = {
  name: "capability",
  kind: "text",
  value: "ID",
  summary: "the capability's id, the older way to say which",
  completes: "capability",
};
const CONSUMER: Flag = {
  name: "consumer",
  kind: "text",
  value: "NAME",
  summary: "only for this token, by its label or id; default: for everybody",
};

export const capabilityCommands: readonly Command[] = [
  {
    words: ["capability", "list"],
    summary: "list what can be invoked, and what could be with another secret",
    flags: [
      { name: "ready", kind: "switch", summary: "only those that work now" },
      {
        name: "provider",
        kind: "text",
        value: "NAME",
        summary: "only those of one provider",
        completes: "provider",
      },
      TOKEN_FLAG,
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
    flags: [TOKEN_FLAG, ...JSON_FLAGS],
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
      {
        name: "require-query",
        kind: "list",
        value: "NAME=VALUE",
        summary: "a parameter that must be there once, with this value",
      },
      {
        name: "forbid-query",
        kind: "list",
        value: "NAME",
        summary: "a parameter that must not be there",
      },
      {
        name: "allow-query",
        kind: "list",
        value: "NAME",
        summary: "a parameter that may be there; no other may then, but the required ones",
      },
      {
        name: "encoded-slash",
        kind: "switch",
        summary: "also admit %2F inside a segment, for services whose ids have slashes",
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
  {
    words: ["capability", "policy", "set"],
    summary: "limit how a capability may be used",
    details: ["Replaces the whole policy: what is not given is not limited."],
    positionals: [WHICH],
    flags: [
      CAPABILITY,
      {
        name: "rate-limit-per-minute",
        kind: "count",
        value: "N",
        min: 1,
        summary: "calls a minute",
      },
      { name: "concurrency", kind: "count", value: "N", min: 1, summary: "calls at the same time" },
      {
        name: "max-request-body-bytes",
        kind: "count",
        value: "N",
        min: 1,
        summary: "the largest request body",
      },
      {
        name: "max-response-body-bytes",
        kind: "count",
        value: "N",
        min: 1,
        summary: "the largest response body",
      },
      {
        name: "max-duration",
        kind: "text",
        value: "TIME",
        summary: "of a whole call, such as 60s",
      },
      { name: "max-idle", kind: "text", value: "TIME", summary: "without a byte, such as 10s" },
      {
        name: "response-block",
        kind: "list",
        value: "NAME",
        summary: "a JSON member whose value callers do not get to see, at any depth",
      },
      {
        name: "follow-redirects",
        kind: "switch",
        summary: "follow redirects within the capability's own rules, instead of handing them on",
      },
      {
        name: "redirect-host",
        kind: "list",
        value: "HOST",
        summary: "with --follow-redirects, a further host they may lead to, without the credential",
      },
      ...JSON_FLAGS,
    ],
    examples: [
      {
        title: "Sixty calls a minute, one megabyte each",
        line: "aivault capability policy set openai/chat-completions --rate-limit-per-minute 60 --max-request-body-bytes 1048576",
      },
    ],
    load: async () => (await import("../run/capability-policy.ts")).runSet,
  },
  {
    words: ["capability", "policy", "show"],
    summary: "print the limits of a capability",
    positionals: [WHICH],
    flags: [CAPABILITY, ...JSON_FLAGS],
    load: async () => (await import("../run/capability-policy.ts")).runShow,
  },
  {
    words: ["capability", "policy", "delete"],
    summary: "lift the limits of a capability",
    positionals: [WHICH],
    flags: [CAPABILITY, ...JSON_FLAGS],
    load: async () => (await import("../run/capability-policy.ts")).runDelete,
  },
  {
    words: ["capability", "bind"],
    summary: "choose which credential or secret a capability uses, and for whom",
    details: [
      "Where no credential is named in a call, the most particular binding decides: of the group before the workspace before everywhere, for one consumer before everybody.",
    ],
    positionals: [
      {
        name: "id",
        summary: "the capability's id, or a pattern such as openai/*",
        required: false,
      },
    ],
    flags: [
      CAPABILITY,
      {
        name: "credential",
        kind: "text",
        value: "ID",
        summary: "the credential to use",
        conflicts: ["secret-ref"],
        completes: "credential",
      },
      {
        name: "secret-ref",
        kind: "text",
        value: "SECRET",
        summary: "or the secret: whichever credential has it",
        completes: "secret",
      },
      ...SCOPE_FLAGS,
      CONSUMER,
      ...JSON_FLAGS,
    ],
    examples: [
      {
        title: "One credential for all of a provider",
        line: "aivault capability bind 'openai/*' --credential openai",
      },
    ],
    load: async () => (await import("../run/bindings.ts")).runBind,
  },
  {
    words: ["capability", "unbind"],
    summary: "remove a binding, named by its id or by what it says",
    positionals: [{ name: "binding", summary: "the binding's id", required: false }],
    flags: [CAPABILITY, ...SCOPE_FLAGS, CONSUMER, ...JSON_FLAGS],
    load: async () => (await import("../run/bindings.ts")).runUnbind,
  },
  {
    words: ["capability", "bindings"],
    summary: "list bindings",
    flags: [CAPABILITY, ...SCOPE_FLAGS, CONSUMER, ...JSON_FLAGS],
    load: async () => (await import("../run/bindings.ts")).runList,
  },
];
