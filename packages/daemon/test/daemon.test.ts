import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startDaemon } from "../src/start-daemon.ts";
import { type TestVault, testVault } from "./vault.ts";
import { type Answer, call, json } from "./wire.ts";

let vault: TestVault;

beforeEach(() => {
  vault = testVault();
});
afterEach(() => vault.dispose());

/** Every file below the vault's directory, with its contents. */
function snapshot(): Map<string, string> {
  const files = readdirSync(vault.directory, { recursive: true, withFileTypes: true });
  return new Map(
    files
      // Taking the vault's lock leaves a file that says who had it.
      .filter((entry) => entry.isFile() && !entry.name.startsWith("lock."))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path, readFileSync(path, "latin1")]),
  );
}

function kindsOf(audit: Answer): string[] {
  return audit.json.items.map((entry: { event: { kind: string } }) => entry.event.kind);
}

describe("initVault", () => {
  it("makes a vault once", async () => {
    expect(await vault.init()).toMatchObject({ dev: false, locked: false });
    await expect(vault.init()).rejects.toMatchObject({ code: "DAEMON_VAULT_EXISTS" });
  });

  it("never replaces a file that stands where the key would go", async () => {
    writeFileSync(vault.paths.keyFile, "not a key");
    await expect(vault.init()).rejects.toMatchObject({ code: "VAULT_KEY_UNAVAILABLE" });
    expect(readFileSync(vault.paths.keyFile, "utf8")).toBe("not a key");
    expect(existsSync(vault.paths.configFile)).toBe(false);
    // The lock was given back: with the file out of the way the same process can go on.
    rmSync(vault.paths.keyFile);
    await vault.init();
  });
});

describe("startDaemon", () => {
  it("serves both sockets, each for its owner only", async () => {
    await vault.init();
    const daemon = await vault.start();
    for (const path of [daemon.socket, daemon.operatorSocket]) {
      expect(lstatSync(path).mode & 0o777).toBe(0o600);
      expect((await call(path, "GET", "/aivault/health")).json).toEqual({
        ok: true,
        locked: false,
        version: "1.2.3",
      });
    }
    expect((await call(daemon.operatorSocket, "GET", "/aivault/status")).json).toMatchObject({
      version: "1.2.3",
      protocol: 1,
      pid: process.pid,
      vault: { dev: false, locked: false, keyProvider: { kind: "file" } },
      paths: { root: vault.paths.root, socket: daemon.socket },
    });
  });

  it("refuses to start without a vault, and leaves nothing behind", async () => {
    await expect(vault.start()).rejects.toMatchObject({
      code: "DAEMON_VAULT_MISSING",
      hint: "aivault init",
    });
    expect(readdirSync(vault.directory)).toEqual([]);
  });

  it("refuses to start with another vault's key, and writes nothing", async () => {
    await vault.init();
    writeFileSync(vault.paths.keyFile, Buffer.alloc(32, 7).toString("base64"));
    const before = snapshot();
    await expect(vault.start()).rejects.toMatchObject({ code: "VAULT_KEY_MISMATCH" });
    expect(snapshot()).toEqual(before);
    expect(existsSync(vault.paths.socket)).toBe(false);
  });

  it("refuses a second daemon on the same vault, naming the first, and leaves it running", async () => {
    await vault.init();
    const daemon = await vault.start();
    const again = vault.start({ socket: join(vault.directory, "other", "b.sock") });
    await expect(again).rejects.toMatchObject({
      code: "DAEMON_ALREADY_RUNNING",
      message: expect.stringContaining(String(process.pid)),
    });
    expect((await call(daemon.socket, "GET", "/aivault/health")).status).toBe(200);
  });

  it("refuses the socket of a daemon that serves another vault", async () => {
    await vault.init();
    const daemon = await vault.start();
    const other = testVault();
    try {
      await other.init();
      await expect(other.start({ socket: daemon.socket })).rejects.toMatchObject({
        code: "DAEMON_SOCKET_IN_USE",
      });
      // The lock was given back with the refusal.
      await other.start();
    } finally {
      await other.dispose();
    }
    expect((await call(daemon.socket, "GET", "/aivault/health")).status).toBe(200);
  });

  it("starts where one was killed", async () => {
    await vault.init();
    const run = join(vault.directory, "run");
    const listen = `require("net").createServer().listen(process.argv[1],()=>process.kill(process.pid,9))`;
    spawnSync("mkdir", ["-m", "700", run]);
    spawnSync(process.execPath, ["-e", listen, vault.paths.socket]);
    spawnSync(process.execPath, ["-e", listen, vault.paths.operatorSocket]);
    const daemon = await vault.start();
    expect((await call(daemon.socket, "GET", "/aivault/health")).status).toBe(200);
  });

  it("G24: refuses a development variable with an ordinary vault, and writes nothing", async () => {
    await vault.init();
    const env = { ...vault.env, AIVAULT_DEV_ALLOW_HTTP_LOCAL: "1" };
    const config = readFileSync(vault.paths.configFile, "utf8");
    await expect(vault.start({ env })).rejects.toMatchObject({
      code: "DAEMON_ENVIRONMENT_REFUSED",
      message: expect.stringContaining("AIVAULT_DEV_ALLOW_HTTP_LOCAL"),
    });
    expect(readFileSync(vault.paths.configFile, "utf8")).toBe(config);
    expect(existsSync(vault.paths.socket)).toBe(false);
  });

  it("G24: honours a development variable with a development vault", async () => {
    await vault.init({ dev: true });
    const env = { ...vault.env, AIVAULT_DEV_ALLOW_HTTP_LOCAL: "1" };
    const daemon = await vault.start({ env });
    const status = await call(daemon.operatorSocket, "GET", "/aivault/status");
    expect(status.json.vault.dev).toBe(true);
  });

  it("G24: refuses to run under somebody's options of Node", async () => {
    await vault.init();
    const env = { ...vault.env, NODE_OPTIONS: "--require /tmp/x.js" };
    await expect(startDaemon({ paths: vault.paths, env, version: "1" })).rejects.toMatchObject({
      code: "DAEMON_ENVIRONMENT_REFUSED",
    });
  });

  it("removes its sockets when it closes, and can be started again", async () => {
    await vault.init();
    const daemon = await vault.start();
    await daemon.close();
    await daemon.closed;
    expect(readdirSync(join(vault.directory, "run"))).toEqual([]);
    await vault.start();
  });

  it("closes when the operator asks, after the answer", async () => {
    await vault.init();
    const daemon = await vault.start();
    expect((await call(daemon.operatorSocket, "POST", "/aivault/shutdown")).status).toBe(202);
    await daemon.closed;
    await expect(call(daemon.socket, "GET", "/aivault/health")).rejects.toThrow();
  });

  it("serves one connection with --once, not counting those that ask for health", async () => {
    await vault.init();
    const daemon = await vault.start({ once: true });
    connect(daemon.socket).end();
    await call(daemon.socket, "GET", "/aivault/health");
    expect((await call(daemon.socket, "GET", "/aivault/whoami")).json.principal).toBe("caller");
    await daemon.closed;
    expect(existsSync(daemon.socket)).toBe(false);
  });

  it("G18: records its own life", async () => {
    await vault.init();
    await (await vault.start()).close();
    const daemon = await vault.start();
    const audit = await call(daemon.operatorSocket, "GET", "/aivault/audit?limit=4");
    expect(kindsOf(audit)).toEqual([
      "daemon.started",
      "audit.checkpoint",
      "daemon.stopped",
      "daemon.started",
    ]);
    expect((await call(daemon.operatorSocket, "GET", "/aivault/audit/verify")).json).toMatchObject({
      ok: true,
    });
  });
});

describe("lock and unlock", () => {
  it("G19: a locked vault executes nothing and says so, until it is unlocked", async () => {
    await vault.init();
    const { socket, operatorSocket } = await vault.start();
    expect((await call(operatorSocket, "POST", "/aivault/lock")).json).toEqual({ locked: true });
    expect((await call(socket, "GET", "/aivault/health")).json).toMatchObject({ locked: true });
    const envelope = {
      capability: "openai/models",
      request: { method: "GET", path: "/v1/models" },
    };
    for (const [path, method, route, body] of [
      [socket, "POST", "/aivault/proxy", json(envelope)],
      [socket, "GET", "/aivault/capabilities", {}],
      [operatorSocket, "GET", "/aivault/secrets", {}],
      [operatorSocket, "GET", "/aivault/audit", {}],
      [operatorSocket, "DELETE", "/aivault/secrets/x", {}],
    ] as const) {
      const answer = await call(path, method, route, body);
      expect([route, answer.status, answer.json.error]).toEqual([route, 423, "vault_locked"]);
    }
    expect((await call(operatorSocket, "POST", "/aivault/unlock")).json).toEqual({ locked: false });
    expect((await call(operatorSocket, "GET", "/aivault/secrets")).status).toBe(200);
    const audit = await call(operatorSocket, "GET", "/aivault/audit?limit=3");
    expect(kindsOf(audit)).toEqual(["vault.unlocked", "audit.checkpoint", "vault.locked"]);
  });
});
