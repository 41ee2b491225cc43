// G18, G19: a disk that is full. Needs a file system of its own, and so root on Linux.

import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { initVault } from "../src/init-vault.ts";
import { resolvePaths } from "../src/paths.ts";
import { type Daemon, startDaemon } from "../src/start-daemon.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";
import { type TestVault, testVault } from "./vault.ts";
import { type Answer, call, form, json } from "./wire.ts";

const scratch: TestVault = testVault();
const disk = join(scratch.directory, "disk");
mkdirSync(disk, { mode: 0o700 });
const mounted =
  spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m,mode=0700", "none", disk]).status === 0;
if (!mounted) process.stderr.write("SKIPPED: a full disk needs the right to mount one\n");

const KEY = "sk-proj-1";
let standIn: StandIn;
let daemon: Daemon;

beforeAll(async () => {
  standIn = await startStandIn({ credentials: { "api.openai.com": { secret: KEY } } });
  if (!mounted) return;
  const env = { AIVAULT_DIR: join(disk, "vault"), ...standIn.daemonEnvironment };
  const paths = resolvePaths(env, "linux");
  await initVault({ paths, keyProvider: { kind: "file" }, dev: true, env });
  // The daemon's sockets elsewhere: what is full is the vault's disk.
  const socket = scratch.paths.socket;
  daemon = await startDaemon({ paths, socket, env, log: false, version: "1.2.3" });
});
afterAll(async () => {
  await daemon?.close();
  await standIn.stop();
  if (mounted) spawnSync("umount", [disk]);
  await scratch.dispose();
});

const operate = (method: string, path: string, options = {}) =>
  call(daemon.operatorSocket, method, path, options);
const store = (name: string) =>
  operate(
    "POST",
    "/aivault/secrets",
    form(["secret", JSON.stringify({ name })], ["value", KEY.padEnd(4096, "x")]),
  );
const invoke = () =>
  call(
    daemon.socket,
    "POST",
    "/aivault/proxy",
    json({
      capability: "openai/chat-completions",
      request: {
        method: "POST",
        path: "/v1/chat/completions",
        headers: [{ name: "content-type", value: "application/json" }],
        body: JSON.stringify({ model: "m", messages: [] }),
      },
    }),
  );

const UNAVAILABLE = [503, "vault_unavailable", "aivault doctor"];
const outcome = ({ status, json: body }: Answer) => [status, body?.error, body?.hint];

/** Fill the disk to the last octet. */
function fill(): void {
  const { bavail, bsize } = statfsSync(disk);
  for (let size = bavail * bsize, i = 0; size >= 1; size = Math.floor(size / 2), i++) {
    try {
      writeFileSync(join(disk, `full-${i}`), Buffer.alloc(size));
    } catch {
      // What fits, fits.
    }
  }
}

describe.skipIf(!mounted)("a full disk", () => {
  it("G18: fails what cannot be recorded, says so, and contacts nobody", async () => {
    const secret = form(["secret", JSON.stringify({ name: "OPENAI_API_KEY" })], ["value", KEY]);
    expect((await operate("POST", "/aivault/secrets", secret)).status).toBe(201);
    expect((await invoke()).status).toBe(200);
    await standIn.clear();
    fill();
    // What is left of the log's last page may take a few more.
    for (let i = 0; i < 100 && (await invoke()).status === 200; i++);
    await standIn.clear();
    for (let i = 0; i < 3; i++) expect(outcome(await invoke())).toEqual(UNAVAILABLE);
    expect(await standIn.requests()).toEqual([]);
    expect(outcome(await store("ANOTHER"))).toEqual(UNAVAILABLE);
    expect((await call(daemon.socket, "GET", "/aivault/nonsense")).json.error).toBe(
      "vault_unavailable",
    );
    expect((await call(daemon.socket, "GET", "/aivault/health")).status).toBe(200);
  });

  it("G20: loses nothing, and is forgotten when there is room again", async () => {
    for (let i = 0; i < 24; i++) rmSync(join(disk, `full-${i}`), { force: true });
    expect((await invoke()).status).toBe(200);
    expect((await store("ANOTHER")).status).toBe(201);
    expect((await operate("GET", "/aivault/secrets/OPENAI_API_KEY")).status).toBe(200);
    expect((await operate("GET", "/aivault/audit/verify")).json.ok).toBe(true);
  });
});
