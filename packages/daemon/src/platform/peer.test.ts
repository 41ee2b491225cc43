import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { darwinPlatform, parseXucred } from "./darwin.ts";
import { loadGetSocketOption } from "./get-socket-option.ts";
import { loadPlatform, platformName } from "./index.ts";
import { linuxPlatform, parseLimits, parseUcred } from "./linux.ts";
import { otherPlatform } from "./other.ts";

const words = (...numbers: number[]) => new Uint8Array(Uint32Array.from(numbers).buffer);

/** A connected unix socket, seen from the server's side. */
async function withSocket<T>(use: (socket: Socket) => T): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "aivault-peer-"));
  const server = createServer();
  try {
    return await new Promise<T>((resolve, reject) => {
      server.on("connection", (socket) => {
        try {
          resolve(use(socket));
        } catch (error) {
          reject(error);
        }
        socket.destroy();
      });
      server.listen(join(directory, "s"), () => connect(join(directory, "s")).on("error", reject));
    });
  } finally {
    server.close();
    rmSync(directory, { recursive: true });
  }
}

const hasBinding = (await loadGetSocketOption(null)) !== null;
if (!hasBinding) process.stderr.write("SKIPPED: no koffi to ask the kernel for peers with\n");

describe("peerOf", () => {
  it.skipIf(!hasBinding || platformName !== "linux")(
    "G21: is what the kernel says, on Linux",
    async () => {
      const platform = await loadPlatform();
      const peer = await withSocket((socket) => platform.peerOf(socket));
      expect(peer).toEqual({ uid: process.getuid?.(), pid: process.pid });
    },
  );

  it.each([linuxPlatform(null), darwinPlatform(null), otherPlatform("sunos")])(
    "is unknown without the native dependency on $name",
    async (platform) => {
      expect(await withSocket((socket) => platform.peerOf(socket))).toBeNull();
    },
  );

  it.skipIf(!hasBinding)("is unknown for a socket that has closed", async () => {
    const platform = linuxPlatform(await loadGetSocketOption(null));
    const peer = await withSocket((socket) => {
      socket.destroy();
      return platform.peerOf(socket);
    });
    expect(peer).toBeNull();
  });
});

describe("parseUcred", () => {
  it("reads pid and uid, and knows the answer for nobody", () => {
    expect(parseUcred(words(7, 1000, 1000))).toEqual({ uid: 1000, pid: 7 });
    expect(parseUcred(words(0, 0, 0))).toEqual({ uid: 0, pid: null });
    expect(parseUcred(words(0, 0xffff_ffff, 0xffff_ffff))).toBeNull();
  });
});

describe("parseXucred", () => {
  it("reads uid and pid, and refuses another version", () => {
    expect(parseXucred(words(0, 501, 1), words(7))).toEqual({ uid: 501, pid: 7 });
    expect(parseXucred(words(0, 501, 1), null)).toEqual({ uid: 501, pid: null });
    expect(parseXucred(words(1, 501, 1), null)).toBeNull();
    expect(parseXucred(words(0, 0xffff_ffff, 1), null)).toBeNull();
  });
});

describe("descriptorsMax", () => {
  it.runIf(platformName === "linux")("is what the kernel says, on Linux", async () => {
    expect((await loadPlatform()).descriptorsMax()).toBeGreaterThan(10);
  });

  it("is unknown where the text is not that of proc(5)", () => {
    expect(parseLimits("Max open files            1024                 4096     files\n")).toBe(
      1024,
    );
    expect(parseLimits("Max open files            unlimited            unlimited\n")).toBeNull();
    expect(parseLimits("")).toBeNull();
  });
});
