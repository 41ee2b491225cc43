import { describe, expect, it } from "vitest";
import { daemonEnvironment, startError, variablesOf } from "./daemon-process.ts";
import { locateVault } from "./location.ts";

describe("daemonEnvironment", () => {
  it("G24: passes no proxy, CA, loader or Node option on", () => {
    const hostile = {
      NODE_OPTIONS: "--require /evil.js",
      NODE_EXTRA_CA_CERTS: "/evil.pem",
      NODE_TLS_REJECT_UNAUTHORIZED: "0",
      HTTPS_PROXY: "http://evil",
      http_proxy: "http://evil",
      SSL_CERT_FILE: "/evil.pem",
      LD_PRELOAD: "/evil.so",
      AIVAULTX: "no",
    };
    const harmless = {
      HOME: "/h",
      PATH: "/bin",
      AIVAULT_DIR: "/d",
      AIVAULTD_SOCKET: "/s",
      MY_KEY: "k",
    };
    expect(daemonEnvironment({ ...hostile, ...harmless }, ["MY_KEY"])).toEqual(harmless);
    expect(daemonEnvironment({ ...hostile, ...harmless })).not.toHaveProperty("MY_KEY");
  });

  it("G1: passes no caller's token on", () => {
    expect(daemonEnvironment({ AIVAULT_TOKEN: "avp_1", AIVAULT_DIR: "/d" })).toEqual({
      AIVAULT_DIR: "/d",
    });
  });
});

describe("variablesOf", () => {
  it("finds those of the key slots, and nothing in what is no configuration", () => {
    const slot = (provider: unknown) => ({ check: "", provider });
    const slots = [slot({ kind: "env", variable: "A" }), slot({ kind: "file", path: "/k" })];
    expect(variablesOf({ slots: [...slots, slot({ kind: "env", variable: "B" })] })).toEqual([
      "A",
      "B",
    ]);
    expect(variablesOf({})).toEqual([]);
  });
});

describe("startError", () => {
  const location = locateVault({ HOME: "/h" });

  it("repeats the daemon's own last error and hint", () => {
    const words = [
      "aivaultd: error: first",
      "aivaultd: error: the key does not fit",
      "aivaultd: hint: restore it",
    ];
    expect(startError("exited with status 1", words, location)).toMatchObject({
      code: "CLI_DAEMON_FAILED",
      message: "aivaultd exited with status 1: the key does not fit",
      hint: "restore it",
    });
  });

  it("shows the last lines when the daemon said nothing of the kind, and names the log", () => {
    const error = startError("was ended by SIGKILL", ["a", "b"], location);
    expect(error.message).toContain("a / b");
    expect(error.hint).toContain("/h/.aivault/run/aivaultd.log");
  });
});
