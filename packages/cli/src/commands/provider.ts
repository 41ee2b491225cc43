import { type Command, JSON_FLAGS } from "../command.ts";
import { YES_FLAG } from "../confirm.ts";

export const providerCommands: readonly Command[] = [
  {
    words: ["provider", "list"],
    summary: "list the providers that aivault knows",
    flags: JSON_FLAGS,
    load: async () => (await import("../run/provider.ts")).runList,
  },
  {
    words: ["provider", "describe"],
    summary: "print a provider's definition: its secrets, hosts and capabilities",
    positionals: [
      { name: "id", summary: "the provider's id", required: true, completes: "provider" },
    ],
    flags: JSON_FLAGS,
    examples: [{ title: "What a provider needs", line: "aivault provider describe openai" }],
    load: async () => (await import("../run/provider.ts")).runDescribe,
  },
  {
    words: ["provider", "add"],
    summary: "add a provider of your own from its definition",
    details: [
      "The definition is JSON as in the registry; docs/registry.md describes it. It may not claim the secret names or hosts of a provider that is built in.",
    ],
    positionals: [
      { name: "file", summary: "the definition; `-` for stdin", required: true, completes: "file" },
    ],
    flags: JSON_FLAGS,
    load: async () => (await import("../run/provider.ts")).runAdd,
  },
  {
    words: ["provider", "install"],
    summary: "the older spelling of `provider add`",
    positionals: [
      { name: "id", summary: "the provider's id", required: true, completes: "provider" },
    ],
    flags: [
      {
        name: "from",
        kind: "text",
        value: "PATH",
        required: true,
        summary: "the definition",
        completes: "file",
      },
      {
        name: "enable",
        kind: "switch",
        summary: "ignored: a provider that is added works; accepted for older scripts",
      },
      ...JSON_FLAGS,
    ],
    load: async () => (await import("../run/provider.ts")).runInstall,
  },
  {
    words: ["provider", "enable"],
    summary: "say that a provider may be used, which is so once it is there; for older scripts",
    positionals: [
      { name: "id", summary: "the provider's id", required: true, completes: "provider" },
    ],
    flags: JSON_FLAGS,
    load: async () => (await import("../run/provider.ts")).runEnable,
  },
  {
    words: ["provider", "disable"],
    summary: "refused, with what does it instead; for older scripts",
    positionals: [
      { name: "id", summary: "the provider's id", required: true, completes: "provider" },
    ],
    flags: JSON_FLAGS,
    load: async () => (await import("../run/provider.ts")).runDisable,
  },
  {
    words: ["provider", "remove"],
    summary: "remove a provider of your own",
    positionals: [
      { name: "id", summary: "the provider's id", required: true, completes: "provider" },
    ],
    flags: [YES_FLAG, ...JSON_FLAGS],
    load: async () => (await import("../run/provider.ts")).runRemove,
  },
];
