import { type Command, type Example, type Flag, type Positional, TOKEN_FLAG } from "../command.ts";

const CAPABILITY: Positional = {
  name: "capability",
  summary: "which capability to use, for example openai/chat-completions",
  required: true,
  completes: "capability",
};

const BODY_MODES = ["body", "body-file-path", "multipart-field", "multipart-file"];
const PAYLOAD_CONFLICTS = ["method", "path", "header", ...BODY_MODES];

const INVOKE_FLAGS: readonly Flag[] = [
  {
    name: "method",
    short: "X",
    kind: "text",
    value: "METHOD",
    summary: "HTTP method; may be left out when the capability allows only one",
  },
  {
    name: "path",
    kind: "text",
    value: "PATH",
    summary: "path and query at the provider; may be left out when the capability allows only one",
  },
  {
    name: "header",
    short: "H",
    kind: "list",
    value: "HEADER",
    summary: "a request header, 'Name: value' or NAME=VALUE",
  },
  {
    name: "body",
    short: "d",
    kind: "text",
    value: "TEXT",
    summary: "the request body; JSON gets `content-type: application/json` unless one is given",
    conflicts: ["body-file-path", "multipart-field", "multipart-file"],
  },
  {
    name: "body-file-path",
    kind: "text",
    value: "PATH",
    summary: "stream the body from a file, or from stdin with `-`",
    conflicts: ["multipart-field", "multipart-file"],
    completes: "file",
  },
  { name: "multipart-field", kind: "list", value: "NAME=VALUE", summary: "a form field" },
  {
    name: "multipart-file",
    kind: "list",
    value: "FIELD=PATH",
    summary: "a form file, read with your own rights and streamed",
    completes: "file",
  },
  {
    name: "request",
    kind: "text",
    value: "JSON",
    summary: "the whole request, or an envelope {capability, credential?, request}, as JSON",
    conflicts: [...PAYLOAD_CONFLICTS, "request-file"],
  },
  {
    name: "request-file",
    kind: "text",
    value: "PATH",
    summary: "the same from a file, or from stdin with `-`",
    conflicts: PAYLOAD_CONFLICTS,
    completes: "file",
  },
  {
    name: "credential",
    kind: "text",
    value: "ID",
    summary: "which credential to use when several fit",
    completes: "credential",
  },
  TOKEN_FLAG,
  {
    name: "timeout-ms",
    kind: "count",
    value: "N",
    min: 1,
    summary: "end the whole call after N ms",
  },
  { name: "dry-run", kind: "switch", summary: "decide and show the planned request; send nothing" },
  {
    name: "fail",
    short: "f",
    kind: "switch",
    summary: "exit 1 when the provider answers 400 or above",
  },
  {
    name: "workspace-id",
    kind: "text",
    value: "ID",
    summary: "refused: a call acts in the workspace of its token or credential",
  },
  {
    name: "group-id",
    kind: "text",
    value: "ID",
    summary: "refused, like --workspace-id",
  },
  {
    name: "client-ip",
    kind: "text",
    value: "IP",
    summary: "ignored: the daemon knows who calls; accepted for older scripts",
  },
];

const CHAT: Example = {
  title: "Ask a model",
  line: `aivault json openai/chat-completions --body '{"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Say hello."}]}'`,
};

export const invokeCommands: readonly Command[] = [
  {
    words: ["invoke"],
    aliases: [
      ["capability", "invoke"],
      ["capability", "call"],
    ],
    summary: "call a provider; print what it answers, as it arrives",
    details: [
      "The provider's key is added by the daemon and never comes here. The answer goes to stdout as it is, also when it is binary; its status is an answer, so the exit status is 0 unless --fail is given.",
    ],
    positionals: [CAPABILITY],
    flags: [
      ...INVOKE_FLAGS,
      {
        name: "include",
        short: "i",
        kind: "switch",
        summary: "print the status line and headers first",
      },
      {
        name: "stream",
        kind: "switch",
        summary: "accepted for older scripts: an answer is always printed as it arrives",
      },
    ],
    examples: [
      { title: "One path, one method: nothing else to say", line: "aivault invoke openai/models" },
      {
        title: "Upload a file",
        before: ["echo 'Remember the milk.' > notes.txt"],
        line: "aivault invoke openai/files --method POST --path /v1/files --multipart-field purpose=assistants --multipart-file file=notes.txt",
      },
      {
        title: "See what would be sent",
        line: "aivault invoke openai/models --dry-run",
      },
    ],
    frequent: true,
    load: async () => (await import("../run/invoke.ts")).runInvoke,
  },
  {
    words: ["json"],
    aliases: [["capability", "json"]],
    summary: "call a provider; print {planned, response: {status, json}}",
    positionals: [CAPABILITY],
    flags: INVOKE_FLAGS,
    examples: [CHAT],
    frequent: true,
    load: async () => (await import("../run/invoke.ts")).runJson,
  },
  {
    words: ["markdown"],
    aliases: [["md"], ["capability", "markdown"], ["capability", "md"]],
    summary: "call a provider; print its JSON as Markdown for a language model",
    details: [
      "The answer is data from outside. Wrappers are marked with a random word, so that nothing in the answer can end one early; tell the model that text inside them is not instructions.",
    ],
    positionals: [CAPABILITY],
    flags: [
      ...INVOKE_FLAGS,
      {
        name: "namespace",
        kind: "text",
        value: "NAME",
        summary: "wrap the whole answer under this name",
      },
      {
        name: "exclude-field",
        kind: "list",
        value: "NAME",
        summary: "leave this member out, at any depth",
      },
      { name: "wrap-field", kind: "list", value: "NAME", summary: "wrap the text of this member" },
    ],
    frequent: true,
    load: async () => (await import("../run/markdown.ts")).runMarkdown,
  },
];
