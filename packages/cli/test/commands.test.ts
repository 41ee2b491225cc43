/** Commands against both sockets of a stand-in daemon: what goes out, what is printed, how it ends. */
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import {
  type Answers,
  chatCapability,
  type FakeDaemon,
  fakeDaemon,
  openaiSecret,
  proxied,
  refuse,
} from "./fake-daemon.ts";
import { aivault } from "./terminal.ts";

let daemon: FakeDaemon | undefined;

afterEach(async () => {
  await daemon?.[Symbol.asyncDispose]();
  daemon = undefined;
});

async function start(answers: Answers): Promise<FakeDaemon> {
  daemon = await fakeDaemon(answers);
  return daemon;
}

const CHAT = "GET /aivault/capabilities/openai%2Fchat";
const PROXY = "POST /aivault/proxy";

describe("aivault invoke", () => {
  it("fills in the only method and path, and prints the answer's octets as they are", async () => {
    const { env, seen } = await start({
      [CHAT]: chatCapability,
      [PROXY]: (_: unknown, response: ServerResponse) =>
        response.writeHead(200, proxied).end(Buffer.from([0xff, 0x00, 0x78])),
    });
    const done = await aivault(["invoke", "openai/chat", "--body", '{"a":1}'], { env });
    expect(done).toMatchObject({ status: 0, stderr: "" });
    expect(done.octets).toEqual(Buffer.from([0xff, 0x00, 0x78]));
    expect(JSON.parse(seen[1]?.body ?? "")).toEqual({
      capability: "openai/chat",
      request: {
        method: "POST",
        path: "/v1/chat",
        headers: [{ name: "content-type", value: "application/json" }],
        body: '{"a":1}',
      },
    });
  });

  it("says a status of 400 and above, and fails for it only with --fail", async () => {
    const { env } = await start({
      [PROXY]: (_: unknown, response: ServerResponse) =>
        response.writeHead(404, "Not Found", proxied).end("gone"),
    });
    const argv = ["invoke", "openai/chat", "-X", "POST", "--path", "/v1/chat"];
    expect(await aivault(argv, { env })).toMatchObject({
      status: 0,
      stdout: "gone",
      stderr: "aivault: the provider answered 404 Not Found\n",
    });
    expect(await aivault([...argv, "--quiet"], { env })).toMatchObject({ status: 0, stderr: "" });
    expect(await aivault([...argv, "--fail"], { env })).toMatchObject({
      status: 1,
      stdout: "gone",
    });
  });

  it("lets no provider's reason phrase steer the terminal", async () => {
    const { env } = await start({
      [PROXY]: (_: unknown, response: ServerResponse) =>
        response.writeHead(404, "No\u009b2Jt", proxied).end("gone"),
    });
    const argv = ["invoke", "openai/chat", "-X", "POST", "--path", "/v1/chat"];
    expect(await aivault(argv, { env })).toMatchObject({
      stderr: "aivault: the provider answered 404 No\\u{9b}2Jt\n",
    });
  });

  it("prints status and headers first with --include", async () => {
    const { env } = await start({
      [PROXY]: (_: unknown, response: ServerResponse) =>
        response.writeHead(200, "OK", { ...proxied, "x-up": "1" }).end("body"),
    });
    const done = await aivault(["invoke", "openai/chat", "-X", "POST", "--path", "/", "-i"], {
      env,
    });
    expect(done.stdout).toBe("HTTP/1.1 200 OK\nx-up: 1\n\nbody");
  });

  it.each<[string, number, number]>([
    ["policy_violation", 403, 3],
    ["vault_locked", 423, 4],
    ["invalid_request", 400, 2],
    ["capability_not_found", 404, 1],
    ["upstream_timeout", 504, 1],
  ])("ends %s with its own status, the code and the hint", async (error, http, status) => {
    const { env } = await start({
      [PROXY]: (_: unknown, response: ServerResponse) =>
        refuse(response, http, { error, message: "no, because", hint: "do this" }),
    });
    const done = await aivault(["invoke", "openai/chat", "-X", "POST", "--path", "/"], { env });
    expect(done).toMatchObject({
      status,
      stdout: "",
      stderr: `aivault: error: no, because [${error}]\naivault: hint: do this\n`,
    });
  });

  it("W-D1: does not repeat a call whose answer broke off", async () => {
    const { env, seen } = await start({
      [PROXY]: (_: unknown, response: ServerResponse) => {
        response.writeHead(200, { ...proxied, "content-length": "10" });
        response.write("half");
        setTimeout(() => response.destroy(), 10);
      },
    });
    const done = await aivault(["invoke", "openai/chat", "-X", "POST", "--path", "/"], { env });
    expect(done).toMatchObject({ status: 1, stdout: "half" });
    expect(done.stderr).toContain("CLIENT_RESPONSE_BROKEN");
    expect(seen).toHaveLength(1);
  });

  it("cancels on a signal", async () => {
    const abort = new AbortController();
    const { env } = await start({ [PROXY]: () => abort.abort() });
    const argv = ["invoke", "openai/chat", "-X", "POST", "--path", "/"];
    expect(await aivault(argv, { env, signal: abort.signal })).toMatchObject({ status: 130 });
  });

  it("G22: refuses a file it cannot read before anything is sent", async () => {
    const { env, seen } = await start({});
    const argv = [
      "invoke",
      "openai/chat",
      "-X",
      "POST",
      "--path",
      "/",
      "--multipart-file",
      "f=/nonexistent",
    ];
    const done = await aivault(argv, { env });
    expect(done.status).toBe(1);
    expect(done.stderr).toContain("CLIENT_FILE_UNREADABLE");
    expect(seen).toHaveLength(0);
  });

  it("prints the plan of a dry run", async () => {
    const plan = { decision: "allow", capability: "openai/chat" };
    const { env, seen } = await start({ [PROXY]: plan });
    const argv = ["invoke", "openai/chat", "-X", "POST", "--path", "/", "--dry-run"];
    expect(JSON.parse((await aivault(argv, { env })).stdout)).toEqual(plan);
    expect(seen[0]?.body).toContain('"dryRun":true');
  });

  it("says which sockets it tried when nobody listens", async () => {
    const done = await aivault(["invoke", "openai/chat", "-X", "POST", "--path", "/"], {
      env: { AIVAULT_DIR: "/nonexistent", HOME: "/nonexistent" },
    });
    expect(done.status).toBe(5);
    expect(done.stderr).toMatch(
      /\/nonexistent\/run\/aivaultd\.sock.*CLIENT_DAEMON_UNREACHABLE.*\n.*hint/,
    );
  });
});

describe("aivault json", () => {
  it("prints what was planned and what was answered; an empty body is null", async () => {
    let body = '{"b":1}';
    const { env } = await start({
      [PROXY]: (_: unknown, response: ServerResponse) => response.writeHead(200, proxied).end(body),
    });
    const argv = ["json", "openai/chat", "-X", "POST", "--path", "/v1/chat"];
    expect(JSON.parse((await aivault(argv, { env })).stdout)).toEqual({
      planned: {
        capability: "openai/chat",
        credential: "openai",
        method: "POST",
        url: "https://api.openai.com/v1/chat",
      },
      response: { status: 200, json: { b: 1 } },
    });
    body = "";
    expect(JSON.parse((await aivault(argv, { env })).stdout).response.json).toBeNull();
    body = "<html>";
    expect(await aivault(argv, { env })).toMatchObject({ status: 1, stdout: "" });
  });
});

describe("aivault secrets", () => {
  const created = {
    secret: openaiSecret,
    provisioning: {
      provider: "openai",
      credential: "openai",
      capabilities: ["openai/chat"],
      missing: [],
    },
  };

  it("stores a value from a file as octets, one newline trimmed", async () => {
    const directory = await mkdtemp(join(tmpdir(), "aivault-value-"));
    const file = join(directory, "key");
    await writeFile(file, "sk-canary-1\n");
    const { env, seen } = await start({ "POST /aivault/secrets": created });
    const done = await aivault(["secrets", "create", "OPENAI_API_KEY", "--value-file", file], {
      env,
    });
    expect(done.status).toBe(0);
    expect(JSON.parse(done.stdout)).toMatchObject({
      secretId: openaiSecret.secretId,
      scope: "global",
      pinnedProvider: "openai",
    });
    expect(done.stderr).toContain("tied to openai");
    expect(seen[0]?.body).toContain("\r\n\r\nsk-canary-1\r\n--");
    expect(done.stdout + done.stderr).not.toContain("canary");
    await rm(directory, { recursive: true });
  });

  it("warns about --value, and never prints it", async () => {
    const { env } = await start({ "POST /aivault/secrets": created });
    const done = await aivault(["secrets", "create", "OPENAI_API_KEY", "--value", "sk-canary-2"], {
      env,
    });
    expect(done.stderr).toContain("aivault: warning: the shell's history");
    expect(done.stdout + done.stderr).not.toContain("canary");
  });

  it("refuses an empty value, and a value that nobody can type", async () => {
    const { env, seen } = await start({});
    expect(await aivault(["secrets", "create", "X", "--value", ""], { env })).toMatchObject({
      status: 1,
    });
    expect(
      await aivault(["secrets", "create", "X", "--value-file", "/dev/zero"], { env }),
    ).toMatchObject({ status: 1 });
    expect(seen).toHaveLength(0);
  });

  it("lists as a table for people and as an array for scripts, and says what to do when empty", async () => {
    let items = [openaiSecret];
    const { env } = await start({
      "GET /aivault/secrets": (_: unknown, response: ServerResponse) =>
        response.end(JSON.stringify({ items, next: null })),
    });
    const human = await aivault(["secrets", "list"], { env });
    expect(human.stdout).toMatch(/^NAME .*\nOPENAI_API_KEY {2}openai {4}global/);
    expect(human.stderr).toBe("aivault: 1 secret\n");
    for (const flag of ["-v", "--json"]) {
      expect(JSON.parse((await aivault(["secrets", "list", flag], { env })).stdout)).toHaveLength(
        1,
      );
    }
    items = [];
    const empty = await aivault(["secrets", "list"], { env });
    expect(empty).toMatchObject({ status: 0, stdout: "no secrets\n" });
    expect(empty.stderr).toContain("aivault secrets create");
  });

  it("needs the ids of a scope", async () => {
    const { env } = await start({});
    expect(await aivault(["secrets", "list", "--scope", "workspace"], { env })).toMatchObject({
      status: 2,
    });
  });

  it("rotates by name, id or reference", async () => {
    const { env, seen } = await start({
      "PUT /aivault/secrets/OPENAI_API_KEY/value": openaiSecret,
    });
    for (const which of [
      ["OPENAI_API_KEY"],
      ["--id", "OPENAI_API_KEY"],
      ["vault:secret:OPENAI_API_KEY"],
    ]) {
      expect(await aivault(["secrets", "rotate", ...which, "--value", "v"], { env })).toMatchObject(
        { status: 0 },
      );
    }
    expect(seen.map(({ body }) => body)).toEqual(["v", "v", "v"]);
    expect(await aivault(["secrets", "rotate", "--value", "v"], { env })).toMatchObject({
      status: 2,
    });
  });

  it("says what stops working without a deleted secret", async () => {
    const { env } = await start({
      "DELETE /aivault/secrets/OPENAI_API_KEY": {
        secret: { ...openaiSecret, deletedAtMs: 3 },
        dependants: ["openai"],
      },
    });
    const done = await aivault(["secrets", "delete", "OPENAI_API_KEY", "--yes"], { env });
    expect(JSON.parse(done.stdout)).toMatchObject({ revokedAtMs: 3 });
    expect(done.stderr).toContain("no longer work: openai");
  });

  it("imports an .env file, and rotates what is there already", async () => {
    const { env, seen, directory } = await start({
      "POST /aivault/secrets": ({ body }: { body: string }, response: ServerResponse) => {
        if (body.includes('"B"')) refuse(response, 409, { error: "conflict", message: "exists" });
        else response.end(JSON.stringify(created));
      },
      "PUT /aivault/secrets/B/value": openaiSecret,
      "POST /aivault/providers/claims": { items: [], next: null },
    });
    const file = join(directory, ".env");
    await writeFile(file, "A=canary-a\nB=canary-b\nC=\n");
    await chmod(file, 0o600);
    const done = await aivault(["secrets", "import", "--env-file", file], { env });
    expect(JSON.parse(done.stdout)).toEqual({
      created: ["A"],
      rotated: ["B"],
      skipped: ["C"],
      recognised: { A: "openai", B: "openai" },
      left: [],
      replaced: [],
      undoUntilMs: null,
    });
    expect(seen.at(-1)?.body).toBe("canary-b");
    expect(done.stdout + done.stderr).not.toContain("canary");
  });
});

describe("aivault capability", () => {
  it("lists what is ready and what another secret would make so", async () => {
    const items = [
      chatCapability,
      {
        ...chatCapability,
        id: "github/repos",
        provider: "github",
        ready: false,
        missing: ["GITHUB_TOKEN"],
      },
    ];
    const { env, seen } = await start({ "GET /aivault/capabilities": { items, next: null } });
    const human = await aivault(["capability", "list"], { env });
    expect(human.stdout).toContain("github  aivault secrets create GITHUB_TOKEN  (1 capability)");
    expect(human.stdout).toMatch(/openai\/chat {2}spend {2}POST/);
    expect(JSON.parse((await aivault(["capability", "list", "-v"], { env })).stdout)).toMatchObject(
      {
        capabilities: [],
        registryCapabilities: [
          {
            id: "openai/chat",
            allow: { hosts: ["api.openai.com"], methods: ["POST"], pathPrefixes: ["/v1/chat"] },
          },
          {},
        ],
        policies: [],
      },
    );
    expect(seen.every(({ socket }) => socket === "operator")).toBe(true);
  });

  it("describes one with its defaults, for people and for scripts", async () => {
    const { env } = await start({ [CHAT]: chatCapability });
    const shape = JSON.parse(
      (await aivault(["capability", "describe", "openai/chat"], { env })).stdout,
    );
    expect(shape).toMatchObject({
      capability: "openai/chat",
      setup: null,
      call: {
        requiredFlagsWhenNoRequestPayload: [],
        defaults: { method: "POST", path: "/v1/chat" },
      },
    });
    const human = await aivault(["capability", "describe", "openai/chat"], { env, columns: 80 });
    expect(human.stdout).toContain("Allow POST /v1/chat and below");
    expect(human.stdout).toContain("aivault invoke openai/chat --body '{}'");
  });

  it("takes provider and host from a credential", async () => {
    const { env, seen } = await start({
      "GET /aivault/credentials": {
        items: [{ id: "acme", provider: "acme", hosts: ["api.acme.example"] }],
        next: null,
      },
      "POST /aivault/capabilities": { ...chatCapability, id: "acme/orders" },
    });
    const argv =
      "capability create acme/orders --credential acme --method get --path /v1/orders --risk read".split(
        " ",
      );
    expect(await aivault(argv, { env })).toMatchObject({ status: 0 });
    expect(JSON.parse(seen[1]?.body ?? "")).toEqual({
      id: "acme/orders",
      provider: "acme",
      host: "api.acme.example",
      rules: [{ methods: ["GET"], match: "prefix", path: "/v1/orders" }],
      risk: "read",
    });
  });

  it("demands of the query what the flags say", async () => {
    const { env, seen } = await start({
      "POST /aivault/capabilities": { ...chatCapability, id: "acme/orders" },
    });
    const argv =
      "capability create acme/orders --provider acme --host a.example --method GET --path /v1 --require-query op=read --forbid-query force --allow-query page --encoded-slash";
    expect(await aivault(argv.split(" "), { env })).toMatchObject({ status: 0 });
    expect(JSON.parse(seen[0]?.body ?? "").rules).toEqual([
      {
        methods: ["GET"],
        match: "prefix",
        path: "/v1",
        query: { required: { op: "read" }, forbidden: ["force"], allowed: ["page"] },
        encodedSlash: true,
      },
    ]);
  });
});

describe("aivault credential", () => {
  it("puts the flags into the scheme, and refuses those of another", async () => {
    const { env, seen } = await start({
      "POST /aivault/credentials": {
        id: "acme",
        provider: "acme",
        auth: { strategy: "header" },
        hosts: ["h.example"],
        secrets: { secret: "s1" },
        scope: { kind: "global" },
        origin: "operator",
        createdAtMs: 1,
      },
    });
    const base =
      "credential create acme --provider acme --secret-ref vault:secret:s1 --host h.example --auth header".split(
        " ",
      );
    const done = await aivault(base, { env });
    expect(JSON.parse(done.stdout)).toMatchObject({
      id: "acme",
      workspaceId: null,
      secretRef: "vault:secret:s1",
    });
    expect(JSON.parse(seen[0]?.body ?? "")).toEqual({
      id: "acme",
      provider: "acme",
      secrets: { secret: "s1" },
      auth: { strategy: "header", name: "authorization", template: "Bearer {{secret}}" },
      hosts: ["h.example"],
    });
    expect(await aivault([...base, "--query-param", "x"], { env })).toMatchObject({ status: 2 });
  });

  it("does not fail for one that was not there", async () => {
    const { env } = await start({
      "DELETE /aivault/credentials/x": (_: unknown, response: ServerResponse) =>
        refuse(response, 404, { error: "credential_not_found", message: "none" }),
    });
    const done = await aivault(["credential", "delete", "x"], { env });
    expect([done.status, JSON.parse(done.stdout)]).toEqual([0, { removed: false, id: "x" }]);
  });
});

describe("aivault audit", () => {
  it("prints entries flat, as many as asked for, newest first", async () => {
    const entry = (seq: number) => ({
      seq,
      tsMs: seq * 1000,
      event: { kind: "invoke.allowed", capability: "p/c" },
    });
    const { env, seen } = await start({
      "GET /aivault/audit?limit=2": { items: [entry(9), entry(8)] },
    });
    const done = await aivault(["audit", "--limit", "2"], { env });
    expect(JSON.parse(done.stdout)[0]).toEqual({
      seq: 9,
      tsMs: 9000,
      kind: "invoke.allowed",
      capability: "p/c",
    });
    expect(seen).toHaveLength(1);
  });

  it.each<[string[], number[]]>([
    [["--denied"], [6, 2]],
    [["--denied", "--limit", "1"], [6]],
    [
      ["--capability", "p/other"],
      [5, 4],
    ],
    [
      ["--denied", "--capability", "p/c"],
      [6, 2],
    ],
    [
      ["--request-id", "r2"],
      [5, 4],
    ],
    [["--request-id", "r0"], []],
  ])("with %j prints the entries that are asked for, of all pages", async (flags, expected) => {
    const entry = (seq: number, kind: string, requestId: string, more: object) => ({
      seq,
      tsMs: seq * 1000,
      event: { kind, requestId, ...more },
    });
    const denied = { capability: "p/c", decision: "deny", reason: "path_not_allowed" };
    const other = { capability: "p/other" };
    const { env } = await start({
      "GET /aivault/audit?limit=500": {
        items: [
          entry(6, "invocation.decided", "r3", denied),
          entry(5, "invocation.completed", "r2", other),
        ],
      },
      "GET /aivault/audit?limit=500&beforeSeq=5": {
        items: [
          entry(4, "invocation.decided", "r2", { ...other, decision: "allow" }),
          entry(2, "invocation.decided", "r1", denied),
        ],
      },
      "GET /aivault/audit?limit=500&beforeSeq=2": { items: [] },
    });
    const done = await aivault(["audit", ...flags], { env });
    expect(done).toMatchObject({ status: 0, stderr: "" });
    expect(JSON.parse(done.stdout).map(({ seq }: { seq: number }) => seq)).toEqual(expected);
  });
});

describe("the token of a caller", () => {
  const TOKEN = "avp_0123456789abcdef0123456789abcdef0123456789abcdef";
  const OTHER = "avp_ffffffffffffffff0123456789abcdef0123456789abcdef";
  const CALL = ["invoke", "openai/chat", "-X", "POST", "--path", "/v1/chat"];
  const answers: Answers = {
    [PROXY]: (_: unknown, response: ServerResponse) => response.writeHead(200, proxied).end("{}"),
    "GET /aivault/capabilities": { items: [chatCapability], next: null },
  };

  it("is presented from AIVAULT_TOKEN, a file or stdin; what is named comes first", async () => {
    const { env, directory, seen } = await start(answers);
    const file = join(directory, "agent.token");
    await writeFile(file, `${TOKEN}\n`);
    await aivault(CALL, { env });
    await aivault(CALL, { env: { ...env, AIVAULT_TOKEN: OTHER } });
    await aivault([...CALL, "--token-file", file], { env: { ...env, AIVAULT_TOKEN: OTHER } });
    expect(seen.map(({ headers }) => headers.authorization)).toEqual([
      undefined,
      `Bearer ${OTHER}`,
      `Bearer ${TOKEN}`,
    ]);
  });

  it("makes `capability list` ask as its holder, and not as the operator", async () => {
    const { env, seen } = await start(answers);
    await aivault(["capability", "list"], { env: { ...env, AIVAULT_TOKEN: TOKEN } });
    expect(seen.map(({ socket, headers }) => [socket, headers.authorization])).toEqual([
      ["caller", `Bearer ${TOKEN}`],
    ]);
  });

  it("G1: is not sent to the operator's socket, nor anything that is no token to any", async () => {
    const { env, directory, seen } = await start({ "GET /aivault/secrets": { items: [] } });
    await aivault(["secrets", "list"], { env: { ...env, AIVAULT_TOKEN: TOKEN } });
    expect(seen.map(({ headers }) => headers.authorization)).not.toContain(`Bearer ${TOKEN}`);
    const before = seen.length;
    const file = join(directory, "id_rsa");
    await writeFile(file, "a private key");
    for (const done of [
      await aivault([...CALL, "--token-file", file], { env }),
      await aivault(CALL, { env: { ...env, AIVAULT_TOKEN: "a private key" } }),
    ]) {
      expect(done).toMatchObject({ status: 1, stderr: expect.stringContaining("CLI_INPUT") });
      expect(done.stderr).not.toContain("private key");
    }
    expect(seen).toHaveLength(before);
  });

  it("does not share stdin with a body", async () => {
    const { env } = await start(answers);
    const argv = [...CALL, "--token-file", "-", "--body-file-path", "-"];
    expect(await aivault(argv, { env })).toMatchObject({ status: 2 });
  });

  it("is asked for with the flag that presents it", async () => {
    const { env } = await start({
      [PROXY]: (_: unknown, response: ServerResponse) =>
        refuse(response, 401, { error: "token_invalid", message: "a token is needed here" }),
    });
    expect((await aivault(CALL, { env })).stderr).toContain("--token-file");
  });
});

describe("the command line", () => {
  it.each<[string[], number, RegExp]>([
    [["secrts"], 2, /did you mean `aivault secrets`/],
    [["secrets"], 2, /needs a verb: create, list/],
    [["secrets", "creat"], 2, /did you mean `aivault secrets create`/],
    [["secrets", "get", "X"], 2, /has no verb `get`/],
    [["invoke"], 2, /needs a capability/],
    [["status", "--jsn"], 2, /did you mean --json/],
  ])("answers %j with what to do", async (argv, status, stderr) => {
    const done = await aivault(argv, { env: { HOME: "/nonexistent" } });
    expect(done.status).toBe(status);
    expect(done.stderr).toMatch(stderr);
    expect(done.stderr).not.toMatch(/ {4}at /);
  });

  it.each([
    ["--help"],
    ["-h"],
    [],
    ["secrets", "--help"],
    ["help", "invoke"],
    ["invoke", "-h"],
    ["--help", "status"],
  ])("has help: %j", async (...argv) => {
    const done = await aivault(argv.flat(), { env: { HOME: "/nonexistent" } });
    expect(done).toMatchObject({ status: 0, stderr: "" });
    expect(done.stdout).toContain("aivault");
  });

  it("reports status without a vault, and makes none", async () => {
    const env = { HOME: "/nonexistent" };
    expect(await aivault(["status"], { env })).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("not initialized"),
    });
    const done = await aivault(["secrets", "list"], { env });
    expect(done.status).toBe(1);
    expect(done.stderr).toContain("CLI_VAULT_MISSING");
  });
});
