// The walk of docs/macos.md, "The shared daemon", and of docs/linux.md, on Linux paths: two real accounts,
// the blocks of the documents themselves, in their order, as whoever they are for.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AIVAULT, AIVAULTD, run } from "../support/run.mjs";
import { snippetsOf } from "../support/snippets.mjs";
import { type StandInProcess, startStandIn } from "../support/start-stand-in.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const KEY = "sk-walk-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH";
const OWNER = "aivault-walker";
/** As the guides call it. */
const AGENT = "agent";
const SHARED = "/var/run/aivault";
/** The first step that an agent can do anything after. */
const SOCKET = `${SHARED}/aivaultd.sock`;

const steps = ["docs/linux.md", "docs/macos.md"].flatMap((file) =>
  snippetsOf(file, readFileSync(join(root, file), "utf8")).flatMap((snippet) => {
    const [, who = "", how = ""] = /^walk, (\w+)(?:, (.+))?$/.exec(snippet.mode) ?? [];
    return who === "" ? [] : [{ ...snippet, who, how }];
  }),
);

const obstacle = whyNot();
if (obstacle !== null) process.stderr.write(`SKIPPED: the walk of the guides: ${obstacle}\n`);

function whyNot(): string | null {
  if (process.platform !== "linux") return "only on Linux";
  if (process.getuid?.() !== 0) return "only root can make accounts";
  for (const program of ["useradd", "userdel", "runuser", "gpasswd"]) {
    if (spawnSync("which", [program]).status !== 0) return `${program} is not installed`;
  }
  if (existsSync(SHARED)) return `${SHARED} is in use on this machine`;
  for (const [database, name] of [
    ["group", "aivault"],
    ["passwd", AGENT],
    ["passwd", OWNER],
  ] as const) {
    if (spawnSync("getent", [database, name]).status === 0) return `this machine has ${name}`;
  }
  return null;
}

describe.skipIf(obstacle !== null)("the guides to a shared daemon", { timeout: 120_000 }, () => {
  // Outside of any home, for both accounts to run: what `npm install --global` would make.
  const bin = mkdtempSync(join(tmpdir(), "walk-"));
  let standIn: StandInProcess;
  let development: Record<string, string>;
  let daemon: ChildProcess | undefined;
  let said = "";

  beforeAll(async () => {
    standIn = await startStandIn({ credentials: { "api.openai.com": { secret: KEY } } });
    chmodSync(bin, 0o755);
    program("aivault", `exec "${process.execPath}" "${AIVAULT}" "$@"`);
    program("aivaultd", `exec "${process.execPath}" "${AIVAULTD}" "$@"`);
    expect((await run("useradd", ["--create-home", OWNER])).status).toBe(0);
    chmodSync(`/home/${OWNER}`, 0o711);
    const ca = join(bin, "ca.pem");
    copyFileSync(standIn.daemonEnvironment["AIVAULT_DEV_CA_CERT_PATH"] as string, ca);
    chmodSync(ca, 0o644);
    development = { ...standIn.daemonEnvironment, AIVAULT_DEV_CA_CERT_PATH: ca };
    // The guides begin where somebody has a vault with a key in it.
    const made = await as(
      "owner",
      "aivault init --dev && aivault secrets create OPENAI_API_KEY --value-stdin && aivault stop",
      KEY,
    );
    expect(made.status, made.stderr).toBe(0);
  });

  afterAll(async () => {
    daemon?.kill();
    await standIn?.stop();
    await run(join(bin, "aivault"), [
      "setup",
      "agent-access",
      "--agent-user",
      AGENT,
      "--daemon-user",
      OWNER,
      "--uninstall",
    ]);
    for (const user of [OWNER, AGENT]) await run("userdel", ["--remove", user]);
    await run("rm", ["-r", bin]);
  });

  function program(name: string, code: string): void {
    writeFileSync(join(bin, name), `#!/bin/sh\n${code}\n`);
    chmodSync(join(bin, name), 0o755);
  }

  /** Variables that the owner has and a real one has not: where the stand-in is. The agent has none. */
  function environmentOf(who: string): string {
    const variables = {
      PATH: `${bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      ...(who === "owner" ? development : {}),
    };
    return Object.entries(variables)
      .map(([name, value]) => `export ${name}='${value}'`)
      .join("; ");
  }

  function as(who: string, code: string, stdin = "") {
    if (who === "root") return run("sh", ["-eu", "-c", code], { stdin, timeoutMs: 60_000 });
    const user = who === "owner" ? OWNER : AGENT;
    return run("runuser", ["-l", user, "-c", `${environmentOf(who)}; set -eu; ${code}`], {
      stdin,
      timeoutMs: 60_000,
    });
  }

  /** A line that begins with `sudo` is run as root, on behalf of the owner, as sudo would. */
  async function asOwner(code: string) {
    let last = await as("owner", "true");
    for (const line of code.split("\n")) {
      const command = /^sudo (.+)$/.exec(line)?.[1]?.replace('"$(id -un)"', OWNER);
      last =
        command === undefined
          ? await as("owner", line)
          : await run("sh", ["-eu", "-c", command], {
              env: { PATH: `${bin}:${process.env["PATH"]}`, SUDO_USER: OWNER },
              timeoutMs: 60_000,
            });
      if (last.status !== 0) break;
    }
    return last;
  }

  it("has steps for everybody", () => {
    expect(new Set(steps.map(({ who }) => who))).toEqual(new Set(["root", "owner", "agent"]));
  });

  for (const { file, line, who, how, code } of steps) {
    it(`${file}, line ${line}, as ${who}${how === "" ? "" : `: ${how}`}`, async () => {
      switch (how) {
        case "stays": {
          daemon = spawn(
            "runuser",
            ["-l", OWNER, "-c", `${environmentOf("owner")}; exec ${code}`],
            {
              stdio: ["ignore", "ignore", "pipe"],
            },
          );
          daemon.stderr?.on("data", (chunk) => {
            said += chunk;
          });
          while (!existsSync(SOCKET)) {
            expect(daemon.exitCode, said).toBe(null);
            await sleep(100);
          }
          return;
        }
        case "each fails": {
          for (const command of code.split("\n")) {
            const done = await as(who, command);
            expect(done.status, `G21: ${command}\n${done.stdout}${done.stderr}`).not.toBe(0);
            expect(done.stdout, command).toBe("");
          }
          return;
        }
        default: {
          const done = who === "owner" ? await asOwner(code) : await as(who, code);
          expect(done.status, `${code}\n${done.stdout}\n${done.stderr}`).toBe(0);
          expect(done.stdout + done.stderr).not.toContain(KEY);
        }
      }
    });
  }

  it("leaves nothing behind", () => {
    expect(existsSync(SHARED)).toBe(false);
    expect(spawnSync("getent", ["group", "aivault"]).status).toBe(2);
  });
});
