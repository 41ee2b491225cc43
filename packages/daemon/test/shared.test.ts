// Other accounts on the same machine: real ones, as far as the kernel is concerned.

import { spawn } from "node:child_process";
import { chmodSync, chownSync, lstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Daemon } from "../src/start-daemon.ts";
import { type TestVault, testVault } from "./vault.ts";
import { call, json } from "./wire.ts";

const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write("SKIPPED: only root can become another account to test with\n");

const AGENT = 65_534;
const GROUP = 54_321;
const STRANGERS = 54_322;

let vault: TestVault;
let daemon: Daemon;
let directory: string;

beforeAll(async () => {
  if (!isRoot) return;
  vault = testVault();
  directory = mkdtempSync(join(tmpdir(), "aivault-shared-"));
  chownSync(directory, 0, GROUP);
  chmodSync(directory, 0o2750);
  await vault.init();
  const paths = { ...vault.paths, sharedSocket: join(directory, "aivaultd.sock") };
  daemon = await vault.start({ paths, shared: true });
});
afterAll(async () => {
  if (!isRoot) return;
  await vault.dispose();
  rmSync(directory, { recursive: true });
});

/** Run a program as the agent's account, in one group; what it prints. */
function as(gid: number, program: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { uid: AGENT, gid, cwd: "/", env: {} };
    const child = spawn(process.execPath, ["-e", program, ...args], options);
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
    });
    child.stderr.on("data", (chunk) => {
      text += chunk;
    });
    child.on("error", reject).on("close", () => resolve(text.trim()));
  });
}

const GET = `
  const [socketPath, path] = process.argv.slice(1);
  require("http").get({ socketPath, path, headers: { host: "aivault" } }, (response) => {
    response.on("data", (chunk) => process.stdout.write(chunk));
  }).on("error", (error) => console.log(error.code));`;

const READ = `
  try { console.log(require("fs").readFileSync(process.argv[1]).length); }
  catch (error) { console.log(error.code); }`;

describe.skipIf(!isRoot)("an account of the group", { timeout: 60_000 }, () => {
  it("G21: reaches the shared socket, and is known by its uid", async () => {
    expect(lstatSync(daemon.sharedSocket ?? "").mode & 0o777).toBe(0o660);
    const who = JSON.parse(await as(GROUP, GET, daemon.sharedSocket ?? "", "/aivault/whoami"));
    expect(who).toEqual({ principal: "caller", transport: "unix", uid: AGENT });
  });

  it("G21: reaches no operator route, no other socket, and no file of the vault", async () => {
    const status = JSON.parse(await as(GROUP, GET, daemon.sharedSocket ?? "", "/aivault/status"));
    expect(status.error).toBe("not_found");
    for (const path of [daemon.operatorSocket, daemon.socket]) {
      expect(await as(GROUP, GET, path, "/aivault/health")).toBe("EACCES");
    }
    for (const path of [vault.paths.configFile, vault.paths.keyFile]) {
      expect(await as(GROUP, READ, path)).toBe("EACCES");
    }
  });

  it("G21: cannot put a socket of its own in the shared one's place", async () => {
    const replace = `
      try { require("fs").unlinkSync(process.argv[1]); console.log("gone"); }
      catch (error) { console.log(error.code); }`;
    expect(await as(GROUP, replace, daemon.sharedSocket ?? "")).toBe("EACCES");
  });

  it("G21: is on record with its uid, as far as the system tells", async () => {
    await as(GROUP, GET, daemon.sharedSocket ?? "", "/aivault/secrets");
    const audit = await call(daemon.operatorSocket, "GET", "/aivault/audit?limit=1");
    expect(audit.json.items[0].event.principal).toMatchObject({ kind: "caller", uid: AGENT });
  });

  it("G13: needs a token there when the settings say so", async () => {
    const settings = (requireToken: boolean) =>
      call(daemon.operatorSocket, "PATCH", "/aivault/settings", json({ requireToken }));
    await settings(true);
    const who = JSON.parse(await as(GROUP, GET, daemon.sharedSocket ?? "", "/aivault/whoami"));
    expect(who.error).toBe("token_invalid");
    await settings(false);
  });
});

describe.skipIf(!isRoot)("an account outside the group", { timeout: 60_000 }, () => {
  it("G21: reaches no socket at all", async () => {
    for (const path of [daemon.sharedSocket ?? "", daemon.socket, daemon.operatorSocket]) {
      expect(await as(STRANGERS, GET, path, "/aivault/health")).toBe("EACCES");
    }
  });
});

describe.skipIf(!isRoot)("the shared directory", () => {
  it.each([0o2770, 0o2755, 0o700, 0o2777])("is refused with mode %o", async (mode) => {
    const other = testVault();
    const wrong = mkdtempSync(join(tmpdir(), "aivault-shared-"));
    try {
      chmodSync(wrong, mode);
      await other.init();
      const paths = { ...other.paths, sharedSocket: join(wrong, "aivaultd.sock") };
      await expect(other.start({ paths, shared: true })).rejects.toMatchObject({
        code: "DAEMON_DIRECTORY_UNSAFE",
        hint: expect.stringContaining("setup agent-access"),
      });
    } finally {
      await other.dispose();
      rmSync(wrong, { recursive: true });
    }
  });
});
