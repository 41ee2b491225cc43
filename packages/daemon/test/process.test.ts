// `aivaultd` as a process: what only a process has, such as signals, an environment and an exit status.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { loadForbidCoreFiles } from "../src/platform/core-dumps.ts";
import { type StandIn, startStandIn, until } from "./stand-in.ts";
import { type TestVault, testVault } from "./vault.ts";
import { call, form, json } from "./wire.ts";

const here = fileURLToPath(new URL("..", import.meta.url));
const esbuild = join(here, "../../node_modules/.bin/esbuild");
// In dist/, where ../package.json is ours and the packages it leaves out are found.
const main = join(here, "dist", "process-test.mjs");
const canBuild = existsSync(esbuild);
if (!canBuild) process.stderr.write("SKIPPED: no esbuild to make a process of the sources with\n");

const hasNative = (await loadForbidCoreFiles()) !== null;
if (!hasNative) process.stderr.write("SKIPPED: no koffi to set the limit of core files with\n");

const KEY = "sk-proj-1";
let standIn: StandIn;
let vault: TestVault;
const children: ChildProcess[] = [];

beforeAll(async () => {
  const require = "import{createRequire as r}from'node:module';const require=r(import.meta.url);";
  const args = ["src/main.ts", "--bundle", "--platform=node", "--format=esm", "--target=node20"];
  args.push("--conditions=@aivault/source", "--external:koffi", "--external:@github/keytar");
  args.push(`--outfile=${main}`, "--log-level=error", `--banner:js=${require}`);
  if (canBuild) expect(spawnSync(esbuild, args, { cwd: here, stdio: "inherit" }).status).toBe(0);
  standIn = await startStandIn({ credentials: { "api.openai.com": { secret: KEY } } });
}, 60_000);
afterAll(async () => {
  await standIn.stop();
  rmSync(main, { force: true });
});

beforeEach(() => {
  vault = testVault();
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await vault.dispose();
});

interface Process {
  readonly child: ChildProcess;
  stderr(): string;
  readonly ended: Promise<number | null>;
}

function run(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Process {
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env["PATH"] ?? "", ...vault.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  let stderr = "";
  child.stderr?.on("data", (chunk) => {
    stderr += chunk;
  });
  child.stdout?.resume();
  const ended = once(child, "exit").then(([status]) => status as number | null);
  return { child, stderr: () => stderr, ended };
}

async function start(env: Readonly<Record<string, string>> = {}): Promise<Process> {
  const daemon = run([], env);
  await until(() => daemon.stderr().includes("aivaultd: listening on "), 15_000);
  return daemon;
}

async function storeKey(): Promise<void> {
  const secret = JSON.stringify({ name: "OPENAI_API_KEY" });
  const body = form(["secret", secret], ["value", KEY]);
  await call(vault.paths.operatorSocket, "POST", "/aivault/secrets", body);
}

const chat = (body: object) =>
  json({
    capability: "openai/chat-completions",
    request: {
      method: "POST",
      path: "/v1/chat/completions",
      headers: [{ name: "content-type", value: "application/json" }],
      body: JSON.stringify(body),
    },
  });

function stream(body: object): Promise<IncomingMessage> {
  const options = chat(body);
  const headers = { host: "aivault", ...options.headers };
  const { socket: socketPath } = vault.paths;
  return new Promise((resolve, reject) => {
    httpRequest({ socketPath, method: "POST", path: "/aivault/proxy", headers, agent: false })
      .on("response", resolve)
      .on("error", reject)
      .end(options.body);
  });
}

describe.skipIf(!canBuild)("aivaultd", { timeout: 60_000 }, () => {
  it.each<[string, string[], Record<string, string>, number, string]>([
    ["an unknown flag", ["--wat"], {}, 2, "aivaultd --help"],
    ["no vault", [], {}, 1, "aivault init"],
    ["options of Node", [], { NODE_OPTIONS: "--no-warnings" }, 1, "NODE_OPTIONS"],
  ])("ends with a hint and no stack after %s", async (_, args, env, status, hint) => {
    const daemon = run(args, env);
    expect(await daemon.ended).toBe(status);
    expect(daemon.stderr()).toMatch(/^aivaultd: error: \[[A-Z_]+\] .+\naivaultd: hint: .+\n$/);
    expect(daemon.stderr()).toContain(hint);
  });

  it("names the code of a vault that does not open, and what helps", async () => {
    await vault.init();
    rmSync(vault.paths.keyFile);
    const daemon = run();
    expect(await daemon.ended).toBe(1);
    expect(daemon.stderr()).toContain("aivaultd: error: [VAULT_KEY_UNAVAILABLE] ");
    expect(daemon.stderr()).toContain("aivaultd: hint: aivault doctor");
  });

  it("G18: says of what a killed daemon was doing that nobody knows how it ended", async () => {
    await vault.init({ dev: true });
    const { child, ended } = await start(standIn.daemonEnvironment);
    await storeKey();
    const response = await stream({ x_stand_in: "hang-mid-body" });
    response.on("error", () => undefined).resume();
    const requestId = response.headers["aivault-request-id"];
    child.kill("SIGKILL");
    await ended;

    const completions = async () => {
      const path = "/aivault/audit?limit=20";
      const { items } = (await call(vault.paths.operatorSocket, "GET", path)).json;
      return items
        .map(({ event }: { event: object }) => event)
        .filter(({ kind }: { kind: string }) => kind === "invocation.completed");
    };
    const second = await start(standIn.daemonEnvironment);
    const settled = { requestId, outcome: "unknown", capability: "openai/chat-completions" };
    expect(await completions()).toEqual([expect.objectContaining(settled)]);
    second.child.kill("SIGKILL");
    await second.ended;
    await start(standIn.daemonEnvironment);
    expect(await completions()).toHaveLength(1);
  });

  it("reads its settings again at SIGHUP, and goes on", async () => {
    await vault.init();
    const { child } = await start();
    child.kill("SIGHUP");
    await until(async () => {
      const { json: audit } = await call(
        vault.paths.operatorSocket,
        "GET",
        "/aivault/audit?limit=1",
      );
      return audit.items[0].event.kind === "settings.reloaded";
    });
    expect((await call(vault.paths.socket, "GET", "/aivault/health")).status).toBe(200);
  });

  it("prints its version and its usage on stdout", () => {
    for (const [flag, text] of [
      ["--version", /^aivaultd \d+\.\d+\.\d+\n$/],
      ["--help", /^usage: aivaultd /],
    ] as const) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [main, flag], {
        encoding: "utf8",
        env: {},
      });
      expect([status, stderr]).toEqual([0, ""]);
      expect(stdout).toMatch(text);
    }
  });

  it("refuses to be the second one, by name", async () => {
    await vault.init();
    const first = await start();
    const second = run();
    expect(await second.ended).toBe(1);
    expect(second.stderr()).toContain(String(first.child.pid));
    expect((await call(vault.paths.socket, "GET", "/aivault/health")).status).toBe(200);
  });

  it("finishes what is running on SIGTERM, removes its sockets, and exits with 0", async () => {
    await vault.init({ dev: true });
    const daemon = await start(standIn.daemonEnvironment);
    await storeKey();
    const response = await stream({ x_stand_in: "slow" });
    daemon.child.kill("SIGTERM");
    let text = "";
    for await (const chunk of response) text += chunk;
    expect(text).toContain("piece 19");
    expect(await daemon.ended).toBe(0);
    expect(readdirSync(join(vault.directory, "run"))).toEqual([]);
    expect(daemon.stderr()).not.toMatch(/error/i);
  });

  it("G20: serves again after it was killed, with nothing lost and its sockets replaced", async () => {
    await vault.init({ dev: true });
    const first = await start(standIn.daemonEnvironment);
    await storeKey();
    const response = await stream({ x_stand_in: "hang-mid-body" });
    first.child.kill("SIGKILL");
    await expect(
      (async () => {
        for await (const _ of response);
      })(),
    ).rejects.toThrow();
    await first.ended;
    expect(existsSync(vault.paths.socket)).toBe(true);

    await start(standIn.daemonEnvironment);
    const answer = await call(
      vault.paths.socket,
      "POST",
      "/aivault/proxy",
      chat({ model: "m", messages: [] }),
    );
    expect(answer.status).toBe(200);
    const { operatorSocket } = vault.paths;
    expect((await call(operatorSocket, "GET", "/aivault/audit/verify")).json.ok).toBe(true);
    const audit = await call(operatorSocket, "GET", "/aivault/audit?limit=100");
    const killed = response.headers["aivault-request-id"];
    const events = audit.json.items
      .map((item: { event: Record<string, unknown> }) => item.event)
      .filter((event: Record<string, unknown>) => event["requestId"] === killed);
    expect(events[events.length - 1]).toMatchObject({ kind: "invocation.decided" });
  });

  it.skipIf(process.platform !== "linux")("G23: leaves no memory in a core dump", async () => {
    await vault.init();
    const { child } = await start();
    const filter = readFileSync(`/proc/${child.pid}/coredump_filter`, "latin1");
    expect(Number.parseInt(filter, 16)).toBe(0);
    const limits = readFileSync(`/proc/${child.pid}/limits`, "latin1");
    if (hasNative) expect(limits).toMatch(/^Max core file size +0 +0 /m);
  });

  it("G21: opens no inspector when it is asked to by a signal", async () => {
    await vault.init();
    const daemon = await start();
    daemon.child.kill("SIGUSR1");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await call(vault.paths.socket, "GET", "/aivault/health")).status).toBe(200);
    expect(daemon.stderr()).not.toContain("Debugger");
  });

  it("G24: trusts no certificate authority and no leniency of its environment", async () => {
    await vault.init({ dev: true });
    const { AIVAULT_DEV_CA_CERT_PATH: authority = "", ...overrides } = standIn.daemonEnvironment;
    await start({
      ...overrides,
      NODE_EXTRA_CA_CERTS: authority,
      NODE_TLS_REJECT_UNAUTHORIZED: "0",
      SSL_CERT_FILE: authority,
    });
    await storeKey();
    await standIn.clear();
    const answer = await call(
      vault.paths.socket,
      "POST",
      "/aivault/proxy",
      chat({ model: "m", messages: [] }),
    );
    expect([answer.status, answer.json.error]).toEqual([502, "upstream_unreachable"]);
    expect(await standIn.requests()).toEqual([]);
  });

  it("G24: goes through no proxy of its environment", async () => {
    await vault.init({ dev: true });
    const proxy = "http://127.0.0.1:9";
    const proxies = { HTTPS_PROXY: proxy, https_proxy: proxy, ALL_PROXY: proxy };
    await start({ ...standIn.daemonEnvironment, ...proxies, NODE_USE_ENV_PROXY: "1" });
    await storeKey();
    const answer = await call(
      vault.paths.socket,
      "POST",
      "/aivault/proxy",
      chat({ model: "m", messages: [] }),
    );
    expect(answer.status).toBe(200);
  });

  it("G1: has no value in its environment, its arguments, or its open files' names", async () => {
    await vault.init({ dev: true });
    const daemon = await start(standIn.daemonEnvironment);
    await storeKey();
    const { stdout } = spawnSync(
      "sh",
      [
        "-c",
        `cat /proc/${daemon.child.pid}/environ /proc/${daemon.child.pid}/cmdline; ls -l /proc/${daemon.child.pid}/fd`,
      ],
      { encoding: "latin1" },
    );
    expect(stdout).toContain("AIVAULT_DIR");
    expect(stdout).not.toContain(KEY);
  });

  it("serves others while hundreds of connections send nothing useful, and cuts those", async () => {
    await vault.init();
    await start();
    const slow = Array.from({ length: 300 }, () => connect(vault.paths.socket));
    let cut = 0;
    for (const socket of slow) {
      socket.on("error", () => {});
      socket.on("close", () => {
        cut += 1;
      });
      socket.write("GET /aivault/health HTTP/1.1\r\n");
    }
    const drip = setInterval(() => {
      for (const socket of slow) if (!socket.destroyed) socket.write("x: y\r\n");
    }, 1_000);
    const started = Date.now();
    for (let i = 0; i < 50; i++) {
      expect((await call(vault.paths.socket, "GET", "/aivault/health")).status).toBe(200);
    }
    expect((Date.now() - started) / 50).toBeLessThan(200);
    await until(() => cut === slow.length, 20_000);
    clearInterval(drip);
  });
});
