import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readDevelopmentOverrides } from "./development.ts";

const directory = mkdtempSync(join(tmpdir(), "aivault-dev-"));
afterAll(() => rmSync(directory, { recursive: true }));

const invalid = expect.objectContaining({ code: "DAEMON_OPTION_INVALID" });

describe("readDevelopmentOverrides", () => {
  it("is null when no variable is set", () => {
    expect(readDevelopmentOverrides({ AIVAULT_DEV_RESOLVE: " ", PATH: "/bin" }, true)).toBeNull();
    expect(readDevelopmentOverrides({}, false)).toBeNull();
  });

  it("G24: refuses a variable with a vault that is not a development vault, naming it", () => {
    expect(() => readDevelopmentOverrides({ AIVAULT_DEV_RESOLVE: "a=1.2.3.4:5" }, false)).toThrow(
      expect.objectContaining({
        code: "DAEMON_ENVIRONMENT_REFUSED",
        message: expect.stringContaining("AIVAULT_DEV_RESOLVE"),
      }),
    );
  });

  it("G24: refuses a variable that this version does not know, with any vault", () => {
    const env = { AIVAULT_DEV_FORCE_DEFAULT_FILE_PROVIDER: "1" };
    expect(() => readDevelopmentOverrides(env, true)).toThrow(invalid);
    expect(() => readDevelopmentOverrides(env, false)).toThrow();
  });

  it("reads hosts with and without a port, and both families of addresses", () => {
    const overrides = readDevelopmentOverrides(
      { AIVAULT_DEV_RESOLVE: "API.example.com=127.0.0.1:8443, b.example:444=[::1]:1" },
      true,
    );
    expect(overrides?.resolve).toEqual(
      new Map([
        ["api.example.com", { address: "127.0.0.1", port: 8443 }],
        ["b.example:444", { address: "::1", port: 1 }],
      ]),
    );
  });

  it.each([
    "a",
    "a=",
    "a=127.0.0.1",
    "a=127.0.0.1:0",
    "a=127.0.0.1:65536",
    "a=127.0.0.1:08",
    "a=localhost:1",
    "a=127.1:1",
    "=127.0.0.1:1",
    "a b=127.0.0.1:1",
    "a=127.0.0.1:1=2",
    "a=127.0.0.1:1,",
    "a=127.0.0.1:1,a=127.0.0.1:2",
  ])("refuses AIVAULT_DEV_RESOLVE=%s", (text) => {
    expect(() => readDevelopmentOverrides({ AIVAULT_DEV_RESOLVE: text }, true)).toThrow(invalid);
  });

  it.each(["maybe", "2", "on"])("refuses a flag that says %s", (text) => {
    expect(() => readDevelopmentOverrides({ AIVAULT_DEV_HTTP1_ONLY: text }, true)).toThrow(invalid);
  });

  it("reads every certificate of a file, and refuses one without any", () => {
    const certificate = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----";
    const file = join(directory, "ca.pem");
    writeFileSync(file, `comment\n${certificate}\n${certificate}\n`);
    const read = (path: string) =>
      readDevelopmentOverrides({ AIVAULT_DEV_CA_CERT_PATH: path }, true)?.ca;
    expect(read(file)).toEqual([certificate, certificate]);
    writeFileSync(file, "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----");
    expect(() => read(file)).toThrow(invalid);
    expect(() => read(join(directory, "absent.pem"))).toThrow(invalid);
  });
});
