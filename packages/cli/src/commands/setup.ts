import { type Command, type Flag, JSON_FLAGS } from "../command.ts";

const DRY_RUN: Flag = {
  name: "dry-run",
  kind: "switch",
  summary: "print what would be done, as shell commands, and do nothing; needs no root",
};
const UNINSTALL: Flag = { name: "uninstall", kind: "switch", summary: "undo it" };
const DAEMON_USER: Flag = {
  name: "daemon-user",
  kind: "text",
  value: "USER",
  summary: "the account that owns the vault; default: whoever calls sudo",
};

export const setupCommands: readonly Command[] = [
  {
    words: ["setup", "agent-access"],
    summary: "let another account of this machine invoke, and do nothing else",
    details: [
      "For root, on Linux and macOS. Makes the group `aivault` with both accounts in it, and the directory of the shared socket, which the group may enter. The agent's account reaches that socket; no file of the vault, no key, and no operator command. Can be run again.",
    ],
    flags: [
      {
        name: "agent-user",
        kind: "text",
        value: "USER",
        required: true,
        summary: "the account that agents run under",
      },
      DAEMON_USER,
      DRY_RUN,
      { ...UNINSTALL, summary: "take the access away; with the last agent, everything" },
      ...JSON_FLAGS,
    ],
    examples: [
      {
        title: "As the owner of the vault",
        line: "sudo aivault setup agent-access --agent-user agent",
        run: "skip, needs root and an account for agents",
      },
    ],
    load: async () => (await import("../run/setup.ts")).runAgentAccess,
  },
  {
    words: ["setup", "systemd"],
    summary: "run the shared daemon from the start of the system (Linux)",
    details: [
      "For root. Writes a unit that runs `aivaultd --shared` as the vault's owner with nothing it does not need, and starts it. Can be run again.",
    ],
    flags: [DAEMON_USER, DRY_RUN, UNINSTALL, ...JSON_FLAGS],
    examples: [
      { title: "See it first", line: 'aivault setup systemd --daemon-user "$(id -un)" --dry-run' },
    ],
    load: async () => (await import("../run/setup.ts")).runSystemd,
  },
  {
    words: ["setup", "launchd"],
    summary: "run the shared daemon whenever you log in (macOS)",
    details: [
      "For the vault's owner, not for root: the daemon runs in your session, where your keychain is open. Can be run again.",
    ],
    flags: [DRY_RUN, UNINSTALL, ...JSON_FLAGS],
    examples: [{ title: "See it first", line: "aivault setup launchd --dry-run" }],
    load: async () => (await import("../run/setup.ts")).runLaunchd,
  },
];
