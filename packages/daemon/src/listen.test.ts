import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listenAt, requireSocketDirectory } from "./listen.ts";
import { linuxPlatform } from "./platform/linux.ts";

const platform = linuxPlatform(null);
let directory: string;
const servers: Server[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "aivault-listen-"));
});

afterEach(async () => {
  await Promise.all(
    servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))),
  );
  rmSync(directory, { recursive: true, force: true });
});

function server(): Server {
  const made = createServer((socket) => socket.on("error", () => {}).end("hello"));
  servers.push(made);
  return made;
}

function hello(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    connect(path)
      .on("data", (chunk) => {
        text += chunk.toString();
      })
      .on("end", () => resolve(text))
      .on("error", reject);
  });
}

/** A socket whose owner was killed: the path stays, and connecting is refused. */
function leaveDeadSocket(path: string): void {
  const code = `require("net").createServer().listen(${JSON.stringify(path)},()=>process.kill(process.pid,9))`;
  spawnSync(process.execPath, ["-e", code]);
  expect(lstatSync(path).isSocket()).toBe(true);
}

describe("requireSocketDirectory", () => {
  it("G21: makes a missing directory with no rights for others, whatever the umask", () => {
    const umask = process.umask(0);
    try {
      requireSocketDirectory(join(directory, "a", "run"));
    } finally {
      process.umask(umask);
    }
    expect(lstatSync(join(directory, "a", "run")).mode & 0o777).toBe(0o700);
  });

  it.each([0o755, 0o770, 0o701, 0o1777])(
    "G21: refuses a directory of mode %o, and leaves it as it is",
    (mode) => {
      const run = join(directory, "run");
      mkdirSync(run);
      chmodSync(run, mode);
      expect(() => requireSocketDirectory(run)).toThrow(
        expect.objectContaining({ code: "DAEMON_DIRECTORY_UNSAFE" }),
      );
      expect(lstatSync(run).mode & 0o7777).toBe(mode);
    },
  );

  it("refuses a symbolic link and a file in its place", () => {
    const unsafe = expect.objectContaining({ code: "DAEMON_DIRECTORY_UNSAFE" });
    symlinkSync(directory, join(directory, "link"));
    writeFileSync(join(directory, "file"), "");
    expect(() => requireSocketDirectory(join(directory, "link"))).toThrow(unsafe);
    expect(() => requireSocketDirectory(join(directory, "file"))).toThrow(unsafe);
    expect(() => requireSocketDirectory(join(directory, "file", "run"))).toThrow(unsafe);
  });

  it.runIf(process.getuid?.() === 0)("refuses a directory of another account", () => {
    spawnSync("chown", ["65534", directory]);
    expect(() => requireSocketDirectory(directory)).toThrow(
      expect.objectContaining({ code: "DAEMON_DIRECTORY_UNSAFE" }),
    );
  });
});

describe("listenAt", () => {
  it("G21: makes a socket that only its owner may use, whatever the umask", async () => {
    const path = join(directory, "a.sock");
    const umask = process.umask(0);
    try {
      await listenAt(server(), path, platform);
      expect(process.umask()).toBe(0);
    } finally {
      process.umask(umask);
    }
    expect(lstatSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory)).toEqual(["a.sock"]);
    expect(await hello(path)).toBe("hello");
  });

  it("refuses a path that is answered, and leaves it answering", async () => {
    const path = join(directory, "a.sock");
    await listenAt(server(), path, platform);
    await expect(listenAt(server(), path, platform)).rejects.toMatchObject({
      code: "DAEMON_SOCKET_IN_USE",
    });
    expect(await hello(path)).toBe("hello");
  });

  it("replaces the socket of a killed process", async () => {
    const path = join(directory, "a.sock");
    leaveDeadSocket(path);
    await listenAt(server(), path, platform);
    expect(await hello(path)).toBe("hello");
  });

  it("leaves a file alone that is not a socket", async () => {
    const path = join(directory, "notes.txt");
    writeFileSync(path, "precious");
    await expect(listenAt(server(), path, platform)).rejects.toMatchObject({
      code: "DAEMON_SOCKET_IN_USE",
    });
    expect(readFileSync(path, "utf8")).toBe("precious");
  });

  it("leaves a symbolic link alone, also one to a dead socket", async () => {
    leaveDeadSocket(join(directory, "dead.sock"));
    symlinkSync("dead.sock", join(directory, "a.sock"));
    await expect(listenAt(server(), join(directory, "a.sock"), platform)).rejects.toMatchObject({
      code: "DAEMON_SOCKET_IN_USE",
    });
    expect(lstatSync(join(directory, "a.sock")).isSymbolicLink()).toBe(true);
  });

  it("names the limit when the path does not fit", async () => {
    const path = join(directory, `${"x".repeat(100)}.sock`);
    await expect(listenAt(server(), path, platform)).rejects.toMatchObject({
      code: "DAEMON_SOCKET_PATH_TOO_LONG",
      message: expect.stringContaining("107"),
    });
  });

  it("listens at a path of exactly the limit", async () => {
    const path = join(directory, "x".repeat(107 - directory.length - 1));
    expect(path).toHaveLength(107);
    await listenAt(server(), path, platform);
    expect(await hello(path)).toBe("hello");
  });

  it("removes its socket, once and only while it is its own", async () => {
    const path = join(directory, "a.sock");
    const first = await listenAt(server(), path, platform);
    first.remove();
    expect(existsSync(path)).toBe(false);
    first.remove();

    const second = await listenAt(server(), path, platform);
    first.remove();
    expect(await hello(path)).toBe("hello");
    second.remove();
    expect(readdirSync(directory)).toEqual([]);
  });

  it("does not remove another socket when its server closes", async () => {
    const path = join(directory, "a.sock");
    const old = server();
    (await listenAt(old, path, platform)).remove();
    await listenAt(server(), path, platform);
    servers.splice(servers.indexOf(old), 1);
    await new Promise((resolve) => old.close(resolve));
    expect(await hello(path)).toBe("hello");
  });
});
