/**
 * `setup systemd`: the unit that runs the shared daemon. Pure: what was found to what is to be done.
 */
import { GROUP, SHARED_DIRECTORY_MODE } from "./agent-access.ts";
import type { Step } from "./step.ts";

export const UNIT = "aivaultd-shared.service";
export const UNIT_PATH = `/etc/systemd/system/${UNIT}`;

export interface UnitFacts {
  /** The account that owns the vault. */
  readonly user: string;
  readonly home: string;
  /** Absolute paths. */
  readonly node: string;
  readonly daemon: string;
  /** The vault is not in the account's home, but here. */
  readonly vaultDirectory: string | null;
  /** In `/run`, by systemd's own means; a directory elsewhere has to be there. */
  readonly sharedDirectory: string;
}

export interface SystemdFacts {
  readonly unit: UnitFacts;
  readonly uninstall: boolean;
  readonly systemdRuns: boolean;
  /** The unit that is there; null for none. */
  readonly current: string | null;
  readonly isEnabled: boolean;
  readonly isActive: boolean;
}

/** What puts the unit in its place and starts it, or takes it away. */
export function systemdSteps(facts: SystemdFacts): readonly Step[] {
  const { unit, uninstall, systemdRuns, current, isEnabled, isActive } = facts;
  const systemctl = (says: string, isDone: boolean, ...args: string[]): readonly Step[] =>
    systemdRuns ? [{ kind: "command", says, isDone, argv: ["systemctl", ...args] }] : [];
  if (uninstall) {
    const isGone = current === null;
    return [
      ...systemctl(`${UNIT} is stopped and disabled`, isGone, "disable", "--now", UNIT),
      { kind: "remove", says: `there is no ${UNIT_PATH}`, isDone: isGone, path: UNIT_PATH },
      ...systemctl("systemd has read its units anew", isGone, "daemon-reload"),
    ];
  }
  const content = systemdUnit(unit);
  const isSame = current === content;
  return [
    {
      kind: "write",
      says: `${UNIT_PATH} is written`,
      isDone: isSame,
      path: UNIT_PATH,
      mode: 0o644,
      content,
    },
    ...systemctl("systemd has read its units anew", isSame, "daemon-reload"),
    ...systemctl(`${UNIT} starts with the system`, isEnabled, "enable", UNIT),
    ...systemctl(`${UNIT} runs`, isSame && isActive, "restart", UNIT),
  ];
}

/** The unit's text. `systemd-analyze verify` finds nothing to say about it. */
export function systemdUnit(facts: UnitFacts): string {
  const { user, node, daemon, vaultDirectory, sharedDirectory } = facts;
  const runtime = /^(?:\/var)?\/run\/([\w.-]+)$/.exec(sharedDirectory)?.[1];
  return `# Made by \`aivault setup systemd\`; a second run writes it anew. Changes belong into
# \`systemctl edit ${UNIT}\`.

[Unit]
Description=aivault daemon for the accounts of group ${GROUP}
Documentation=https://github.com/aivault/aivault
After=network-online.target
Wants=network-online.target

[Service]
Type=simple
User=${user}
Group=${GROUP}
UMask=0077
ExecStart=${commandWord(node)} ${commandWord(daemon)} --shared
${vaultDirectory === null ? "" : `Environment=${word(`AIVAULT_DIR=${vaultDirectory}`)}\n`}UnsetEnvironment=NODE_OPTIONS NODE_EXTRA_CA_CERTS NODE_TLS_REJECT_UNAUTHORIZED SSLKEYLOGFILE
Restart=on-failure
RestartSec=1
# Running calls are given this long to finish.
TimeoutStopSec=30
${runtime === undefined ? "" : `RuntimeDirectory=${runtime}\nRuntimeDirectoryMode=${SHARED_DIRECTORY_MODE.toString(8)}\n`}
# A core dump would hold keys.
LimitCORE=0
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
# All of the file system is read-only but the vault.
ProtectSystem=strict
${homeRules(facts)}
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RemoveIPC=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
# Netlink is how the resolver learns which addresses this machine has.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
# No MemoryDenyWriteExecute: V8 compiles JavaScript to machine code while it runs, and needs memory
# that is first written and then executed. With it, Node does not start.

[Install]
WantedBy=multi-user.target
`;
}

/**
 * What the daemon sees of homes: nothing but its vault, where that is enough; else all, to read. A Node
 * or an aivault that is installed in a home would vanish with the rest of it.
 */
function homeRules({ home, node, daemon, vaultDirectory }: UnitFacts): string {
  const vault = vaultDirectory ?? `${home}/.aivault`;
  const isHidden = (path: string) => /^\/(home|root|run\/user)\//.test(`${path}/`);
  if (isHidden(node) || isHidden(daemon)) {
    return `# Node or aivaultd is installed in a home, so homes can be read.
ProtectHome=read-only
ReadWritePaths=${word(vault)}`;
  }
  if (isHidden(vault)) {
    return `# Of all homes it sees the vault only.
ProtectHome=tmpfs
BindPaths=${word(vault.replaceAll(":", "\\:"))}`;
  }
  return `ProtectHome=yes
ReadWritePaths=${word(vault)}`;
}

/** A word as systemd.syntax(7) reads it back: `%` doubled, and quotes where there are blanks. */
function word(text: string): string {
  const plain = text.replaceAll("%", "%%");
  if (/^[\w@%+=:,./$-]+$/.test(plain)) return plain;
  return `"${plain.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** The same in a command line, where `$` would begin a variable. */
function commandWord(text: string): string {
  return word(text.replaceAll("$", "$$$$"));
}
