// Bad input and bad luck, on the built binaries: each has a code of its own, a next step, the right
// exit status, and leaves nothing half-written.
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AIVAULT, aivault, type RunOptions, run } from "./support/run.mjs";
import { type StandInProcess, startStandIn } from "./support/start-stand-in.mjs";
import { createTempHome, type TempHome } from "./support/temp-home.mjs";

const KEY = "sk-err-canary0123456789abcdefghijklmnopqrstuvwxyzAB";
const CHAT = ["openai/chat-completions", "--method", "POST", "--path", "/v1/chat/completions"];

let home: TempHome;
let standIn: StandInProcess;
let env: Record<string, string>;

const cli = (args: readonly string[], options: RunOptions = {}) =>
  aivault(args, { ...options, env: { ...env, ...options.env } });

/** What every failure has: a code in brackets, no stack, no key; and nothing on stdout. */
function expectFailure(
  done: { status: number | null; stdout: string; stderr: string },
  status: number,
  code: string,
) {
  expect(done.stderr).toMatch(/^aivault: error: .+ \[[A-Za-z_]+(: [a-z_]+)?\]$/m);
  expect(done.stderr).toContain(`[${code}`);
  expect(done.stderr).not.toMatch(/^ {4}at |node:internal|sk-err/m);
  expect(done.status).toBe(status);
}

function expectHint(done: { stderr: string }) {
  expect(done.stderr).toMatch(/^aivault: hint: .+$/m);
}

beforeAll(async () => {
  home = createTempHome();
  standIn = await startStandIn({ credentials: { "api.openai.com": { secret: KEY } } });
  env = { ...home.environment, ...standIn.daemonEnvironment };
  expect(await cli(["init", "--dev"])).toMatchObject({ status: 0 });
  const create = ["secrets", "create", "OPENAI_API_KEY", "--value-stdin"];
  expect(await cli(create, { stdin: KEY })).toMatchObject({ status: 0 });
});

afterAll(async () => {
  await cli(["stop"]);
  await standIn.stop();
  home.remove();
});

describe("a request that cannot be meant", () => {
  const request = { method: "POST", path: "/v1/chat/completions" };

  it.each<[string, unknown]>([
    ["an unknown member of the request", { request: { ...request, url: "https://evil.example/" } }],
    ["an unknown member of the envelope", { request, extra: true }],
    [
      "a file path for the daemon to open",
      { request: { ...request, bodyFilePath: "/etc/passwd" } },
    ],
    ["a method of the wrong type", { request: { ...request, method: 5 } }],
    ["headers of the wrong type", { request: { ...request, headers: { a: "b" } } }],
    ["no path", { request: { method: "POST" } }],
  ])("has status 2 or 3: %s", async (_, payload) => {
    const done = await cli([
      "invoke",
      "openai/chat-completions",
      "--request",
      JSON.stringify(payload),
    ]);
    expect([2, 3]).toContain(done.status);
    expectFailure(
      done,
      done.status ?? 0,
      done.status === 2 ? "invalid_request" : "policy_violation",
    );
    expect(done.stdout).toBe("");
  });

  it.each([
    [["invoke", "openai/chat-completions", "--request", "{nonsense"], "CLI_USAGE"],
    [["invoke", ...CHAT, "--body", "a", "--body-file-path", "b"], "CLI_USAGE"],
    [["invoke", ...CHAT, "--header", "no separator"], "CLI_USAGE"],
    [["invoke", ...CHAT, "--timeout-ms", "0"], "CLI_USAGE"],
  ])("has status 2 before anything is sent: %j", async (args, code) => {
    expectFailure(await cli(args), 2, code);
  });
});

describe("a call that policy refuses", () => {
  it.each<[string, string[], string]>([
    [
      "a method",
      ["openai/chat-completions", "-X", "DELETE", "--path", "/v1/chat/completions"],
      "method_not_allowed",
    ],
    [
      "a path",
      ["openai/chat-completions", "-X", "POST", "--path", "/v1/models"],
      "path_not_allowed",
    ],
    [
      "a neighbour of a path",
      ["openai/chat-completions", "-X", "POST", "--path", "/v1/chat/completionsX"],
      "path_not_allowed",
    ],
    [
      "a traversal",
      ["openai/chat-completions", "-X", "POST", "--path", "/v1/chat/completions/../../models"],
      "path_traversal",
    ],
    ["a key of one's own", [...CHAT, "-H", "Authorization: Bearer x"], "auth_header_rejected"],
  ])("has status 3 and names the rule: %s", async (_, args, reason) => {
    const done = await cli(["invoke", ...args, "--body", "{}"]);
    expectFailure(done, 3, `policy_violation: ${reason}`);
    expect(await standIn.requests()).toEqual([]);
  });

  it("has status 1 for a capability or credential that is not there", async () => {
    const missing = await cli(["invoke", "openai/no-such", "-X", "GET", "--path", "/"]);
    expectFailure(missing, 1, "capability_not_found");
    expectHint(missing);
    expectFailure(
      await cli(["invoke", ...CHAT, "--body", "{}", "--credential", "none"]),
      1,
      "credential_not_found",
    );
    expectFailure(
      await cli(["secrets", "rotate", "NO_SUCH", "--value-stdin"], { stdin: "v" }),
      1,
      "secret_not_found",
    );
  });
});

describe("a file that cannot be uploaded", () => {
  it("has status 1 before anything is sent", async () => {
    for (const path of [join(home.home, "missing"), home.home, "/dev/zero"]) {
      expectFailure(
        await cli(["invoke", ...CHAT, "--body-file-path", path]),
        1,
        "CLIENT_FILE_UNREADABLE",
      );
    }
  });
});

describe("a provider that does not answer", () => {
  const ask = (command: string) => [
    "invoke",
    ...CHAT,
    "--body",
    JSON.stringify({ model: "m", messages: [], x_stand_in: command }),
  ];

  it("times out when told to", async () => {
    const done = await cli([...ask("hang"), "--timeout-ms", "300"]);
    expectFailure(done, 1, "upstream_timeout");
    expect(done.stdout).toBe("");
  });

  it("is unreachable or failed when the connection is refused or reset", async () => {
    const done = await cli(ask("reset"));
    expect(done.status).toBe(1);
    expect(done.stderr).toMatch(/\[upstream_(failed|unreachable)/);
  });

  it("breaks off visibly in the middle of an answer, and the call is not repeated", async () => {
    await standIn.clear();
    const done = await cli(ask("reset-mid-body"));
    expectFailure(done, 1, "CLIENT_RESPONSE_BROKEN");
    expect(await standIn.requests()).toHaveLength(1);
  });
});

describe("a daemon that is not there", () => {
  it("has status 5 and names the socket when it may not be started", async () => {
    await cli(["stop"]);
    const done = await cli(["invoke", ...CHAT, "--body", "{}"], {
      env: { AIVAULTD_AUTOSTART: "0" },
    });
    expectFailure(done, 5, "CLIENT_DAEMON_UNREACHABLE");
    expect(done.stderr).toContain(join(home.vaultDirectory, "run", "aivaultd.sock"));
    expectHint(done);
  });

  it("dies in the middle of a call: status 1, and the call is not repeated", async () => {
    const status = JSON.parse((await cli(["status", "--json"])).stdout) as {
      daemon: { pid: number };
    };
    await standIn.clear();
    const child = spawn(
      process.execPath,
      [
        AIVAULT,
        "invoke",
        ...CHAT,
        "--body",
        '{"model":"m","messages":[],"x_stand_in":"hang-mid-body"}',
      ],
      {
        env: { PATH: process.env["PATH"] ?? "", ...env },
      },
    );
    const stderr: Buffer[] = [];
    child.stderr.on("data", (chunk) => stderr.push(chunk));
    await once(child.stdout, "data");
    process.kill(status.daemon.pid, "SIGKILL");
    const [code] = await once(child, "close");
    expectFailure(
      { status: code as number, stdout: "", stderr: Buffer.concat(stderr).toString() },
      1,
      "CLIENT_RESPONSE_BROKEN",
    );
    expect(await standIn.requests()).toHaveLength(1);
  });

  it("G20: is started again over what it left behind", async () => {
    expect(await cli(["invoke", ...CHAT, "--body", "{}"])).toMatchObject({ status: 0 });
    expect(await cli(["audit", "verify"])).toMatchObject({ status: 0 });
  });

  it("is not mistaken for something else that listens", async () => {
    const socket = join(home.home, "other.sock");
    const other = createServer((connection) => void connection.end("SSH-2.0-x\r\n")).listen(socket);
    await once(other, "listening");
    const done = await cli(["invoke", ...CHAT, "--body", "{}"], {
      env: { AIVAULTD_SOCKET: socket },
    });
    expectFailure(done, 1, "CLIENT_PROTOCOL_MISMATCH");
    other.close();
  });

  it("has one starter when many commands want it at once", async () => {
    await cli(["stop"]);
    const calls = Array.from({ length: 6 }, () => cli(["invoke", ...CHAT, "--body", "{}"]));
    for (const done of await Promise.all(calls))
      expect(done).toMatchObject({ status: 0, stderr: "" });
  });
});

describe("a vault that cannot be used", () => {
  /** All of the vault's files, so that a failure can be shown to have changed none. */
  const snapshot = (directory: string): Record<string, string> =>
    Object.fromEntries(
      readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter(
          (entry) =>
            entry.isFile() && !entry.parentPath.endsWith("/run") && !entry.name.startsWith("lock"),
        )
        .map((entry) => {
          const path = join(entry.parentPath, entry.name);
          return [path, readFileSync(path).toString("base64")];
        }),
    );

  it("is missing: status 1, what makes one, and none is made", async () => {
    const empty = createTempHome();
    const done = await aivault(["secrets", "list"], { env: empty.environment });
    expectFailure(done, 1, "CLI_VAULT_MISSING");
    expectHint(done);
    expect(existsSync(empty.vaultDirectory)).toBe(false);
    const typed = await aivault(["secrets", "create", "A", "--value", ""], {
      env: empty.environment,
    });
    expect(typed.status).toBe(1);
    expect(existsSync(empty.vaultDirectory)).toBe(false);
    empty.remove();
  });

  it("G11: has a key that does not fit, and is not written to", async () => {
    await cli(["stop"]);
    const keyFile = join(home.vaultDirectory, "kek.key");
    const right = readFileSync(keyFile);
    const wrong = Buffer.from(right);
    // Another key in the same form, whatever that is.
    for (let i = 0; i < 8; i += 1) wrong[i] = right[i] === 0x41 ? 0x42 : 0x41;
    renameSync(keyFile, `${keyFile}.right`);
    writeFileSync(keyFile, wrong, { mode: 0o600 });
    const before = snapshot(home.vaultDirectory);
    for (const args of [
      ["status"],
      ["secrets", "create", "A", "--value-stdin"],
      ["invoke", ...CHAT, "--body", "{}"],
    ]) {
      const done = await cli(args, { stdin: "v" });
      expect(done.status, done.stderr).not.toBe(0);
      expect(done.stderr).toMatch(/key/i);
      expectHint(done);
    }
    expect(snapshot(home.vaultDirectory)).toEqual(before);
    renameSync(`${keyFile}.right`, keyFile);
    expect(await cli(["invoke", ...CHAT, "--body", "{}"])).toMatchObject({ status: 0 });
  });

  it("is a directory we may not read", async () => {
    // Root may read everything; as another user it is an ordinary refusal.
    if (process.getuid?.() !== 0) return;
    const nobody = 65_534;
    const place = createTempHome();
    chmodSync(place.home, 0o755);
    mkdirSync(join(place.home, ".aivault"), { mode: 0o700 });
    const options = { env: place.environment, uid: nobody, gid: nobody };
    const done = await run(process.execPath, [AIVAULT, "secrets", "create", "A", "--value-stdin"], {
      ...options,
      stdin: "v",
    });
    expect(done.status).toBe(1);
    expect(done.stderr).toMatch(/^aivault: error: .+$/m);
    expect(done.stderr).not.toMatch(/^ {4}at /m);
    place.remove();
  });

  it("meets a development variable without being a development vault", async () => {
    const strict = createTempHome();
    const base = strict.environment;
    expect(await aivault(["init"], { env: base })).toMatchObject({ status: 0 });
    const done = await aivault(["secrets", "list"], {
      env: { ...base, AIVAULT_DEV_HTTP1_ONLY: "1" },
    });
    expect(done.status).toBe(5);
    expect(done.stderr).toContain("AIVAULT_DEV_HTTP1_ONLY");
    strict.remove();
  });
});

describe("two daemons", () => {
  it("never serve one vault", async () => {
    expect(await cli(["status"])).toMatchObject({ status: 0 });
    const done = await cli(["status"], { env: { AIVAULTD_DISABLE: "1" } });
    expect(done.status).not.toBe(0);
    expect(done.stderr).toMatch(/DAEMON_ALREADY_RUNNING|VAULT_/);
    const probe = connect(join(home.vaultDirectory, "run", "aivaultd.sock"));
    await once(probe, "connect");
    probe.destroy();
  });
});
