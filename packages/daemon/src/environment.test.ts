import { describe, expect, it } from "vitest";
import {
  cleanEnvironment,
  requireTrustworthyEnvironment,
  scrubEnvironment,
} from "./environment.ts";

describe("requireTrustworthyEnvironment", () => {
  it("G24: refuses options of Node that whoever starts the daemon set, naming them", () => {
    expect(() => requireTrustworthyEnvironment({ NODE_OPTIONS: "--require /tmp/evil.js" })).toThrow(
      expect.objectContaining({
        code: "DAEMON_ENVIRONMENT_REFUSED",
        message: expect.not.stringContaining("evil"),
      }),
    );
  });

  it("accepts an environment with nothing or a blank in them", () => {
    requireTrustworthyEnvironment({ PATH: "/bin", NODE_OPTIONS: " " });
  });
});

describe("cleanEnvironment", () => {
  it("G24: drops what could change how a daemon runs and keeps the rest", () => {
    expect(
      cleanEnvironment({
        PATH: "/bin",
        AIVAULT_DIR: "/v",
        NODE_OPTIONS: "--inspect",
        NODE_EXTRA_CA_CERTS: "/ca",
        HTTPS_PROXY: "http://p",
        https_proxy: "http://p",
        LD_PRELOAD: "/x.so",
        EMPTY: undefined,
      }),
    ).toEqual({ PATH: "/bin", AIVAULT_DIR: "/v" });
  });
});

describe("scrubEnvironment", () => {
  it("G24: takes away what Node reads while it runs", () => {
    const env: Record<string, string | undefined> = {
      NODE_TLS_REJECT_UNAUTHORIZED: "0",
      HOME: "/h",
    };
    scrubEnvironment(env);
    expect(env).toEqual({ HOME: "/h" });
  });
});
