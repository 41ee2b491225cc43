import { type Command, JSON_FLAGS } from "../command.ts";

export const shellCommands: readonly Command[] = [
  {
    words: ["doctor"],
    summary:
      "check paths, permissions, sockets, groups, the key, the daemon, the clock, the audit log and the environment",
    details: ["Exits 1 when something is wrong. Changes nothing without --fix."],
    flags: [
      {
        name: "fix",
        kind: "switch",
        summary:
          "put right what is safe to: permissions of our own files, sockets that nobody listens on",
      },
      ...JSON_FLAGS,
    ],
    load: async () => (await import("../run/doctor.ts")).runDoctor,
  },
  {
    words: ["completion"],
    summary: "print a completion script for your shell",
    positionals: [
      {
        name: "shell",
        summary: "bash, zsh or fish",
        required: true,
        choices: ["bash", "zsh", "fish"],
      },
    ],
    examples: [
      {
        title: "In ~/.bashrc",
        line: "source <(aivault completion bash)",
        run: "skip, for bash alone",
      },
    ],
    load: async () => (await import("../run/completion.ts")).runCompletion,
  },
];
