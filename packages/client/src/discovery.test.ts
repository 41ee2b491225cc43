import { describe, expect, it } from "vitest";
import { callerSockets, operatorSocket } from "./discovery.ts";

const machine = { home: "/home/u", platform: "linux" } as const;

describe("callerSockets", () => {
  it.each([
    [
      "an option over all else",
      { ...machine, socket: "/o", env: { AIVAULTD_SOCKET: "/e" } },
      ["/o"],
    ],
    [
      "AIVAULTD_SOCKET alone",
      { ...machine, env: { AIVAULTD_SOCKET: "/e", AIVAULT_DIR: "/d" } },
      ["/e"],
    ],
    [
      "the vault's own under AIVAULT_DIR",
      { ...machine, env: { AIVAULT_DIR: "/d" } },
      ["/d/run/aivaultd.sock"],
    ],
    [
      "the user's own, then the shared one",
      { ...machine, env: {} },
      ["/home/u/.aivault/run/aivaultd.sock", "/var/run/aivault/aivaultd.sock"],
    ],
    [
      "the shared one of the system",
      { ...machine, platform: "darwin", env: { AIVAULTD_SOCKET: " " } },
      ["/home/u/.aivault/run/aivaultd.sock", "/Users/Shared/aivault/run/aivaultd.sock"],
    ],
    [
      "AIVAULTD_SHARED_SOCKET beside AIVAULT_DIR",
      { ...machine, env: { AIVAULT_DIR: "/d", AIVAULTD_SHARED_SOCKET: "/s" } },
      ["/d/run/aivaultd.sock", "/s"],
    ],
  ] as const)("finds %s", (_, options, expected) => {
    expect(callerSockets(options)).toEqual(expected);
  });
});

describe("operatorSocket", () => {
  it.each([
    [{ ...machine, env: {} }, "/home/u/.aivault/run/aivaultd.operator.sock"],
    [{ ...machine, env: { AIVAULT_DIR: "/d" } }, "/d/run/aivaultd.operator.sock"],
    [{ ...machine, env: { AIVAULTD_SOCKET: "/e/x.sock" } }, "/e/x.operator.sock"],
    [{ ...machine, env: { AIVAULTD_SOCKET: "/e/socket" } }, "/e/socket.operator.sock"],
  ] as const)(
    "lies beside the caller socket, and is never the shared one (%#)",
    (options, expected) => {
      expect(operatorSocket(options)).toBe(expected);
    },
  );
});
