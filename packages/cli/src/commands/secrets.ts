import { type Command, type Flag, JSON_FLAGS, type Positional } from "../command.ts";
import { YES_FLAG } from "../confirm.ts";
import { SCOPE_FLAGS, secretFlags } from "./secret-flags.ts";

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

const KEEP_NEWLINE: Flag = {
  name: "keep-newline",
  kind: "switch",
  summary: "keep the newline that ends a file or stdin; by default one is trimmed",
};
const VALUE_FLAGS: readonly Flag[] = [...secretFlags("value", "value"), KEEP_NEWLINE];

const GROUP_FLAGS: readonly Flag[] = [
  { name: "workspace-id", kind: "text", value: "ID", required: true, summary: "the workspace" },
  { name: "group-id", kind: "text", value: "ID", required: true, summary: "the group in it" },
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
      {
        title: "Type or paste the value, unseen",
        line: "aivault secrets create ANTHROPIC_API_KEY",
        run: "terminal, types sk-ant-example",
      },
      {
        title: "From another program",
        line: "pass show openai | aivault secrets create OPENAI_API_KEY --value-stdin",
        run: "skip, needs the program pass",
      },
    ],
    load: async () => (await import("../run/secrets.ts")).runCreate,
  },
  {
    words: ["secrets", "list"],
    summary: "list the secrets' names; no command shows a value",
    flags: [
      ...SCOPE_FLAGS,
      { name: "deleted", kind: "switch", summary: "also those that are deleted and not purged" },
      ...JSON_FLAGS,
    ],
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
    examples: [
      {
        title: "A new key",
        line: "aivault secrets rotate OPENAI_API_KEY",
        run: "terminal, types the OpenAI key",
      },
    ],
    load: async () => (await import("../run/secrets.ts")).runRotate,
  },
  {
    words: ["secrets", "delete"],
    summary: "delete a secret's value for good",
    positionals: [WHICH],
    details: [
      "Says first which credentials and capabilities stop working without it, and asks. The name stays taken until `secrets purge`.",
    ],
    flags: [ID, YES_FLAG, ...JSON_FLAGS],
    load: async () => (await import("../run/secrets.ts")).runDelete,
  },
  {
    words: ["secrets", "purge"],
    summary: "remove what a deleted secret left: its record, and its hold on its name",
    positionals: [WHICH],
    flags: [ID, YES_FLAG, ...JSON_FLAGS],
    load: async () => (await import("../run/secrets.ts")).runPurge,
  },
  {
    words: ["secrets", "verify"],
    summary: "prove that a key works, by a harmless call to its provider",
    details: ["Exits 1 when the provider does not take it."],
    positionals: [WHICH],
    flags: [ID, ...JSON_FLAGS],
    examples: [{ title: "Is it still good?", line: "aivault secrets verify OPENAI_API_KEY" }],
    load: async () => (await import("../run/secrets.ts")).runVerify,
  },
  {
    words: ["secrets", "attach-group"],
    summary: "let a group of a workspace use a secret",
    positionals: [WHICH],
    flags: [ID, ...GROUP_FLAGS, ...JSON_FLAGS],
    load: async () => (await import("../run/secrets.ts")).runAttach,
  },
  {
    words: ["secrets", "detach-group"],
    summary: "take a secret away from a group of a workspace",
    positionals: [WHICH],
    flags: [ID, ...GROUP_FLAGS, ...JSON_FLAGS],
    load: async () => (await import("../run/secrets.ts")).runDetach,
  },
  {
    words: ["secrets", "import"],
    summary: "store several secrets, from a .env file or NAME=VALUE entries",
    details: [
      "A name that is stored already is rotated. Empty values and placeholders are left out. On a terminal it shows first which names it recognised, and asks about the others; without one all are stored. With --replace the values that are stored give way to look-alikes in the file, and --undo puts them back octet for octet, for a day, from the same account. Says which providers the names belong to, and never a value. The file is read as dotenv reads it: `export`, comments, single, double and back quotes, `\\n` and other escapes in double quotes, values of several lines; `$NAME` is left as it stands.",
    ],
    flags: [
      {
        name: "env-file",
        kind: "text",
        value: "PATH",
        summary: "a file of NAME=VALUE lines",
        completes: "file",
      },
      {
        name: "all",
        kind: "switch",
        summary: "store names that no provider claims too",
        conflicts: ["recognised"],
      },
      { name: "recognised", kind: "switch", summary: "store only names that a provider claims" },
      {
        name: "replace",
        kind: "switch",
        summary: "replace the stored values in the file by placeholders that look like them",
      },
      {
        name: "undo",
        kind: "switch",
        summary: "put back what --replace took out of the file, octet for octet",
        conflicts: ["entry", "replace", "all", "recognised"],
      },
      YES_FLAG,
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
      {
        title: "Move a project's keys in",
        before: ["echo 'GITHUB_TOKEN=\"example\" # for the bot' > .env"],
        line: "aivault secrets import --env-file .env",
      },
      {
        title: "And leave nothing there to be stolen; then think better of it",
        before: ["printf 'GITHUB_TOKEN=example\\nPORT=8080\\n' > .env"],
        line: "aivault secrets import --env-file .env --recognised --replace && aivault secrets import --undo --env-file .env --yes",
      },
    ],
    load: async () => (await import("../run/secrets-import.ts")).runImport,
  },
];
