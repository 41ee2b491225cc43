import { type Command, type Flag, JSON_FLAGS } from "../command.ts";
import { YES_FLAG } from "../confirm.ts";
import { secretFlags } from "./secret-flags.ts";

const PASSPHRASE_FLAGS = secretFlags("passphrase", "passphrase");
const KEY_PROVIDERS = [
  "file",
  "env",
  "passphrase",
  "macos-keychain",
  "secret-service",
  "credential-manager",
];
const FILE_PATH: Flag = {
  name: "file-path",
  kind: "text",
  value: "PATH",
  summary: "where to keep the key file",
  conflicts: ["env-var"],
  completes: "file",
};
const ENV_VAR: Flag = {
  name: "env-var",
  kind: "text",
  value: "NAME",
  summary: "the variable that holds 32 bytes in base64; default: AIVAULT_KEY",
};

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
      "On a terminal and without flags it asks where the key is to be kept, stores a first secret, and makes a first call. Any flag skips that; --no-guide is one that does nothing else.",
    ],
    flags: [
      {
        name: "no-guide",
        kind: "switch",
        summary: "ask nothing; make a vault with its key in a file",
      },
      {
        name: "provider",
        kind: "text",
        value: "KIND",
        summary: "where the vault's key comes from; default: file",
        choices: KEY_PROVIDERS,
      },
      FILE_PATH,
      ENV_VAR,
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
      {
        title: "The usual, here for a vault in a place of its own",
        before: ['export AIVAULT_DIR="$HOME/vaults/usual"'],
        line: "aivault init",
      },
      {
        title: "A key from a variable",
        before: [
          'export AIVAULT_DIR="$HOME/vaults/env" MY_VAULT_KEY="$(head -c 32 /dev/urandom | base64)"',
        ],
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
    words: ["rotate-master"],
    summary: "give the vault a new key, or keep it in another place from now on",
    details: [
      "Every secret and document is locked with the new key before the old one is given up; if anything interrupts it, the vault still opens. A key file and a keychain entry are replaced by the daemon. A key in a variable is made by you: it is asked for, and the answer says what to set.",
    ],
    flags: [
      {
        name: "to-provider",
        kind: "text",
        value: "KIND",
        summary: "where the key is to come from; default: where it comes from now",
        choices: KEY_PROVIDERS,
      },
      FILE_PATH,
      ENV_VAR,
      ...secretFlags("new-key", "new key, 32 bytes in base64 or hexadecimal, for a variable"),
      ...secretFlags("new-passphrase", "new passphrase"),
      YES_FLAG,
      ...JSON_FLAGS,
    ],
    examples: [
      { title: "A new key, kept where it is now", line: "aivault rotate-master --yes" },
      {
        title: "From a key file to a passphrase",
        line: "aivault rotate-master --to-provider passphrase",
        run: "skip, asks twice",
      },
    ],
    load: async () => (await import("../run/rotate-master.ts")).runRotateMaster,
  },
  {
    words: ["backup", "create"],
    summary: "write the whole vault into one encrypted file, which a passphrase opens",
    details: [
      "Asks for the passphrase twice. The file opens on another machine with nothing but this passphrase, so keep the two apart.",
    ],
    positionals: [{ name: "file", summary: "where to write it; must not exist", required: true }],
    flags: [...PASSPHRASE_FLAGS, ...JSON_FLAGS],
    examples: [
      {
        title: "With a passphrase from a file",
        before: ["echo 'correct horse battery staple' > passphrase"],
        line: "aivault backup create vault.backup --passphrase-file passphrase",
      },
    ],
    load: async () => (await import("../run/backup.ts")).runBackupCreate,
  },
  {
    words: ["backup", "verify"],
    summary: "check that a backup is whole and that the passphrase opens it",
    positionals: [{ name: "file", summary: "the backup", required: true, completes: "file" }],
    flags: [...PASSPHRASE_FLAGS, ...JSON_FLAGS],
    examples: [
      {
        title: "Before it is needed",
        line: "aivault backup verify vault.backup --passphrase-file passphrase",
      },
    ],
    load: async () => (await import("../run/backup.ts")).runBackupVerify,
  },
  {
    words: ["backup", "restore"],
    summary: "make a vault from a backup",
    details: [
      "The vault gets a key of its own, kept where --provider says. Where there is a vault already, nothing is done unless --overwrite is given; that vault is then moved aside. The daemon must not be running.",
    ],
    positionals: [{ name: "file", summary: "the backup", required: true, completes: "file" }],
    flags: [
      { name: "overwrite", kind: "switch", summary: "take the place of the vault that is there" },
      YES_FLAG,
      ...PASSPHRASE_FLAGS,
      {
        name: "provider",
        kind: "text",
        value: "KIND",
        summary: "where the vault's key is to come from; default: file",
        choices: KEY_PROVIDERS,
      },
      FILE_PATH,
      ENV_VAR,
      ...secretFlags("new-passphrase", "passphrase of the restored vault"),
      ...JSON_FLAGS,
    ],
    examples: [
      {
        title: "On another machine",
        before: ['export AIVAULT_DIR="$HOME/vaults/restored"'],
        line: "aivault backup restore vault.backup --passphrase-file passphrase",
      },
    ],
    load: async () => (await import("../run/backup.ts")).runBackupRestore,
  },
  {
    words: ["settings", "list"],
    summary: "show what the operator has set about the daemon",
    flags: JSON_FLAGS,
    load: async () => (await import("../run/settings.ts")).runList,
  },
  {
    words: ["settings", "set"],
    summary: "change one setting; it is sealed in the vault",
    details: [
      "requireToken: callers on this machine need a token too (true or false). lockAfterIdleMs: lock the vault after this long without use (a time such as 15m, or never). tokenTtlMsMax: the longest life of a token (a time). auditDurability: disk syncs each entry before the answer is released, group within 50 ms. auditRetentionDays: how long the audit log is kept (days, or never to keep all).",
      "allowedInternal: services inside your network that capabilities of yours may name, HOST:PORT one after another with commas, or none; HOST:PORT=FILE trusts the certificates in FILE for that service, and no others. Exactly that host and that port, always with TLS: there is no wildcard and no range. What it replaces is withdrawn at once.",
    ],
    positionals: [
      {
        name: "setting",
        summary: "which one",
        required: true,
        choices: [
          "requireToken",
          "lockAfterIdleMs",
          "tokenTtlMsMax",
          "auditDurability",
          "auditRetentionDays",
          "allowedInternal",
        ],
      },
      { name: "value", summary: "its new value", required: true },
    ],
    flags: JSON_FLAGS,
    examples: [
      { title: "Lock when nobody needs it", line: "aivault settings set lockAfterIdleMs 15m" },
      {
        title: "Reach a service inside your network",
        line: "aivault settings set allowedInternal build.internal:8443",
      },
    ],
    load: async () => (await import("../run/settings.ts")).runSet,
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
        summary: "how many entries, of those that the other flags leave; default: 200",
      },
      {
        name: "before-ts-ms",
        kind: "count",
        value: "MS",
        summary: "only entries before this time, in Unix milliseconds",
      },
      { name: "denied", kind: "switch", summary: "only calls that were refused" },
      {
        name: "capability",
        kind: "text",
        value: "ID",
        summary: "only entries about this capability",
        completes: "capability",
      },
      {
        name: "request-id",
        kind: "text",
        value: "ID",
        summary: "only entries of this request; errors have its id, and so do answers",
      },
      ...JSON_FLAGS,
    ],
    examples: [
      { title: "What happened last", line: "aivault audit --limit 5" },
      { title: "Why calls were refused", line: "aivault audit --denied --limit 5" },
    ],
    load: async () => (await import("../run/audit.ts")).runAudit,
  },
  {
    words: ["audit", "verify"],
    summary: "check that no audit entry was changed, removed or reordered",
    flags: JSON_FLAGS,
    load: async () => (await import("../run/audit.ts")).runAuditVerify,
  },
  {
    words: ["audit", "tail"],
    summary: "print audit entries as they are written, until ^C",
    flags: [
      {
        name: "after-seq",
        kind: "count",
        value: "N",
        summary: "begin after this entry; by default only new ones are printed",
      },
      { name: "limit", kind: "count", value: "N", min: 1, summary: "end after N entries" },
      ...JSON_FLAGS,
    ],
    examples: [
      {
        title: "The first three, one JSON text a line",
        line: "aivault audit tail --after-seq 0 --limit 3 --json",
      },
    ],
    load: async () => (await import("../run/audit.ts")).runAuditTail,
  },
  {
    words: ["audit", "checkpoints"],
    summary: "print the signed checkpoints and the key that verifies them, for an auditor",
    flags: JSON_FLAGS,
    load: async () => (await import("../run/audit.ts")).runAuditCheckpoints,
  },
];
