/**
 * `setup agent-access`: one group whose members reach the shared socket and nothing else (G21). Pure:
 * from what was found to what is to be done.
 */

import type { Step } from "./step.ts";
import type { Account, DirectoryFacts, Group } from "./system.ts";

/** The group's name, on every system. */
export const GROUP = "aivault";

/** The group enters and connects; only the daemon's account makes and removes sockets. */
export const SHARED_DIRECTORY_MODE = 0o2750;

/** tmpfiles.d(5): `/run` is empty after each start of the system. */
export const TMPFILES = "/etc/tmpfiles.d/aivault.conf";

export interface AgentAccessFacts {
  readonly platform: "linux" | "darwin";
  readonly daemon: Account;
  readonly agent: Account;
  readonly group: Group | null;
  /** The directory of the shared socket. */
  readonly directory: string;
  readonly directoryFacts: DirectoryFacts | null;
  /** {@link TMPFILES} as it is; null when it is missing. */
  readonly tmpfiles: string | null;
}

/** What gives the agent access. */
export function grantSteps(facts: AgentAccessFacts): readonly Step[] {
  const { platform, daemon, agent, group, directory, directoryFacts } = facts;
  const isMember = (name: string) => group?.members.includes(name) === true;
  const add = (name: string): Step => ({
    kind: "command",
    says: `${name} is in the group ${GROUP}`,
    isDone: isMember(name),
    argv:
      platform === "darwin"
        ? ["dseditgroup", "-o", "edit", "-a", name, "-t", "user", GROUP]
        : ["usermod", "-aG", GROUP, name],
  });
  return [
    {
      kind: "command",
      says: `there is a group ${GROUP}`,
      isDone: group !== null,
      argv:
        platform === "darwin"
          ? ["dseditgroup", "-o", "create", GROUP]
          : ["groupadd", "--system", GROUP],
    },
    add(daemon.name),
    add(agent.name),
    {
      kind: "command",
      says: `${directory} belongs to ${daemon.name}, and the group may enter it`,
      isDone:
        group !== null &&
        directoryFacts?.uid === daemon.uid &&
        directoryFacts.gid === group.gid &&
        directoryFacts.mode === SHARED_DIRECTORY_MODE,
      argv: [
        "install",
        "-d",
        "-m",
        SHARED_DIRECTORY_MODE.toString(8),
        "-o",
        daemon.name,
        "-g",
        GROUP,
        directory,
      ],
    },
    ...(isVolatile(directory, platform) ? [keepDirectory(facts)] : []),
  ];
}

/** What takes the agent's access away; with the last agent, everything that {@link grantSteps} made. */
export function revokeSteps(facts: AgentAccessFacts): readonly Step[] {
  const { platform, daemon, agent, group, directory, directoryFacts, tmpfiles } = facts;
  const remove = (name: string): Step => ({
    kind: "command",
    says: `${name} is not in the group ${GROUP}`,
    isDone: group?.members.includes(name) !== true,
    argv:
      platform === "darwin"
        ? ["dseditgroup", "-o", "edit", "-d", name, "-t", "user", GROUP]
        : ["gpasswd", "-d", name, GROUP],
  });
  const others = (group?.members ?? []).filter(
    (name) => name !== agent.name && name !== daemon.name,
  );
  if (others.length > 0) return [remove(agent.name)];
  return [
    remove(agent.name),
    remove(daemon.name),
    {
      kind: "remove",
      says: "there is no shared socket",
      isDone: directoryFacts === null,
      path: `${directory}/aivaultd.sock`,
    },
    {
      kind: "command",
      says: `there is no ${directory}`,
      isDone: directoryFacts === null,
      argv: ["rmdir", directory],
    },
    ...(isVolatile(directory, platform)
      ? [
          {
            kind: "remove",
            says: `there is no ${TMPFILES}`,
            isDone: tmpfiles === null,
            path: TMPFILES,
          } as const,
        ]
      : []),
    {
      kind: "command",
      says: `there is no group ${GROUP}`,
      isDone: group === null,
      argv: platform === "darwin" ? ["dseditgroup", "-o", "delete", GROUP] : ["groupdel", GROUP],
    },
  ];
}

function keepDirectory({ daemon, directory, tmpfiles }: AgentAccessFacts): Step {
  const mode = SHARED_DIRECTORY_MODE.toString(8);
  const content = `d ${directory.replace(/^\/var\/run\//, "/run/")} ${mode} ${daemon.name} ${GROUP} -\n`;
  return {
    kind: "write",
    says: `${TMPFILES} makes the directory again after each start of the system`,
    isDone: tmpfiles === content,
    path: TMPFILES,
    mode: 0o644,
    content,
  };
}

function isVolatile(directory: string, platform: string): boolean {
  return platform === "linux" && /^(\/var)?\/run\//.test(directory);
}

// Membership in one of these is a way to become root, and root reads everything.
const POWERFUL = ["root", "sudo", "wheel", "admin", "docker", "lxd", "libvirt", "disk", "shadow"];

/** Those of `groups` that make the separation of accounts worthless. */
export function powerfulGroups(groups: readonly string[]): readonly string[] {
  return groups.filter((group) => POWERFUL.includes(group));
}
