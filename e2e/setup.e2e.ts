// Two accounts of one machine, as the hardening guide sets them up: one owns the vault and runs the shared
// daemon, the other is for agents. Real accounts, a real group, the built binaries, no flags and no
// environment on the agent's side.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, existsSync, lstatSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AIVAULT, AIVAULTD, aivault, run } from "./support/run.mjs";
import { type StandInProcess, startStandIn } from "./support/start-stand-in.mjs";

const KEY = "sk-setup-canary0123456789abcdefghijklmnopqrstuvwxyz";
const OWNER = `aivo${process.pid}`;
const AGENT = `aiva${process.pid}`;
const STRANGER = `aivs${process.pid}`;
const SHARED = "/var/run/aivault";
const SOCKET = `${SHARED}/aivaultd.sock`;
const CHAT =
  'json openai/chat-completions --method POST --path /v1/chat/completions --body \'{"model":"m","messages":[]}\'';

const obstacle = whyNot();
if (obstacle !== null) process.stderr.write(`SKIPPED: G21 with two real accounts: ${obstacle}\n`);

let standIn: StandInProcess;
let daemon: ChildProcess | undefined;

function whyNot(): string | null {
  if (process.platform !== "linux") return "only on Linux";
  if (process.getuid?.() !== 0) return "only root can make accounts";
  for (const program of ["useradd", "userdel", "runuser", "gpasswd"]) {
    if (spawnSync("which", [program]).status !== 0) return `${program} is not installed`;
  }
  if (existsSync(SHARED)) return `${SHARED} is in use on this machine`;
  if (spawnSync("getent", ["group", "aivault"]).status === 0) return "this machine has the group";
  return null;
}

/** A line of shell in a login of `user`: its home, its groups, and nothing of ours. */
function as(user: string, line: string, stdin = "") {
  return run("runuser", ["-l", user, "-c", line], { stdin });
}

/** `aivault` as `user` would type it. */
function cli(user: string, line: string, stdin = "") {
  return as(user, `${process.execPath} ${AIVAULT} ${line}`, stdin);
}

function setup(...args: string[]) {
  const users = ["--agent-user", AGENT, "--daemon-user", OWNER];
  return aivault(["setup", "agent-access", ...users, ...args]);
}

describe.skipIf(obstacle !== null)("setup agent-access", () => {
  beforeAll(async () => {
    standIn = await startStandIn({ credentials: { "api.openai.com": { secret: KEY } } });
    for (const user of [OWNER, AGENT, STRANGER]) {
      const made = await run("useradd", ["--create-home", "--shell", "/bin/sh", user]);
      expect(made.status, made.stderr).toBe(0);
    }
    chmodSync(`/home/${OWNER}`, 0o711);
  });

  afterAll(async () => {
    daemon?.kill();
    await standIn?.stop();
    await setup("--uninstall");
    for (const user of [OWNER, AGENT, STRANGER]) await run("userdel", ["--remove", user]);
  });

  it("G17: shows as anybody what it would do, and does nothing", async () => {
    const flags = `--agent-user ${AGENT} --daemon-user ${OWNER}`;
    const shown = await cli(STRANGER, `setup agent-access ${flags} --dry-run`);
    expect(shown).toMatchObject({ status: 0, stderr: "aivault: nothing was done\n" });
    expect(shown.stdout.split("\n").slice(0, 4)).toEqual([
      "$ groupadd --system aivault",
      `$ usermod -aG aivault ${OWNER}`,
      `$ usermod -aG aivault ${AGENT}`,
      `$ install -d -m 2750 -o ${OWNER} -g aivault ${SHARED}`,
    ]);
    expect(existsSync(SHARED)).toBe(false);
    expect(await cli(STRANGER, `setup agent-access ${flags}`)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("needs root"),
    });
  });

  it("makes group, members and directory, and has nothing to do the second time", async () => {
    const first = await setup();
    expect(first, first.stderr).toMatchObject({ status: 0 });
    expect(first.stdout).toMatch(/^(done: .+\n){5}$/);
    expect(lstatSync(SHARED).mode & 0o7777).toBe(0o2750);
    const second = await setup();
    expect(second).toMatchObject({ status: 0 });
    expect(second.stdout).toMatch(/^(already: .+\n){5}$/);
  });

  it("refuses to make an agent of the owner, of root, or of nobody", async () => {
    for (const user of [OWNER, "root", "no-such-account", "-rf"]) {
      const done = await aivault([
        "setup",
        "agent-access",
        `--agent-user=${user}`,
        "--daemon-user",
        OWNER,
      ]);
      expect(done.status, user).not.toBe(0);
    }
  });

  it("lets the owner share a daemon", async () => {
    expect(await cli(OWNER, "init --dev")).toMatchObject({ status: 0 });
    const ca = `/home/${OWNER}/ca.pem`;
    const { AIVAULT_DEV_CA_CERT_PATH, ...development } = standIn.daemonEnvironment;
    copyFileSync(AIVAULT_DEV_CA_CERT_PATH as string, ca);
    chmodSync(ca, 0o644);
    const variables = Object.entries({ ...development, AIVAULT_DEV_CA_CERT_PATH: ca })
      .map(([name, value]) => `${name}='${value}'`)
      .join(" ");
    const line = `exec env ${variables} ${process.execPath} ${AIVAULTD} --shared`;
    daemon = spawn("runuser", ["-l", OWNER, "-c", line], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    daemon.stderr?.on("data", (chunk) => {
      said += chunk;
    });
    for (let tries = 0; !existsSync(SOCKET); tries += 1) {
      expect(tries, said).toBeLessThan(100);
      await sleep(100);
    }
    const stored = await cli(OWNER, "secrets create OPENAI_API_KEY --value-stdin", `${KEY}\n`);
    expect(stored, stored.stderr).toMatchObject({ status: 0 });
  });

  it("G21: lets the agent invoke, with no flag and no variable", async () => {
    const done = await cli(AGENT, CHAT);
    expect(done, done.stderr).toMatchObject({ status: 0, stderr: "" });
    expect(JSON.parse(done.stdout)).toMatchObject({
      planned: { capability: "openai/chat-completions" },
      response: { status: 200 },
    });
    expect(done.stdout).not.toContain(KEY);
    const audit = JSON.parse((await cli(OWNER, "audit --limit 5")).stdout) as {
      principal?: { uid?: number };
    }[];
    const uid = Number((await as(AGENT, "id -u")).stdout);
    expect(audit.some(({ principal }) => principal?.uid === uid)).toBe(true);
  });

  it("G21: shows the agent no file of the vault, no key, and nothing of the daemon's process", async () => {
    const home = `/home/${OWNER}/.aivault`;
    for (const path of [
      `${home}/data/vault/vault.json`,
      `${home}/keys/kek.key`,
      `${home}/run/aivaultd.operator.sock`,
    ]) {
      expect(lstatSync(path), path).toBeDefined();
      expect(await as(AGENT, `cat ${path}`)).toMatchObject({
        status: 1,
        stdout: "",
        stderr: expect.stringContaining("Permission denied"),
      });
    }
    const { pid } = JSON.parse((await cli(OWNER, "status --json")).stdout).daemon as {
      pid: number;
    };
    for (const file of ["environ", "mem", "fd", "maps"]) {
      expect((await as(AGENT, `ls /proc/${pid}/${file}/ || cat /proc/${pid}/${file}`)).stdout).toBe(
        "",
      );
    }
    expect((await as(AGENT, `kill -0 ${pid}`)).status).not.toBe(0);
  });

  it("G21: gives the agent no operator route, on the shared socket or beside it", async () => {
    for (const line of ["secrets list", "token mint --capability 'openai/*'", "audit", "lock"]) {
      const done = await as(
        AGENT,
        `AIVAULTD_SOCKET=${SOCKET} AIVAULTD_AUTOSTART=0 ${process.execPath} ${AIVAULT} ${line}`,
      );
      expect(done, line).toMatchObject({
        status: 5,
        stdout: "",
        stderr: expect.stringContaining("no operator commands, from this account"),
      });
    }
    for (const [method, path] of [
      ["GET", "/aivault/secrets"],
      ["GET", "/aivault/status"],
      ["GET", "/aivault/audit"],
      ["POST", "/aivault/tokens"],
      ["POST", "/aivault/lock"],
      ["PATCH", "/aivault/settings"],
      ["POST", "/aivault/backup"],
      ["POST", "/aivault/operator/login"],
    ]) {
      const options = JSON.stringify({
        socketPath: SOCKET,
        method,
        path,
        headers: { host: "aivault" },
      });
      const program = `require("http").request(${options}, (r) => r.pipe(process.stdout)).end()`;
      const done = await as(AGENT, `${process.execPath} -e '${program}'`);
      expect(JSON.parse(done.stdout), path).toMatchObject({ error: "not_found" });
    }
  });

  it("G21: does not let the agent widen itself", async () => {
    for (const line of [
      `touch ${SHARED}/x`,
      `rm -f ${SOCKET}`,
      `mv ${SOCKET} ${SOCKET}.old`,
      `chmod 777 ${SHARED}`,
      `ln -s /tmp/x ${SHARED}/aivaultd.operator.sock`,
      `gpasswd -a ${STRANGER} aivault`,
      `usermod -aG root ${AGENT}`,
    ]) {
      expect((await as(AGENT, line)).status, line).not.toBe(0);
    }
    expect(existsSync(SOCKET)).toBe(true);
    const again = await cli(
      AGENT,
      `setup agent-access --agent-user ${STRANGER} --daemon-user ${AGENT}`,
    );
    expect(again).toMatchObject({ status: 1, stderr: expect.stringContaining("needs root") });
  });

  it("G21: does not exist for an account outside the group", async () => {
    const done = await cli(STRANGER, CHAT);
    expect(done).toMatchObject({ status: 5, stdout: "" });
  });

  it("keeps away from a directory that has something else in it", async () => {
    const done = await aivault(
      ["setup", "agent-access", "--agent-user", AGENT, "--daemon-user", OWNER],
      { env: { AIVAULTD_SHARED_SOCKET: "/etc/aivaultd.sock" } },
    );
    expect(done).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("not for sockets alone"),
    });
    expect(lstatSync("/etc").uid).toBe(0);
    expect(lstatSync("/etc").mode & 0o7777).toBe(0o755);
  });

  it("takes it all away again, and has nothing to do the second time", async () => {
    expect(await cli(OWNER, "stop")).toMatchObject({ status: 0 });
    if (daemon?.exitCode === null) await once(daemon, "exit");
    expect((await setup("--uninstall")).stdout).toMatch(/^((done|already): .+\n){6}$/);
    expect(existsSync(SHARED)).toBe(false);
    expect(existsSync("/etc/tmpfiles.d/aivault.conf")).toBe(false);
    expect(spawnSync("getent", ["group", "aivault"]).status).toBe(2);
    expect((await setup("--uninstall")).stdout).toMatch(/^(already: .+\n){6}$/);
    expect(await cli(AGENT, CHAT)).toMatchObject({ status: 5 });
  });
});

describe("setup systemd and launchd", () => {
  it("G17: show what they would do to anybody, anywhere, and do nothing", async () => {
    const systemd = await aivault(["setup", "systemd", "--daemon-user", "root", "--dry-run"], {
      env: { HOME: "/nonexistent" },
    });
    expect(systemd).toMatchObject({ status: 0, stderr: "aivault: nothing was done\n" });
    expect(systemd.stdout).toContain(`${join(AIVAULTD)} --shared\n`);
    expect(systemd.stdout).toContain("$ systemctl daemon-reload\n");
    const launchd = await aivault(["setup", "launchd", "--dry-run"], {
      env: { HOME: "/nonexistent" },
    });
    expect(launchd).toMatchObject({ status: 0 });
    expect(launchd.stdout).toContain("<key>ProgramArguments</key>");
    expect(existsSync("/nonexistent")).toBe(false);
  });
});
