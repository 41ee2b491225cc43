// `doctor` on a real vault that things have happened to.
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type RealDaemon, realDaemon } from "./real-daemon.ts";
import { aivault } from "./terminal.ts";

interface Finding {
  readonly name: string;
  readonly state: string;
  readonly message: string;
  readonly hint: string | null;
}

let daemon: RealDaemon;

beforeEach(async () => {
  daemon = await realDaemon();
});
afterEach(() => daemon[Symbol.asyncDispose]());

async function doctor(...flags: string[]): Promise<{ status: number; checks: readonly Finding[] }> {
  const done = await aivault(["doctor", "--json", ...flags], {
    env: { ...daemon.env, AIVAULTD_AUTOSTART: "0" },
  });
  return { status: done.status, ...JSON.parse(done.stdout) };
}

const about = ({ checks }: { checks: readonly Finding[] }, name: string) =>
  checks.filter((finding) => finding.name === name);

describe("aivault doctor", () => {
  it("finds nothing wrong with a vault that is well", async () => {
    const found = await doctor();
    expect(found.status).toBe(0);
    const names = [...new Set(found.checks.map(({ name }) => name))];
    for (const name of [
      "node",
      "environment",
      "vault",
      "permissions",
      "daemon",
      "audit",
      "clock",
    ]) {
      expect(names).toContain(name);
    }
    expect(about(found, "daemon")[0]?.hint).toBe("`aivault restart`");
  });

  it("sees what others may reach, and takes it from them with --fix", async () => {
    const key = join(daemon.directory, "kek.key");
    chmodSync(key, 0o644);
    chmodSync(daemon.directory, 0o755);
    const found = await doctor();
    expect(found.status).toBe(1);
    expect(about(found, "permissions").filter(({ state }) => state === "wrong")).toHaveLength(2);
    expect(statSync(key).mode & 0o777).toBe(0o644);
    expect(about(await doctor("--fix"), "permissions").map(({ state }) => state)).toContain(
      "fixed",
    );
    expect(statSync(key).mode & 0o777).toBe(0o600);
    expect((await doctor()).status).toBe(0);
  });

  it("removes a socket that nobody listens on, and only with --fix", async () => {
    await daemon.stop();
    const socket = join(daemon.directory, "run", "aivaultd.sock");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    const held = join(daemon.directory, "run", "held");
    // As a process leaves it that is killed: the socket stays, and nobody is behind it.
    const { linkSync, renameSync } = await import("node:fs");
    linkSync(socket, held);
    await new Promise<void>((resolve) => server.close(() => resolve()));
    renameSync(held, socket);
    expect(about(await doctor(), "socket")[0]).toMatchObject({ state: "warning" });
    expect(existsSync(socket)).toBe(true);
    expect(about(await doctor("--fix"), "socket")[0]).toMatchObject({ state: "fixed" });
    expect(existsSync(socket)).toBe(false);
  });

  it("says where the key should be when it is not there, and never what it is", async () => {
    await daemon.stop();
    const path = join(daemon.directory, "vault.json");
    const config = JSON.parse(readFileSync(path, "utf8"));
    config.slots[0].provider.path = join(daemon.directory, "gone.key");
    writeFileSync(path, JSON.stringify(config));
    const found = await doctor();
    expect(found.status).toBe(1);
    expect(about(found, "key")[0]?.message).toContain("gone.key");
  });

  it("names every finding that is not ok with what to do", async () => {
    await daemon.stop();
    chmodSync(daemon.directory, 0o755);
    for (const { state, hint } of (await doctor()).checks) {
      if (state === "warning" || state === "wrong") expect(hint).toBeTruthy();
    }
  });
});
