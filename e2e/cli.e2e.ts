// What a person does with `aivault`, on the built binaries: store, call, stream, upload, look, end.
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { findSecret } from "./support/find-secret.mjs";
import { AIVAULT, aivault, type RunOptions, run } from "./support/run.mjs";
import { type StandInProcess, startStandIn } from "./support/start-stand-in.mjs";
import { createTempHome } from "./support/temp-home.mjs";

const KEY = "sk-cli-canary0123456789abcdefghijklmnopqrstuvwxyzAB";
const CHAT = ["openai/chat-completions", "--method", "POST", "--path", "/v1/chat/completions"];
const home = createTempHome();
const said: { stdout: string; stderr: string }[] = [];

let standIn: StandInProcess;
let env: Record<string, string>;

async function cli(args: readonly string[], options: RunOptions = {}) {
  const done = await aivault(args, { ...options, env: { ...env, ...options.env } });
  said.push(done);
  return done;
}

/** `aivault` as a child that is still running. */
function start(args: readonly string[]) {
  const child = spawn(process.execPath, [AIVAULT, ...args], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: "pipe",
  });
  child.stdin.end();
  return child;
}

beforeAll(async () => {
  standIn = await startStandIn({ credentials: { "api.openai.com": { secret: KEY } } });
  env = { ...home.environment, ...standIn.daemonEnvironment };
});

afterAll(async () => {
  await cli(["stop"]);
  await standIn.stop();
  home.remove();
});

beforeEach(() => standIn.clear());

describe("a first quarter of an hour", () => {
  it("makes a vault once, and refuses to make it again", async () => {
    expect(await cli(["status"])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("not initialized"),
    });
    expect(existsSync(home.vaultDirectory)).toBe(false);
    expect(await cli(["init", "--dev"])).toMatchObject({
      status: 0,
      stderr: expect.stringContaining("development vault"),
    });
    const before = readFileSync(join(home.vaultDirectory, "vault.json"));
    expect(await cli(["init"])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("CLI_VAULT_EXISTS"),
    });
    expect(readFileSync(join(home.vaultDirectory, "vault.json"))).toEqual(before);
  });

  it("stores a key from stdin, starting the daemon for it", async () => {
    const done = await cli(["secrets", "create", "OPENAI_API_KEY", "--value-stdin"], {
      stdin: `${KEY}\n`,
    });
    expect(done).toMatchObject({ status: 0, stderr: expect.stringContaining("tied to openai") });
    expect(JSON.parse(done.stdout)).toMatchObject({
      name: "OPENAI_API_KEY",
      pinnedProvider: "openai",
      valueVersion: 1,
    });
    const run = join(home.vaultDirectory, "run");
    expect(statSync(run).mode & 0o777).toBe(0o700);
    for (const file of ["aivaultd.sock", "aivaultd.operator.sock", "aivaultd.log"]) {
      expect(statSync(join(run, file)).mode & 0o777).toBe(0o600);
    }
  });

  it("calls the provider with one line", async () => {
    const done = await cli(["json", ...CHAT, "--body", '{"model":"m","messages":[]}']);
    expect(done).toMatchObject({ status: 0, stderr: "" });
    expect(JSON.parse(done.stdout)).toMatchObject({
      planned: { capability: "openai/chat-completions", credential: "openai", method: "POST" },
      response: { status: 200, json: { object: "chat.completion" } },
    });
    expect((await standIn.requests())[0]).toMatchObject({ authorized: true });
  });

  it("finds what there is, and how to call it", async () => {
    const list = await cli(["capability", "list", "--provider", "openai"]);
    expect(list.stdout).toContain("openai/chat-completions");
    const describe = await cli(["capability", "describe", "openai/models"]);
    expect(JSON.parse(describe.stdout)).toMatchObject({ capability: "openai/models", ready: true });
    expect((await cli(["secrets", "list"])).stdout).toContain("OPENAI_API_KEY");
    expect((await cli(["credential", "list"])).stdout).toContain("api.openai.com");
  });

  it("G18: shows what was called, and that the log holds", async () => {
    const entries = JSON.parse((await cli(["audit", "--limit", "50"])).stdout) as {
      seq: number;
      kind: string;
      capability?: string;
    }[];
    expect(entries.some(({ capability }) => capability === "openai/chat-completions")).toBe(true);
    expect(entries.map(({ seq }) => seq)).toEqual(
      entries.map((_, index) => (entries[0]?.seq ?? 0) - index),
    );
    expect(await cli(["audit", "verify"])).toMatchObject({ status: 0 });
    expect(await cli(["doctor"])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("ok"),
    });
  });
});

describe("a caller with a token", () => {
  const settings = async (value: string) =>
    expect(await cli(["settings", "set", "requireToken", value])).toMatchObject({ status: 0 });

  it("G12: can call where tokens are obligatory, and only what the token is for", async () => {
    const mint = ["token", "mint", "--capability", "openai/models", "--label", "agent"];
    const token = (await cli([...mint, "--token-only"])).stdout.trim();
    said.pop();
    const file = join(home.home, "agent.token");
    writeFileSync(file, `${token}\n`);
    await settings("true");
    try {
      expect(await cli(["invoke", "openai/models"])).toMatchObject({
        status: 3,
        stderr: expect.stringContaining("--token-file"),
      });
      const ways: [string[], RunOptions][] = [
        [["--token-file", file], {}],
        [["--token-file", "-"], { stdin: token }],
        [[], { env: { AIVAULT_TOKEN: token } }],
      ];
      for (const [flags, options] of ways) {
        const done = await cli(["invoke", "openai/models", ...flags], options);
        expect(done, flags.join(" ")).toMatchObject({ status: 0, stderr: "" });
      }
      const list = await cli(["capability", "list", "--json", "--token-file", file]);
      expect(JSON.parse(list.stdout).registryCapabilities).toMatchObject([{ id: "openai/models" }]);
      expect(await cli(["json", ...CHAT, "--body", "{}", "--token-file", file])).toMatchObject({
        status: 3,
        stderr: expect.stringContaining("capability_not_granted"),
      });
      const denied = await cli(["audit", "--denied", "--limit", "1"]);
      expect(JSON.parse(denied.stdout)).toMatchObject([{ reason: "capability_not_granted" }]);
    } finally {
      await settings("false");
    }
    expect(await cli(["token", "revoke", "agent"])).toMatchObject({ status: 0 });
    expect(said.some(({ stdout, stderr }) => (stdout + stderr).includes(token))).toBe(false);
  });
});

describe("aivault completion", () => {
  it("completes commands, names and paths in bash", async () => {
    const script = `
      aivault() { "$NODE" "$CLI" "$@"; }
      source <(aivault completion bash)
      COMP_WORDS=(aivault secrets ro); COMP_CWORD=2; _aivault; echo "\${COMPREPLY[@]}"
      COMP_WORDS=(aivault invoke openai/mode); COMP_CWORD=2; _aivault; echo "\${COMPREPLY[@]}"
      COMP_WORDS=(aivault invoke x --body-file-path /etc/host); COMP_CWORD=4; _aivault; echo "\${COMPREPLY[@]}"
    `;
    const tools = { NODE: process.execPath, CLI: AIVAULT };
    const done = await run("bash", ["-c", script], { env: { ...env, ...tools } });
    const [verb, names, paths] = done.stdout.split("\n");
    expect(verb).toBe("rotate");
    expect(names?.split(" ")).toContain("openai/models");
    expect(paths?.split(" ")).toContain("/etc/hosts");
  });
});

describe("aivault invoke", () => {
  it("prints a stream as it arrives", async () => {
    const child = start([
      "invoke",
      ...CHAT,
      "--body",
      '{"model":"m","messages":[],"x_stand_in":"slow"}',
    ]);
    const times: number[] = [];
    child.stdout.on("data", () => times.push(Date.now()));
    await once(child, "close");
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(1_000);
  });

  it("uploads a file octet for octet, and passes an answer through a pipe as it is", async () => {
    const file = join(home.home, "noise.bin");
    const octets = randomBytes(3 * 1024 * 1024);
    writeFileSync(file, octets);
    const upload = ["invoke", "openai/files", "--method", "POST", "--path", "/v1/files"];
    const done = await cli([
      ...upload,
      "--multipart-field",
      "purpose=test",
      "--multipart-file",
      `file=${file}`,
    ]);
    const sha256 = createHash("sha256").update(octets).digest("hex");
    expect(JSON.parse(done.stdout)).toMatchObject({
      sha256,
      filename: "noise.bin",
      fields: { purpose: "test" },
    });

    const body = '{"model":"m","messages":[],"x_stand_in":"big:5000000"}';
    const counted = await run(
      "sh",
      ["-c", `"$0" "$@" | wc -c`, process.execPath, AIVAULT, "invoke", ...CHAT, "--body", body],
      { env },
    );
    expect(counted.stdout.trim()).toBe("5000000");
  });

  it("streams a body from stdin", async () => {
    const child = start([
      "invoke",
      ...CHAT,
      "--header",
      "content-type: application/json",
      "--body-file-path",
      "-",
    ]);
    expect((await once(child, "close"))[0]).not.toBeNull();
    const body = '{"model":"m","messages":[]}';
    const args = [
      "invoke",
      ...CHAT,
      "--header",
      "content-type=application/json",
      "--body-file-path",
      "-",
    ];
    expect(JSON.parse((await cli(args, { stdin: body })).stdout)).toMatchObject({
      object: "chat.completion",
    });
  });

  it("is quiet when the reader of its output goes away", async () => {
    const body = '{"model":"m","messages":[],"x_stand_in":"big:50000000"}';
    const script = `{ "$0" "$@"; echo "status $?" >&2; } | head -c 10 >/dev/null`;
    const done = await run(
      "sh",
      ["-c", script, process.execPath, AIVAULT, "invoke", ...CHAT, "--body", body],
      { env },
    );
    expect(done).toMatchObject({ status: 0, stderr: "status 0\n" });
    await expect.poll(async () => (await standIn.requests())[0]?.outcome).toBe("aborted");
  });

  it("ends the provider's work when it is interrupted", async () => {
    const child = start([
      "invoke",
      ...CHAT,
      "--body",
      '{"model":"m","messages":[],"x_stand_in":"hang-mid-body"}',
    ]);
    const stderr: Buffer[] = [];
    child.stderr.on("data", (chunk) => stderr.push(chunk));
    await once(child.stdout, "data");
    child.kill("SIGINT");
    expect((await once(child, "close"))[0]).toBe(130);
    expect(Buffer.concat(stderr).toString()).toContain("CLIENT_ABORTED");
    await expect.poll(async () => (await standIn.requests())[0]?.outcome).toBe("aborted");
  });

  it("plans without sending", async () => {
    const done = await cli(["invoke", ...CHAT, "--body", "{}", "--dry-run"]);
    expect(JSON.parse(done.stdout)).toMatchObject({ decision: "allow", method: "POST" });
    expect(await standIn.requests()).toEqual([]);
  });

  it("takes an envelope, and renders Markdown", async () => {
    const request = { method: "POST", path: "/v1/chat/completions", body: "{}" };
    const done = await cli([
      "invoke",
      "openai/chat-completions",
      "--request",
      JSON.stringify(request),
    ]);
    expect(JSON.parse(done.stdout)).toMatchObject({ object: "chat.completion" });
    const markdown = await cli([
      "md",
      "openai/models",
      "--method",
      "GET",
      "--path",
      "/v1/models",
      "--namespace",
      "models",
    ]);
    expect(markdown.stdout).toMatch(/^<begin models [0-9a-f]{12}>\n# Data\n/);
  });

  it("fails with --fail for a provider's error, after printing it", async () => {
    const args = [
      "invoke",
      ...CHAT,
      "--body",
      '{"model":"m","messages":[],"x_stand_in":"status:429"}',
    ];
    expect(await cli(args)).toMatchObject({ status: 0 });
    expect(await cli([...args, "--fail"])).toMatchObject({
      status: 1,
      stdout: expect.stringContaining("as_asked"),
    });
  });
});

describe("the vault's life", () => {
  it("locks, refuses, and unlocks", async () => {
    expect(await cli(["lock"])).toMatchObject({ status: 0 });
    expect(await cli(["invoke", ...CHAT, "--body", "{}"])).toMatchObject({
      status: 4,
      stderr: expect.stringContaining("vault_locked"),
    });
    expect(await cli(["unlock"])).toMatchObject({ status: 0 });
    expect(await cli(["invoke", ...CHAT, "--body", "{}"])).toMatchObject({ status: 0 });
  });

  it("restarts and stops the daemon", async () => {
    const pid = async () =>
      JSON.parse((await cli(["status", "--json"])).stdout).daemon.pid as number;
    const before = await pid();
    expect(await cli(["restart"])).toMatchObject({ status: 0 });
    expect(await pid()).not.toBe(before);
    expect(JSON.parse((await cli(["stop"])).stdout)).toMatchObject({ stopped: true });
    expect(JSON.parse((await cli(["stop"])).stdout)).toMatchObject({ stopped: false });
  });

  it("works without a daemon under AIVAULTD_DISABLE", async () => {
    const alone = { env: { AIVAULTD_DISABLE: "1" } };
    expect(await cli(["json", ...CHAT, "--body", "{}"], alone)).toMatchObject({
      status: 0,
      stderr: "",
    });
    expect(existsSync(join(home.vaultDirectory, "run", "aivaultd.sock"))).toBe(false);
  });

  it("keeps a passphrase vault locked until somebody says the passphrase", async () => {
    const other = createTempHome();
    const run = (args: readonly string[], stdin = "") =>
      aivault(args, { env: other.environment, stdin });
    const said = "correct horse battery staple\n";
    expect(
      await run(["init", "--provider", "passphrase", "--passphrase-stdin"], said),
    ).toMatchObject({ status: 0 });
    const create = ["secrets", "create", "A", "--value", "v"];
    expect(await run(create)).toMatchObject({ status: 4 });
    const wrong = await run(["unlock", "--passphrase-stdin"], "wrong\n");
    expect(wrong.status).not.toBe(0);
    expect(wrong.stderr).toMatch(/\[[a-z_]+(: [a-z_]+)?\]/);
    expect(await run(["unlock", "--passphrase-stdin"], said)).toMatchObject({ status: 0 });
    expect(await run(create)).toMatchObject({ status: 0 });
    await run(["stop"]);
    other.remove();
  });

  it("asks for a value on the terminal without echoing it", async () => {
    const command = `sleep 0.2; '${process.execPath}' '${AIVAULT}' secrets rotate OPENAI_API_KEY`;
    const child = spawn("script", ["-qec", command, "/dev/null"], {
      env: { ...env, PATH: process.env["PATH"] ?? "", TERM: "xterm" },
    });
    const shown: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => {
      shown.push(chunk);
      if (String(chunk).includes("(not shown)")) child.stdin.write(`${KEY}\r`);
    });
    expect((await once(child, "close"))[0]).toBe(0);
    const screen = Buffer.concat(shown).toString();
    expect(screen).toContain("rotated OPENAI_API_KEY");
    expect(screen).not.toContain(KEY.slice(0, 8));
  });

  it("rotates and deletes, and says what stops working", async () => {
    const rotated = await cli(["secrets", "rotate", "OPENAI_API_KEY", "--value-stdin"], {
      stdin: KEY,
    });
    expect(JSON.parse(rotated.stdout)).toMatchObject({ valueVersion: 3 });
    const deleted = await cli(["secrets", "delete", "OPENAI_API_KEY", "--yes"]);
    expect(deleted).toMatchObject({ status: 0, stderr: expect.stringContaining("openai") });
    expect(await cli(["invoke", ...CHAT, "--body", "{}"])).toMatchObject({ status: 1 });
  });

  it("G3: never said the key, in any form", () => {
    for (const { stdout, stderr } of said) {
      expect(findSecret(KEY, Buffer.from(stdout + stderr))).toEqual([]);
    }
  });
});
