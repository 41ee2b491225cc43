import { describe, expect, it } from "vitest";
import { operatorSocketOf, resolvePaths, withSocket } from "./paths.ts";

describe("resolvePaths", () => {
  it("puts everything under ~/.aivault without an environment", () => {
    expect(resolvePaths({ HOME: "/home/o" }, "linux")).toEqual({
      root: "/home/o/.aivault/data/vault",
      isDefault: true,
      configFile: "/home/o/.aivault/data/vault/vault.json",
      keyFile: "/home/o/.aivault/keys/kek.key",
      runDir: "/home/o/.aivault/run",
      socket: "/home/o/.aivault/run/aivaultd.sock",
      operatorSocket: "/home/o/.aivault/run/aivaultd.operator.sock",
      tlsDir: "/home/o/.aivault/tls",
      sharedSocket: "/var/run/aivault/aivaultd.sock",
    });
  });

  it("moves vault, key and sockets together with AIVAULT_DIR", () => {
    expect(resolvePaths({ HOME: "/home/o", AIVAULT_DIR: "/v" }, "darwin")).toEqual({
      root: "/v",
      isDefault: false,
      configFile: "/v/vault.json",
      keyFile: "/v/kek.key",
      runDir: "/v/run",
      socket: "/v/run/aivaultd.sock",
      operatorSocket: "/v/run/aivaultd.operator.sock",
      tlsDir: "/v/tls",
      sharedSocket: "/Users/Shared/aivault/run/aivaultd.sock",
    });
  });

  it("puts the operator socket beside a caller socket named by AIVAULTD_SOCKET", () => {
    const paths = resolvePaths({ HOME: "/home/o", AIVAULTD_SOCKET: "/run/x/a.sock" }, "linux");
    expect([paths.socket, paths.operatorSocket]).toEqual([
      "/run/x/a.sock",
      "/run/x/a.operator.sock",
    ]);
    expect(paths.root).toBe("/home/o/.aivault/data/vault");
  });

  it("reads a blank variable as unset", () => {
    const env = { HOME: "/home/o", AIVAULT_DIR: " ", AIVAULTD_SOCKET: "" };
    expect(resolvePaths(env, "linux")).toEqual(resolvePaths({ HOME: "/home/o" }, "linux"));
  });

  it("refuses a path with a NUL byte", () => {
    expect(() => resolvePaths({ AIVAULT_DIR: "/v\0w" }, "linux")).toThrow(
      expect.objectContaining({ code: "DAEMON_OPTION_INVALID" }),
    );
  });
});

describe("operatorSocketOf", () => {
  it.each([
    ["/a/b.sock", "/a/b.operator.sock"],
    ["/a/b", "/a/b.operator.sock"],
    ["/a/.sock", "/a/.operator.sock"],
  ])("names the operator socket of %s", (socket, operator) => {
    expect(operatorSocketOf(socket)).toBe(operator);
  });
});

describe("withSocket", () => {
  it("moves the directory of the sockets too", () => {
    const paths = withSocket(resolvePaths({ HOME: "/home/o" }, "linux"), "/r/s.sock");
    expect(paths).toMatchObject({
      runDir: "/r",
      socket: "/r/s.sock",
      operatorSocket: "/r/s.operator.sock",
      root: "/home/o/.aivault/data/vault",
    });
  });
});
