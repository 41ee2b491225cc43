import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type AgentAccessFacts, grantSteps, powerfulGroups, revokeSteps } from "./agent-access.ts";
import { LABEL, launchdPlist, launchdSteps } from "./launchd.ts";
import { type Step, shellLines } from "./step.ts";
import { systemdSteps, systemdUnit, UNIT } from "./systemd.ts";

const shell = (steps: readonly Step[]) =>
  steps.filter(({ isDone }) => !isDone).flatMap((step) => shellLines(step));

const nothing: AgentAccessFacts = {
  platform: "linux",
  daemon: { name: "op", uid: 1000, home: "/home/op" },
  agent: { name: "agent", uid: 1001, home: "/home/agent" },
  group: null,
  directory: "/var/run/aivault",
  directoryFacts: null,
  tmpfiles: null,
};
const done: AgentAccessFacts = {
  ...nothing,
  group: { gid: 900, members: ["op", "agent"] },
  directoryFacts: { uid: 1000, gid: 900, mode: 0o2750 },
  tmpfiles: "d /run/aivault 2750 op aivault -\n",
};

describe("grantSteps", () => {
  it("makes group, members and directory on Linux", () => {
    expect(shell(grantSteps(nothing))).toEqual([
      "groupadd --system aivault",
      "usermod -aG aivault op",
      "usermod -aG aivault agent",
      "install -d -m 2750 -o op -g aivault /var/run/aivault",
      "install -m 0644 /dev/stdin /etc/tmpfiles.d/aivault.conf <<'EOF'",
      "d /run/aivault 2750 op aivault -",
      "EOF",
    ]);
  });

  it("makes them on macOS", () => {
    const directory = "/Users/Shared/aivault/run";
    expect(shell(grantSteps({ ...nothing, platform: "darwin", directory }))).toEqual([
      "dseditgroup -o create aivault",
      "dseditgroup -o edit -a op -t user aivault",
      "dseditgroup -o edit -a agent -t user aivault",
      "install -d -m 2750 -o op -g aivault /Users/Shared/aivault/run",
    ]);
  });

  it("has nothing left to do the second time", () => {
    expect(shell(grantSteps(done))).toEqual([]);
  });

  it.each([0o2770, 0o2755, 0o750])("puts a directory of mode %o right", (mode) => {
    const directoryFacts = { uid: 1000, gid: 900, mode };
    expect(shell(grantSteps({ ...done, directoryFacts }))).toEqual([
      "install -d -m 2750 -o op -g aivault /var/run/aivault",
    ]);
  });
});

describe("revokeSteps", () => {
  it("takes one agent out and leaves the others", () => {
    const group = { gid: 900, members: ["op", "agent", "second"] };
    expect(shell(revokeSteps({ ...done, group }))).toEqual(["gpasswd -d agent aivault"]);
  });

  it("undoes everything with the last one", () => {
    expect(shell(revokeSteps(done))).toEqual([
      "gpasswd -d agent aivault",
      "gpasswd -d op aivault",
      "rm -f /var/run/aivault/aivaultd.sock",
      "rmdir /var/run/aivault",
      "rm -f /etc/tmpfiles.d/aivault.conf",
      "groupdel aivault",
    ]);
    expect(shell(revokeSteps(nothing))).toEqual([]);
  });
});

it("names the groups from which one becomes root", () => {
  expect(powerfulGroups(["agent", "docker", "sudo", "users"])).toEqual(["docker", "sudo"]);
});

const unit = {
  user: "op",
  home: "/home/op",
  node: "/usr/bin/node",
  daemon: "/usr/lib/node_modules/@aivault/daemon/dist/main.js",
  vaultDirectory: null,
  sharedDirectory: "/var/run/aivault",
};

const analyze = spawnSync("systemd-analyze", ["--version"]);
if (analyze.status !== 0) {
  process.stderr.write("SKIPPED: systemd-analyze is not installed; the unit is not verified\n");
}

describe("systemdUnit", () => {
  it("is this text", () => {
    expect(systemdUnit(unit)).toMatchSnapshot();
  });

  it.skipIf(analyze.status !== 0).each([
    ["with the vault in its owner's home", unit],
    ["with Node in a home", { ...unit, node: "/home/op/.nvm/node" }],
    ["with a vault of its own place", { ...unit, vaultDirectory: "/srv/va ult%$1" }],
  ])("passes systemd-analyze verify %s", (_, facts) => {
    const directory = mkdtempSync(join(tmpdir(), "aivault-unit-"));
    try {
      const path = join(directory, UNIT);
      // The program has to be there for the check, and root is an account everywhere.
      const text = systemdUnit({ ...facts, user: "root" })
        .replace("Group=aivault", "Group=root")
        .replace(/^ExecStart=.*$/m, "ExecStart=/bin/true x --shared");
      writeFileSync(path, text);
      const { stdout, stderr } = spawnSync("systemd-analyze", ["verify", path], {
        encoding: "utf8",
      });
      // What else this system's own units have wrong is not ours.
      const about = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("aivault"));
      expect(about).toEqual([]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("quotes what systemd would read otherwise", () => {
    const text = systemdUnit({ ...unit, node: "/opt/a b/$x%y/node", vaultDirectory: '/v"1' });
    expect(text).toContain('ExecStart="/opt/a b/$$x%%y/node" /usr/lib/');
    expect(text).toContain('Environment="AIVAULT_DIR=/v\\"1"');
    expect(text).not.toContain("MemoryDenyWriteExecute=");
  });
});

describe("systemdSteps", () => {
  const facts = {
    unit,
    uninstall: false,
    systemdRuns: true,
    current: null,
    isEnabled: false,
    isActive: false,
  };

  it("writes, enables and starts; the second time it does nothing", () => {
    expect(shell(systemdSteps(facts)).filter((line) => line.startsWith("systemctl"))).toEqual([
      "systemctl daemon-reload",
      `systemctl enable ${UNIT}`,
      `systemctl restart ${UNIT}`,
    ]);
    const current = systemdUnit(unit);
    expect(shell(systemdSteps({ ...facts, current, isEnabled: true, isActive: true }))).toEqual([]);
  });

  it("takes it away", () => {
    expect(shell(systemdSteps({ ...facts, uninstall: true, current: "x" }))).toEqual([
      `systemctl disable --now ${UNIT}`,
      `rm -f /etc/systemd/system/${UNIT}`,
      "systemctl daemon-reload",
    ]);
  });
});

const plist = {
  node: "/usr/local/bin/node",
  daemon: '/usr/local/lib/<A & B>/"aivaultd"\'s.js',
  logDirectory: "/Users/op/.aivault/logs",
  vaultDirectory: "/Volumes/R&D",
};

const python = spawnSync("python3", ["-c", "import plistlib"]);
if (python.status !== 0) {
  process.stderr.write("SKIPPED: python3 is not installed; the property list is not parsed\n");
}

describe("launchdPlist", () => {
  it("is this text", () => {
    expect(launchdPlist({ ...plist, vaultDirectory: null })).toMatchSnapshot();
  });

  it.skipIf(python.status !== 0)("is read back by a parser as what was put in", () => {
    const program =
      "import json, plistlib, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))";
    const { stdout } = spawnSync("python3", ["-c", program], {
      input: launchdPlist(plist),
      encoding: "utf8",
    });
    expect(JSON.parse(stdout)).toEqual({
      Label: LABEL,
      ProgramArguments: [plist.node, plist.daemon, "--shared"],
      EnvironmentVariables: { AIVAULT_DIR: plist.vaultDirectory },
      RunAtLoad: true,
      KeepAlive: { SuccessfulExit: false },
      ProcessType: "Interactive",
      Umask: 0o77,
      HardResourceLimits: { Core: 0 },
      StandardOutPath: "/Users/op/.aivault/logs/aivaultd.log",
      StandardErrorPath: "/Users/op/.aivault/logs/aivaultd.err.log",
    });
  });
});

describe("launchdSteps", () => {
  const facts = {
    plist,
    plistPath: `/Users/op/Library/LaunchAgents/${LABEL}.plist`,
    uid: 501,
    uninstall: false,
    current: null,
    isLoaded: false,
  };

  it("loads and starts; the second time it does nothing; replaces one that differs", () => {
    const launchctl = (steps: readonly Step[]) =>
      shell(steps).filter((line) => line.startsWith("launchctl"));
    const start = [
      `launchctl bootstrap gui/501 ${facts.plistPath}`,
      `launchctl enable gui/501/${LABEL}`,
      `launchctl kickstart -k gui/501/${LABEL}`,
    ];
    expect(launchctl(launchdSteps(facts))).toEqual(start);
    const loaded = { ...facts, isLoaded: true };
    expect(shell(launchdSteps({ ...loaded, current: launchdPlist(plist) }))).toEqual([]);
    expect(launchctl(launchdSteps({ ...loaded, current: "other" }))).toEqual([
      `launchctl bootout gui/501/${LABEL}`,
      ...start,
    ]);
  });
});

it("quotes words for the shell", () => {
  const step: Step = {
    kind: "command",
    says: "",
    isDone: false,
    argv: ["a", "b c", "it's", "-x=1"],
  };
  expect(shellLines(step)).toEqual([`a 'b c' 'it'\\''s' -x=1`]);
});
