import { resolvePaths } from "@aivault/daemon";
import { describe, expect, it } from "vitest";
import { isEnvOn, locateVault } from "./location.ts";

describe("locateVault", () => {
  it.each([
    { HOME: "/home/u" },
    { HOME: "/home/u", AIVAULT_DIR: "/vault" },
    { HOME: "/home/u", AIVAULTD_SOCKET: "/s/x.sock" },
    { HOME: "/home/u", AIVAULT_DIR: "/vault", AIVAULTD_SOCKET: "/s/socket" },
    { HOME: "/home/u", AIVAULT_DIR: " " },
  ])("says what the daemon says: %j", (env) => {
    const { root, configFile, socket, operatorSocket } = resolvePaths(env, "linux");
    expect(locateVault(env)).toMatchObject({ root, configFile, socket, operatorSocket });
  });
});

describe("isEnvOn", () => {
  it.each([
    ["1", true],
    ["TRUE", true],
    ["yes", true],
    ["0", false],
    ["", false],
    [undefined, false],
  ] as const)("takes %j for %j", (value, expected) => {
    expect(isEnvOn(value)).toBe(expected);
  });
});
