/**
 * `setup launchd`: the agent that runs the shared daemon, in the session of whoever owns the vault:
 * there its keychain is open. Pure: what was found to what is to be done.
 */
import { dirname } from "node:path";
import type { Step } from "./step.ts";

export const LABEL = "com.aivault.aivaultd.shared";

export interface PlistFacts {
  /** Absolute paths. */
  readonly node: string;
  readonly daemon: string;
  readonly logDirectory: string;
  /** The vault is not in the account's home, but here. */
  readonly vaultDirectory: string | null;
}

export interface LaunchdFacts {
  readonly plist: PlistFacts;
  readonly plistPath: string;
  readonly uid: number;
  readonly uninstall: boolean;
  /** The property list that is there; null for none. */
  readonly current: string | null;
  readonly isLoaded: boolean;
}

/** What puts the agent in its place and starts it, or takes it away. */
export function launchdSteps(facts: LaunchdFacts): readonly Step[] {
  const { plist, plistPath, uid, uninstall, current, isLoaded } = facts;
  const target = `gui/${uid}`;
  const launchctl = (says: string, isDone: boolean, ...args: string[]): Step => ({
    kind: "command",
    says,
    isDone,
    argv: ["launchctl", ...args],
  });
  // There is no telling a service that never ran from one that cannot be ended.
  const bootout: Step = {
    ...launchctl("the agent is not loaded", !isLoaded, "bootout", `${target}/${LABEL}`),
    mayFail: true,
  };
  if (uninstall) {
    const isDone = current === null;
    return [bootout, { kind: "remove", says: `there is no ${plistPath}`, isDone, path: plistPath }];
  }
  const content = launchdPlist(plist);
  const isSame = current === content;
  const directory = (path: string, mode: string): Step => ({
    kind: "command",
    says: `there is a directory ${path}`,
    isDone: isSame,
    argv: ["install", "-d", "-m", mode, path],
  });
  return [
    directory(plist.logDirectory, "700"),
    directory(dirname(plistPath), "755"),
    {
      kind: "write",
      says: `${plistPath} is written`,
      isDone: isSame,
      path: plistPath,
      mode: 0o644,
      content,
    },
    ...(isSame ? [] : [bootout]),
    launchctl("the agent is loaded", isSame && isLoaded, "bootstrap", target, plistPath),
    launchctl("it starts at each login", isSame && isLoaded, "enable", `${target}/${LABEL}`),
    launchctl("it runs", isSame && isLoaded, "kickstart", "-k", `${target}/${LABEL}`),
  ];
}

/** The property list, as `plutil -lint` accepts it. */
export function launchdPlist({ node, daemon, logDirectory, vaultDirectory }: PlistFacts): string {
  const environment =
    vaultDirectory === null
      ? ""
      : `  <key>EnvironmentVariables</key>
  <dict>
    <key>AIVAULT_DIR</key>
    <string>${escaped(vaultDirectory)}</string>
  </dict>
`;
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${LABEL}</string>
  <key>ProgramArguments</key>
  <array>
    <string>${escaped(node)}</string>
    <string>${escaped(daemon)}</string>
    <string>--shared</string>
  </array>
${environment}  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ProcessType</key>
  <string>Interactive</string>
  <key>Umask</key>
  <integer>63</integer>
  <key>HardResourceLimits</key>
  <dict>
    <key>Core</key>
    <integer>0</integer>
  </dict>
  <key>StandardOutPath</key>
  <string>${escaped(`${logDirectory}/aivaultd.log`)}</string>
  <key>StandardErrorPath</key>
  <string>${escaped(`${logDirectory}/aivaultd.err.log`)}</string>
</dict>
</plist>
`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string);
}
