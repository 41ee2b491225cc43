/** What an operator does, against a stand-in daemon: what goes out, what is asked, what is printed. */
import { readFile, stat, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import {
  type Answers,
  type FakeDaemon,
  fakeDaemon,
  openaiSecret,
  refuse,
  type Seen,
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

/** As the daemon does: without the token of what it says, nothing happens. */
const afterConfirmation =
  (answer: unknown, says = "it is gone for good") =>
  ({ headers }: Seen, response: ServerResponse) => {
    if (headers["aivault-confirm"] === "once") {
      response.end(JSON.stringify(answer));
      return;
    }
    const confirmation = { token: "once", says };
    const problem = { error: "conflict", reason: "confirmation_required", message: "not yet" };
    refuse(response, 409, { ...problem, confirmation });
  };

const status = {
  version: "1",
  protocol: 1,
  pid: 1,
  vault: {
    vaultId: "v",
    dev: false,
    locked: false,
    formatVersion: 1,
    keyProvider: { kind: "file", path: "/k" },
    previousKeyProvider: null,
    revision: 1,
    quarantined: [],
  },
  operatorPassphrase: false,
  allowedInternal: [],
  setAside: [],
  paths: { root: "/v", socket: "/s", operatorSocket: "/o" },
};
const STATUS = "GET /aivault/status";

describe("aivault status", () => {
  it("names internal services, and what is set aside", async () => {
    const { env } = await start({
      [STATUS]: {
        ...status,
        allowedInternal: ["build.internal:8443"],
        setAside: [{ kind: "capability", id: "old/jobs", problem: "the host is not public" }],
      },
    });
    const shown = await aivault(["status"], { env, columns: 80 });
    expect(shown.stdout).toMatch(/Internal +build\.internal:8443/);
    expect(shown.stderr).toContain("the capability old/jobs is not used: the host is not public");
  });
});

describe("what destroys something", () => {
  const purge = { "POST /aivault/secrets/A/purge": afterConfirmation({}) };

  it("G17: says what will happen, and does nothing where nobody can be asked", async () => {
    const { env, seen } = await start(purge);
    const done = await aivault(["secrets", "purge", "A"], { env });
    expect(done).toMatchObject({ status: 2, stdout: "" });
    expect(done.stderr).toContain("it is gone for good");
    expect(done.stderr).toContain("CLI_CONFIRMATION_NEEDED");
    expect(done.stderr).toContain("--yes");
    expect(seen).toHaveLength(1);
  });

  it("G17: is done with --yes, with the token of what was said", async () => {
    const { env, seen } = await start(purge);
    expect(await aivault(["secrets", "purge", "A", "--yes"], { env })).toMatchObject({ status: 0 });
    expect(seen.map(({ headers }) => headers["aivault-confirm"])).toEqual([undefined, "once"]);
  });

  it("G17: shows the dependants of a secret before it goes", async () => {
    const says = "deletes OPENAI_API_KEY; openai stops working";
    const { env } = await start({
      "DELETE /aivault/secrets/OPENAI_API_KEY": afterConfirmation(
        { secret: openaiSecret, dependants: ["openai"] },
        says,
      ),
    });
    const done = await aivault(["secrets", "delete", "OPENAI_API_KEY"], { env });
    expect(done).toMatchObject({ status: 2, stdout: "" });
    expect(done.stderr).toContain(says);
  });
});

describe("aivault rotate-master", () => {
  const rotated = {
    keyProvider: { kind: "file" },
    previousKeyProvider: null,
    rewrapped: 3,
    skipped: 0,
    next: null,
  };
  const ROTATE = "POST /aivault/rotate-master";

  it("leaves a key file to the daemon, and warns that --new-key is", async () => {
    const { env, seen } = await start({ [STATUS]: status, [ROTATE]: afterConfirmation(rotated) });
    const done = await aivault(["rotate-master", "--yes", "--new-key", "canary-key"], { env });
    expect(JSON.parse(done.stdout)).toMatchObject({
      providerType: "file",
      rotation: { rewrapped: 3 },
    });
    expect(done.stderr).toContain("--new-key is ignored");
    const sent = seen.filter(({ line }) => line === ROTATE).at(-1);
    expect(sent?.body).toContain("\r\n\r\n{}\r\n");
    expect(sent?.body).not.toContain("canary-key");
  });

  it("makes any vault a passphrase vault with --new-passphrase, as older scripts do, and warns", async () => {
    const { env, seen } = await start({ [STATUS]: status, [ROTATE]: afterConfirmation(rotated) });
    const done = await aivault(["rotate-master", "-y", "--new-passphrase", "correct horse"], {
      env,
    });
    expect(done.status).toBe(0);
    expect(done.stderr).toContain("the process list may keep this passphrase");
    const sent = seen.filter(({ line }) => line === ROTATE).at(-1);
    expect(sent?.body).toContain('{"to":{"kind":"passphrase"}}');
    expect(sent?.body).toContain("\r\n\r\ncorrect horse\r\n");
  });

  it("takes the key of a variable from a file, and says what is left to do", async () => {
    const next = "set AIVAULT_KEY to the new key";
    const { env, seen, directory } = await start({
      [STATUS]: status,
      [ROTATE]: afterConfirmation({ ...rotated, next, skipped: 2 }),
    });
    const file = join(directory, "key");
    await writeFile(file, "a2V5\n");
    const argv = ["rotate-master", "--to-provider", "env", "--new-key-file", file, "--yes"];
    const done = await aivault(argv, { env });
    expect(done.stderr).toContain(`next: ${next}`);
    expect(done.stderr).toContain("2 records could not be opened");
    expect(seen.at(-2)?.body).toContain("\r\n\r\na2V5\r\n");
  });

  it.each([
    ["--env-var X --to-provider file"],
    ["--to-provider file --new-passphrase x"],
    ["--to-provider nowhere"],
    ["--to-provider passphrase"],
  ])("refuses %s", async (flags) => {
    const { env, seen } = await start({ [STATUS]: status });
    expect(await aivault(["rotate-master", ...flags.split(" ")], { env })).toMatchObject({
      status: 2,
    });
    expect(seen.filter(({ line }) => line === ROTATE)).toHaveLength(0);
  });
});

describe("aivault backup create", () => {
  const BACKUP = "POST /aivault/backup";
  const flags = ["--passphrase", "p"];

  it("writes what the daemon streams, 0600, and never over a file", async () => {
    const { env, directory, seen } = await start({
      [BACKUP]: (_: unknown, response: ServerResponse) => {
        response.write("one");
        setTimeout(() => response.end("two"), 10);
      },
    });
    const file = join(directory, "b");
    const done = await aivault(["backup", "create", file, ...flags], { env });
    expect(JSON.parse(done.stdout)).toEqual({ path: file, bytes: 6 });
    expect(await readFile(file, "utf8")).toBe("onetwo");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(seen[0]?.body).toContain("\r\n\r\np\r\n");
    const again = await aivault(["backup", "create", file, ...flags], { env });
    expect(again).toMatchObject({ status: 1, stderr: expect.stringContaining("CLI_OUTPUT") });
  });

  it("leaves nothing behind when it breaks off", async () => {
    const { env, directory } = await start({
      [BACKUP]: (_: unknown, response: ServerResponse) => {
        response.write("half");
        setTimeout(() => response.destroy(), 10);
      },
    });
    const file = join(directory, "b");
    const done = await aivault(["backup", "create", file, ...flags], { env });
    expect(done).toMatchObject({ status: 1, stdout: "" });
    await expect(stat(file)).rejects.toMatchObject({ code: "ENOENT" });
    await expect(stat(`${file}.${process.pid}.part`)).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("aivault secrets", () => {
  it("attaches and detaches groups, verifies, and lists what is deleted", async () => {
    const verified = {
      ok: false,
      status: 401,
      provider: "openai",
      method: "GET",
      url: "https://x",
    };
    const { env, seen } = await start({
      "POST /aivault/secrets/A/attach": openaiSecret,
      "POST /aivault/secrets/A/detach": openaiSecret,
      "POST /aivault/secrets/A/verify": verified,
      "GET /aivault/secrets?scope=workspace&workspaceId=w&includeDeleted=true": {
        items: [openaiSecret],
        next: null,
      },
    });
    const group = ["--workspace-id", "w", "--group-id", "g"];
    expect(
      (await aivault(["secrets", "attach-group", "--id", "A", ...group], { env })).status,
    ).toBe(0);
    expect((await aivault(["secrets", "detach-group", "A", ...group], { env })).status).toBe(0);
    expect(seen.map(({ body }) => JSON.parse(body))).toEqual(
      Array(2).fill({ workspaceId: "w", groupId: "g" }),
    );
    expect(await aivault(["secrets", "attach-group", "A"], { env })).toMatchObject({ status: 2 });
    const refused = await aivault(["secrets", "verify", "A"], { env });
    expect(refused).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("secrets rotate A"),
    });
    const list = ["secrets", "list", "--workspace-id", "w", "--deleted", "--json"];
    expect(JSON.parse((await aivault(list, { env })).stdout)).toHaveLength(1);
  });
});

describe("aivault capability policy", () => {
  const POLICY = "/aivault/capabilities/openai%2Fchat/policy";

  it("says which limits it lifts, since it replaces all of them", async () => {
    const { env } = await start({
      [`GET ${POLICY}`]: { requestsPerMinute: 60, totalMs: 60_000 },
      [`PUT ${POLICY}`]: { requestsPerMinute: 30 },
    });
    const line = "capability policy set openai/chat --rate-limit-per-minute 30";
    const done = await aivault(line.split(" "), { env });
    expect(done).toMatchObject({
      status: 0,
      stderr: expect.stringContaining("lifted: totalMs 1m"),
    });
    expect(done.stderr).not.toContain("requestsPerMinute");
  });

  it("sets limits under the names of older scripts, and shows them so", async () => {
    const policy = { requestsPerMinute: 60, requestBytesMax: 5, totalMs: 60_000 };
    const { env, seen } = await start({ [`PUT ${POLICY}`]: policy, [`GET ${POLICY}`]: policy });
    const argv =
      "capability policy set --capability openai/chat --rate-limit-per-minute 60 --max-request-body-bytes 5 --max-duration 1m";
    const done = await aivault(argv.split(" "), { env });
    expect(done.stderr).toBe("");
    expect(JSON.parse(seen.at(-1)?.body ?? "")).toEqual(policy);
    expect(JSON.parse(done.stdout)).toEqual({
      capabilityId: "openai/chat",
      policy: {
        rateLimitPerMinute: 60,
        maxRequestBodyBytes: 5,
        maxResponseBodyBytes: null,
        responseBodyBlocklist: [],
        concurrency: null,
        totalMs: 60_000,
        idleMs: null,
        followRedirects: false,
        redirectHosts: [],
      },
    });
    const shown = await aivault(["capability", "policy", "show", "openai/chat"], {
      env,
      columns: 80,
    });
    expect(shown.stdout).toContain("totalMs            1m");
  });

  it("names the hosts that redirects may lead to", async () => {
    const { env, seen } = await start({ [`PUT ${POLICY}`]: {}, [`GET ${POLICY}`]: {} });
    const argv = "capability policy set openai/chat --follow-redirects --redirect-host cdn.example";
    expect((await aivault(argv.split(" "), { env })).status).toBe(0);
    expect(JSON.parse(seen.at(-1)?.body ?? "")).toEqual({
      followRedirects: true,
      redirectHosts: ["cdn.example"],
    });
  });

  it("needs a limit, and a capability once", async () => {
    const { env } = await start({});
    for (const argv of [
      ["set", "openai/chat"],
      ["set", "openai/chat", "--redirect-host", "cdn.example"],
      ["set", "--concurrency", "1"],
      ["show", "a/b", "--capability", "a/b"],
    ]) {
      expect(await aivault(["capability", "policy", ...argv], { env })).toMatchObject({
        status: 2,
      });
    }
  });

  it("is found as a noun of two words", async () => {
    const { env } = await start({});
    expect((await aivault(["capability", "policy", "--help"], { env })).stdout).toContain(
      "capability policy set",
    );
    const slip = await aivault(["capability", "policy", "sett"], { env });
    expect(slip.stderr).toContain("did you mean `aivault capability policy set`?");
  });
});

describe("aivault capability bind", () => {
  const binding = {
    id: "b1",
    capability: "openai/*",
    scope: { kind: "group", workspaceId: "w", groupId: "g" },
    consumer: "agent",
    credential: null,
    secretId: "s1",
    createdAtMs: 1,
  };
  const everybody = { ...binding, id: "b2", scope: { kind: "global" }, consumer: null };
  const BINDINGS = "GET /aivault/bindings";

  it("binds a secret for a consumer in a scope", async () => {
    const { env, seen } = await start({ "POST /aivault/bindings": binding });
    const argv =
      "capability bind --capability openai/* --secret-ref vault:secret:s1 --workspace-id w --group-id g --consumer agent";
    const done = await aivault(argv.split(" "), { env });
    expect(JSON.parse(seen[0]?.body ?? "")).toEqual({
      capability: "openai/*",
      secret: "s1",
      scope: binding.scope,
      consumer: "agent",
    });
    expect(JSON.parse(done.stdout)).toMatchObject({
      secretRef: "vault:secret:s1",
      scope: { group: { workspace_id: "w", group_id: "g" } },
    });
  });

  it("unbinds by what was said, or by the id, and does not fail for none", async () => {
    const { env, seen } = await start({
      [BINDINGS]: { items: [binding, everybody], next: null },
      "DELETE /aivault/bindings/b1": {},
      "DELETE /aivault/bindings/b2": {},
    });
    const unbind = async (...argv: string[]) =>
      JSON.parse((await aivault(["capability", "unbind", ...argv], { env })).stdout);
    expect(await unbind("--capability", "openai/*")).toMatchObject({ removed: true, id: "b2" });
    expect(await unbind("b1")).toMatchObject({ removed: true, id: "b1" });
    expect(await unbind("--capability", "other/*")).toMatchObject({ removed: false });
    expect(seen.filter(({ line }) => line.startsWith("DELETE"))).toHaveLength(2);
  });

  it("lists, filtered and sorted", async () => {
    const { env } = await start({ [BINDINGS]: { items: [binding, everybody], next: null } });
    const ids = async (...argv: string[]) =>
      JSON.parse(
        (await aivault(["capability", "bindings", "--json", ...argv], { env })).stdout,
      ).map(({ id }: { id: string }) => id);
    expect(await ids()).toEqual(["b2", "b1"]);
    expect(await ids("--consumer", "agent")).toEqual(["b1"]);
    expect(await ids("--scope", "global")).toEqual(["b2"]);
  });
});

describe("aivault token", () => {
  const token = {
    tokenId: "t1",
    label: "summaries",
    capabilities: ["openai/chat"],
    usesMax: null,
    expiresAtMs: Date.now() + 3_600_000,
    createdAtMs: Date.now(),
    revokedAtMs: null,
  };

  it("mints one, and prints it once", async () => {
    const { env, seen } = await start({ "POST /aivault/tokens": { ...token, token: "avp_x" } });
    const argv = "token mint --capability openai/chat --ttl 1h --uses 5 --label summaries".split(
      " ",
    );
    expect(JSON.parse((await aivault(argv, { env })).stdout)).toMatchObject({ token: "avp_x" });
    expect(JSON.parse(seen[0]?.body ?? "")).toEqual({
      capabilities: ["openai/chat"],
      ttlMs: 3_600_000,
      usesMax: 5,
      label: "summaries",
    });
    expect((await aivault([...argv, "--token-only"], { env })).stdout).toBe("avp_x\n");
  });

  it("revokes by label, unless two have it", async () => {
    const twice = { ...token, tokenId: "t2", label: "twice" };
    const { env, seen } = await start({
      "GET /aivault/tokens": { items: [token, twice, { ...twice, tokenId: "t3" }], next: null },
      "DELETE /aivault/tokens/t1": { ...token, revokedAtMs: 1 },
    });
    expect(await aivault(["token", "revoke", "summaries"], { env })).toMatchObject({ status: 0 });
    expect(seen.at(-1)?.line).toBe("DELETE /aivault/tokens/t1");
    expect(await aivault(["token", "revoke", "twice"], { env })).toMatchObject({ status: 2 });
  });
});

describe("aivault settings", () => {
  const settings = {
    requireToken: false,
    lockAfterIdleMs: null,
    tokenTtlMsMax: 86_400_000,
    auditDurability: "group",
    auditRetentionDays: null,
    allowedInternal: [],
  };

  it.each([
    ["requireToken", "true", { requireToken: true }],
    ["lockAfterIdleMs", "15m", { lockAfterIdleMs: 900_000 }],
    ["lockAfterIdleMs", "never", { lockAfterIdleMs: null }],
    ["auditDurability", "disk", { auditDurability: "disk" }],
    ["auditRetentionDays", "90", { auditRetentionDays: 90 }],
    ["allowedInternal", "none", { allowedInternal: [] }],
    [
      "allowedInternal",
      "build.internal:8443,[fd00::7]:443",
      {
        allowedInternal: [
          { service: "build.internal:8443", ca: null },
          { service: "[fd00::7]:443", ca: null },
        ],
      },
    ],
  ])("sets %s to %s", async (name, value, change) => {
    const { env, seen } = await start({ "PATCH /aivault/settings": settings });
    expect(await aivault(["settings", "set", name, value], { env })).toMatchObject({ status: 0 });
    expect(JSON.parse(seen[0]?.body ?? "")).toEqual(change);
  });

  it.each([
    ["requireToken", "maybe"],
    ["lockAfterIdleMs", "soon"],
    ["auditRetentionDays", "0"],
    ["colour", "red"],
  ])("refuses %s %s", async (name, value) => {
    const { env, seen } = await start({});
    expect(await aivault(["settings", "set", name, value], { env })).toMatchObject({ status: 2 });
    expect(seen).toHaveLength(0);
  });

  it("takes an internal service's certificates from a file, and shows that it has some", async () => {
    const service = "build.internal:8443";
    const { env, seen, directory } = await start({
      "PATCH /aivault/settings": { ...settings, allowedInternal: [{ service, ca: "PEM" }] },
    });
    const file = join(directory, "ca.pem");
    await writeFile(file, "PEM");
    const set = (value: string) => ["settings", "set", "allowedInternal", value];
    const { stdout } = await aivault(set(`${service}=${file}`), { env, columns: 80 });
    expect(JSON.parse(seen[0]?.body ?? "")).toEqual({ allowedInternal: [{ service, ca: "PEM" }] });
    expect(stdout).toContain(`allowedInternal     ${service} (with certificates of its own)`);
    expect((await aivault(set(`${service}=${file}.none`), { env })).status).toBe(1);
    expect(seen).toHaveLength(1);
  });

  it("shows times as people write them", async () => {
    const { env } = await start({ "GET /aivault/settings": settings });
    const shown = (await aivault(["settings", "list"], { env, columns: 80 })).stdout;
    expect(shown).toMatch(/lockAfterIdleMs +never\n/);
    expect(shown).toMatch(/tokenTtlMsMax +1d\n/);
    expect(shown).toMatch(/allowedInternal +none\n/);
  });
});

describe("aivault provider", () => {
  const acme = {
    id: "acme",
    name: "Acme",
    category: "x",
    hosts: ["a.example"],
    origin: "operator",
  };

  it("adds and installs a definition from a file, and removes it", async () => {
    const { env, seen, directory } = await start({
      "POST /aivault/providers": acme,
      "DELETE /aivault/providers/acme": afterConfirmation({}),
    });
    const file = join(directory, "acme.json");
    await writeFile(file, '{"id":"acme"}');
    expect((await aivault(["provider", "add", file], { env })).status).toBe(0);
    const install = (id: string) => ["provider", "install", id, "--from", file, "--enable"];
    expect((await aivault(install("acme"), { env })).status).toBe(0);
    expect((await aivault(install("other"), { env })).status).toBe(1);
    expect(seen.map(({ body }) => body)).toEqual(Array(2).fill('{"id":"acme"}'));
    const removed = await aivault(["provider", "remove", "acme", "--yes"], { env });
    expect(JSON.parse(removed.stdout)).toEqual({ removed: true, id: "acme" });
  });
});

describe("aivault operator", () => {
  const SESSION = "aos_canary";

  it("logs in, and uses the session until it logs out", async () => {
    const { env, seen, directory } = await start({
      [STATUS]: { ...status, operatorPassphrase: true },
      "POST /aivault/operator/login": { session: SESSION, expiresAtMs: Date.now() + 300_000 },
      "POST /aivault/operator/logout": {},
      "GET /aivault/tokens": { items: [], next: null },
    });
    const done = await aivault(["operator", "login", "--passphrase", "p"], { env });
    expect(done.status).toBe(0);
    expect(done.stdout + done.stderr).not.toContain(SESSION);
    const file = join(directory, "run", "operator-session");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await aivault(["token", "list"], { env });
    expect(seen.at(-1)?.headers["aivault-operator-session"]).toBe(SESSION);
    await aivault(["operator", "logout"], { env });
    await expect(stat(file)).rejects.toMatchObject({ code: "ENOENT" });
    await aivault(["token", "list"], { env });
    expect(seen.at(-1)?.headers["aivault-operator-session"]).toBeUndefined();
  });

  it("sets the first passphrase without asking for one, and needs the current one afterwards", async () => {
    const PASSPHRASE = "POST /aivault/operator/passphrase";
    const { env, seen } = await start({ [STATUS]: status, [PASSPHRASE]: { set: true } });
    const argv = ["operator", "set", "--new-passphrase", "canary-new"];
    expect(JSON.parse((await aivault(argv, { env })).stdout)).toEqual({ set: true });
    expect(seen.at(-1)?.body).toContain('name="new"');
    expect(seen.at(-1)?.body).not.toContain('name="current"');
    expect(await aivault(["operator", "login", "--passphrase", "p"], { env })).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("no operator passphrase"),
    });
  });
});

describe("aivault audit tail", () => {
  it("prints a JSON text a line as they come, and ends after --limit", async () => {
    const entry = (seq: number) =>
      `${JSON.stringify({ seq, tsMs: 1, event: { kind: "invocation.decided" } })}\n`;
    const { env } = await start({
      "GET /aivault/audit/tail?afterSeq=0": (_: unknown, response: ServerResponse) => {
        for (const seq of [1, 2, 3]) response.write(entry(seq));
      },
    });
    const argv = "audit tail --after-seq 0 --limit 2 --json".split(" ");
    const done = await aivault(argv, { env });
    expect(done).toMatchObject({ status: 0, stderr: "" });
    expect(
      done.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).seq),
    ).toEqual([1, 2]);
  });

  it("ends with ^C, which is no failure", async () => {
    const abort = new AbortController();
    const { env } = await start({
      "GET /aivault/audit/tail": (_: unknown, response: ServerResponse) => {
        response.flushHeaders();
        setTimeout(() => abort.abort(), 20);
      },
    });
    const done = await aivault(["audit", "tail"], { env, signal: abort.signal });
    expect(done).toMatchObject({ status: 0, stdout: "", stderr: "" });
  });
});

describe("aivault oauth setup", () => {
  const flags =
    "--provider acme --client-id c&d --redirect-uri http://127.0.0.1:1/cb --scope a --scope b".split(
      " ",
    );
  const setup = (url: string, ...more: string[]) =>
    aivault(["oauth", "setup", ...flags, "--auth-url", url, ...more]);

  it("builds the address, keeping what the endpoint has of its own", async () => {
    const done = await setup("https://acme.example/authorize?prompt=consent", "--state", "s t");
    expect(JSON.parse(done.stdout)).toEqual({
      provider: "acme",
      consentUrl:
        "https://acme.example/authorize?prompt=consent&response_type=code&client_id=c%26d&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcb&scope=a+b&state=s+t",
      exchangeOutsideBroker: true,
      notes: [expect.any(String), expect.any(String), expect.any(String)],
    });
  });

  it("makes a state of its own each time, and refuses what is no https address", async () => {
    const state = async () =>
      new URL(
        JSON.parse((await setup("https://acme.example/a")).stdout).consentUrl,
      ).searchParams.get("state");
    expect(await state()).not.toBe(await state());
    expect(await setup("http://acme.example/a")).toMatchObject({ status: 2 });
    expect(await setup("nowhere")).toMatchObject({ status: 2 });
  });
});
