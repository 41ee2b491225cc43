import { type Command, type Flag, JSON_FLAGS } from "../command.ts";

const PASSPHRASE_FLAGS: readonly Flag[] = [
  {
    name: "passphrase-stdin",
    kind: "switch",
    summary: "read the passphrase from stdin",
    conflicts: ["passphrase", "passphrase-file"],
  },
  {
    name: "passphrase-file",
    kind: "text",
    value: "PATH",
    summary: "read the passphrase from a file",
    conflicts: ["passphrase"],
    completes: "file",
  },
  {
    name: "passphrase",
    kind: "text",
    value: "TEXT",
    summary: "the passphrase itself; the shell's history and the process list will have it",
  },
];

export const vaultCommands: readonly Command[] = [
  {
    words: ["status"],
    summary: "say whether there is a vault, whether it is locked, and where everything is",
    flags: JSON_FLAGS,
    frequent: true,
    load: async () => (await import("../run/status.ts")).runStatus,
  },
  {
    words: ["init"],
    summary: "make a new vault",
    details: [
      "Refuses when there is one already. The key that protects the vault comes from a file of its own (the default), an environment variable that you fill, a passphrase, or the system's keychain. A passphrase vault is locked whenever the daemon starts, until `aivault unlock`.",
    ],
    flags: [
      {
        name: "provider",
        kind: "text",
        value: "KIND",
        summary: "where the vault's key comes from; default: file",
        choices: [
          "file",
          "env",
          "passphrase",
          "macos-keychain",
          "secret-service",
          "credential-manager",
        ],
      },
      {
        name: "file-path",
        kind: "text",
        value: "PATH",
        summary: "where to keep the key file",
        conflicts: ["env-var"],
        completes: "file",
      },
      {
        name: "env-var",
        kind: "text",
        value: "NAME",
        summary: "the variable that holds 32 bytes in base64; default: AIVAULT_KEY",
      },
      {
        name: "keychain-service",
        kind: "text",
        value: "NAME",
        summary: "ignored: the entry is always `aivault`; accepted for older scripts",
      },
      {
        name: "keychain-account",
        kind: "text",
        value: "NAME",
        summary: "ignored: the entry's account follows from the vault; accepted for older scripts",
      },
      ...PASSPHRASE_FLAGS,
      {
        name: "dev",
        kind: "switch",
        summary:
          "a development vault: AIVAULT_DEV_* variables work with it, for good. Not for real keys",
      },
      ...JSON_FLAGS,
    ],
    examples: [
      { title: "The usual", line: "aivault init" },
      {
        title: "A key from a variable",
        line: "aivault init --provider env --env-var MY_VAULT_KEY",
      },
    ],
    load: async () => (await import("../run/init.ts")).runInit,
  },
  {
    words: ["lock"],
    summary: "forget the vault's key until the next unlock; nothing can be invoked meanwhile",
    flags: JSON_FLAGS,
    load: async () => (await import("../run/lock.ts")).runLock,
  },
  {
    words: ["unlock"],
    summary: "obtain the vault's key again; asks for the passphrase if that is where it comes from",
    flags: [...PASSPHRASE_FLAGS, ...JSON_FLAGS],
    load: async () => (await import("../run/lock.ts")).runUnlock,
  },
  {
    words: ["audit"],
    summary: "print the audit log, newest first",
    flags: [
      {
        name: "limit",
        kind: "count",
        value: "N",
        min: 1,
        summary: "how many entries; default: 200",
      },
      {
        name: "before-ts-ms",
        kind: "count",
        value: "MS",
        summary: "only entries before this time, in Unix milliseconds",
      },
      ...JSON_FLAGS,
    ],
    examples: [{ title: "What happened last", line: "aivault audit --limit 5" }],
    load: async () => (await import("../run/audit.ts")).runAudit,
  },
  {
    words: ["audit", "verify"],
    summary: "check that no audit entry was changed, removed or reordered",
    flags: JSON_FLAGS,
    load: async () => (await import("../run/audit.ts")).runAuditVerify,
  },
];
