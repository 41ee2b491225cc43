import { type Command, type Flag, JSON_FLAGS, type Positional } from "../command.ts";

const WHICH: Positional = {
  name: "secret",
  summary: "its name or id",
  required: false,
  completes: "secret",
};
const ID: Flag = {
  name: "id",
  kind: "text",
  value: "ID",
  summary: "its id or name, the older way to say which",
  completes: "secret",
};

const VALUE_FLAGS: readonly Flag[] = [
  {
    name: "value-stdin",
    kind: "switch",
    summary: "read the value from stdin",
    conflicts: ["value", "value-file"],
  },
  {
    name: "value-file",
    kind: "text",
    value: "PATH",
    summary: "read the value from a file",
    conflicts: ["value"],
    completes: "file",
  },
  {
    name: "keep-newline",
    kind: "switch",
    summary: "keep the newline that ends a file or stdin; by default one is trimmed",
  },
  {
    name: "value",
    kind: "text",
    value: "TEXT",
    summary: "the value itself; the shell's history and the process list will have it",
  },
];

const SCOPE_FLAGS: readonly Flag[] = [
  {
    name: "scope",
    kind: "text",
    value: "SCOPE",
    summary: "global, workspace or group",
    choices: ["global", "workspace", "group"],
  },
  { name: "workspace-id", kind: "text", value: "ID", summary: "the workspace of the scope" },
  {
    name: "group-id",
    kind: "text",
    value: "ID",
    summary: "the group of the scope, within the workspace",
  },
];

export const secretCommands: readonly Command[] = [
  {
    words: ["secrets", "create"],
    summary: "store a secret; asks for its value on the terminal",
    details: [
      "A name that a provider claims (OPENAI_API_KEY) ties the secret to that provider's hosts for good, and sets up its credential and capabilities. The first secret makes the vault.",
    ],
    positionals: [
      { name: "name", summary: "its name, for example OPENAI_API_KEY", required: false },
    ],
    flags: [
      { name: "name", kind: "text", value: "NAME", summary: "its name, the older way to say it" },
      ...VALUE_FLAGS,
      { name: "alias", kind: "list", value: "NAME", summary: "another name for it" },
      ...SCOPE_FLAGS,
      ...JSON_FLAGS,
    ],
    examples: [
      { title: "Type or paste the value, unseen", line: "aivault secrets create OPENAI_API_KEY" },
      {
        title: "From another program",
        line: "pass show openai | aivault secrets create OPENAI_API_KEY --value-stdin",
      },
    ],
    load: async () => (await import("../run/secrets.ts")).runCreate,
  },
  {
    words: ["secrets", "list"],
    summary: "list the secrets' names; no command shows a value",
    flags: [...SCOPE_FLAGS, ...JSON_FLAGS],
    load: async () => (await import("../run/secrets.ts")).runList,
  },
  {
    words: ["secrets", "update"],
    summary: "rename a secret, or replace its aliases",
    positionals: [WHICH],
    flags: [
      ID,
      { name: "name", kind: "text", value: "NAME", summary: "its new name" },
      {
        name: "alias",
        kind: "list",
        value: "NAME",
        summary: "an alias; those given replace the ones it has",
        conflicts: ["clear-aliases"],
      },
      { name: "clear-aliases", kind: "switch", summary: "leave it no alias" },
      ...JSON_FLAGS,
    ],
    load: async () => (await import("../run/secrets.ts")).runUpdate,
  },
  {
    words: ["secrets", "rotate"],
    summary: "replace a secret's value; asks for it on the terminal",
    positionals: [WHICH],
    flags: [ID, ...VALUE_FLAGS, ...JSON_FLAGS],
    examples: [{ title: "A new key", line: "aivault secrets rotate OPENAI_API_KEY" }],
    load: async () => (await import("../run/secrets.ts")).runRotate,
  },
  {
    words: ["secrets", "delete"],
    summary: "delete a secret's value for good",
    positionals: [WHICH],
    flags: [
      ID,
      { name: "yes", short: "y", kind: "switch", summary: "do not ask whether it is meant" },
      ...JSON_FLAGS,
    ],
    load: async () => (await import("../run/secrets.ts")).runDelete,
  },
  {
    words: ["secrets", "import"],
    summary: "store several secrets, from a .env file or NAME=VALUE entries",
    details: ["A name that is stored already is rotated. The file is read and not changed."],
    flags: [
      {
        name: "env-file",
        kind: "text",
        value: "PATH",
        summary: "a file of NAME=VALUE lines",
        completes: "file",
      },
      {
        name: "entry",
        kind: "list",
        value: "NAME=VALUE",
        summary: "one secret; the shell's history and the process list will have it",
      },
      ...SCOPE_FLAGS,
      ...JSON_FLAGS,
    ],
    examples: [
      { title: "Move a project's keys in", line: "aivault secrets import --env-file .env" },
    ],
    load: async () => (await import("../run/secrets-import.ts")).runImport,
  },
];
