// What an operator does with `aivault`, on the built binaries: limit, bind, lend, rotate, take away.
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { findSecret } from "./support/find-secret.mjs";
import { aivault, type RunOptions } from "./support/run.mjs";
import { type StandInProcess, startStandIn } from "./support/start-stand-in.mjs";
import { createTempHome } from "./support/temp-home.mjs";

const KEY = "sk-oper-canary0123456789abcdefghijklmnopqrstuvwxyzAB";
const PASSPHRASE = "canary correct horse battery staple";
const CHAT = ["openai/chat-completions", "--method", "POST", "--path", "/v1/chat/completions"];
const BODY = ["--body", '{"model":"m","messages":[]}'];
const home = createTempHome();
const said: { stdout: string; stderr: string }[] = [];

let standIn: StandInProcess;
let env: Record<string, string>;

async function cli(args: readonly string[], options: RunOptions = {}) {
  const done = await aivault(args, { ...options, env: { ...env, ...options.env } });
  said.push(done);
  return done;
}

/** The JSON that a command answers with, which must have been done. */
async function json(args: readonly string[], options: RunOptions = {}) {
  const done = await cli(args, options);
  expect(done.status, `${args.join(" ")}\n${done.stderr}`).toBe(0);
  return JSON.parse(done.stdout);
}

beforeAll(async () => {
  standIn = await startStandIn({ credentials: { "api.openai.com": { secret: KEY } } });
  env = { ...home.environment, ...standIn.daemonEnvironment };
  await json(["init", "--dev"]);
  await json(["secrets", "create", "OPENAI_API_KEY", "--value-stdin"], { stdin: KEY });
});

afterAll(async () => {
  await cli(["stop"]);
  await standIn.stop();
  home.remove();
});

beforeEach(() => standIn.clear());

describe("limits", () => {
  it("G10: hold from the moment they are set, and are lifted again", async () => {
    const set = ["capability", "policy", "set", "openai/chat-completions"];
    expect(await json([...set, "--max-request-body-bytes", "10"])).toMatchObject({
      policy: { maxRequestBodyBytes: 10 },
    });
    expect(await cli(["json", ...CHAT, ...BODY])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("request_too_large"),
    });
    const show = ["capability", "policy", "show", "openai/chat-completions"];
    expect(await json(show)).toMatchObject({ policy: { maxRequestBodyBytes: 10 } });
    await json(["capability", "policy", "delete", "openai/chat-completions"]);
    expect(await json(show)).toMatchObject({ policy: { maxRequestBodyBytes: null } });
    expect(await json(["json", ...CHAT, ...BODY])).toMatchObject({ response: { status: 200 } });
  });
});

describe("bindings", () => {
  it("are made, listed and removed", async () => {
    const bound = await json(["capability", "bind", "openai/*", "--credential", "openai"]);
    expect(bound).toMatchObject({ capability: "openai/*", credential: "openai", scope: "global" });
    expect(await json(["capability", "bindings", "--json"])).toEqual([bound]);
    expect(await json(["capability", "unbind", "--capability", "openai/*"])).toMatchObject({
      removed: true,
      id: bound.id,
    });
    expect(await json(["capability", "bindings", "--json"])).toEqual([]);
  });
});

describe("tokens", () => {
  it("G13: are minted, listed without what proves them, and revoked by label", async () => {
    const mint = [
      "token",
      "mint",
      "--capability",
      "openai/models",
      "--ttl",
      "5m",
      "--label",
      "e2e",
    ];
    const minted = await json(mint);
    expect(minted).toMatchObject({ capabilities: ["openai/models"], label: "e2e" });
    const listed = await cli(["token", "list", "--json"]);
    expect(listed.stdout).toContain(minted.tokenId);
    expect(listed.stdout).not.toContain(minted.token);
    expect(await json(["token", "revoke", "e2e"])).toMatchObject({
      tokenId: minted.tokenId,
      revokedAtMs: expect.any(Number),
    });
  });
});

describe("settings", () => {
  it("are changed one by one", async () => {
    const before = await json(["settings", "list"]);
    expect(await json(["settings", "set", "auditDurability", "disk"])).toEqual({
      ...before,
      auditDurability: "disk",
    });
    await json(["settings", "set", "auditDurability", "group"]);
  });
});

describe("providers", () => {
  it("are known, described, and added by an operator", async () => {
    const list = await json(["provider", "list", "--json"]);
    expect(list.providers.length).toBeGreaterThan(100);
    const openai = await json(["provider", "describe", "openai"]);
    expect(openai).toMatchObject({ id: "openai", hosts: ["api.openai.com"] });
    expect(await cli(["provider", "describe", "no-such"])).toMatchObject({ status: 1, stdout: "" });
    const { origin: _, ...definition } = openai;
    const file = join(home.home, "mine.json");
    writeFileSync(file, JSON.stringify(definition));
    expect(await cli(["provider", "add", file])).toMatchObject({ status: 1, stdout: "" });
  });
});

describe("secrets", () => {
  it("are proven to work, with nothing of them shown", async () => {
    const done = await cli(["secrets", "verify", "OPENAI_API_KEY"]);
    expect(done, done.stderr).toMatchObject({ status: 0 });
    expect(JSON.parse(done.stdout)).toMatchObject({ ok: true, provider: "openai" });
  });

  it("are attached to a group and detached", async () => {
    const group = ["--workspace-id", "w", "--group-id", "g"];
    const attached = await json(["secrets", "attach-group", "OPENAI_API_KEY", ...group]);
    expect(attached.attachedGroups).toEqual([{ workspaceId: "w", groupId: "g" }]);
    const detached = await json(["secrets", "detach-group", "OPENAI_API_KEY", ...group]);
    expect(detached.attachedGroups).toEqual([]);
  });

  it("are imported from a .env file, recognised by name", async () => {
    const file = join(home.home, ".env");
    writeFileSync(file, "export ANTHROPIC_API_KEY=\"canary-a\" # c\nMINE='canary-b'\nEMPTY=\n");
    expect(await json(["secrets", "import", "--env-file", file])).toMatchObject({
      created: ["ANTHROPIC_API_KEY", "MINE"],
      rotated: [],
      skipped: ["EMPTY"],
      recognised: { ANTHROPIC_API_KEY: "anthropic" },
    });
  });

  it("G17: go only when that is confirmed, their dependants shown, and leave nothing when purged", async () => {
    const asked = await cli(["secrets", "delete", "ANTHROPIC_API_KEY"]);
    expect(asked).toMatchObject({ status: 2, stdout: "" });
    expect(asked.stderr).toContain("anthropic");
    const { secretId } = await json(["secrets", "delete", "ANTHROPIC_API_KEY", "--yes"]);
    const names = async (...flags: string[]) =>
      (await json(["secrets", "list", "--json", ...flags])).map(
        ({ name }: { name: string }) => name,
      );
    expect(await names()).not.toContain("ANTHROPIC_API_KEY");
    expect(await names("--deleted")).toContain("ANTHROPIC_API_KEY");
    expect(await cli(["secrets", "purge", secretId])).toMatchObject({ status: 2 });
    await json(["secrets", "purge", secretId, "--yes"]);
    expect(await names("--deleted")).not.toContain("ANTHROPIC_API_KEY");
  });
});

describe("the audit log", () => {
  it("is followed as it grows", async () => {
    const done = await cli(["audit", "tail", "--after-seq", "0", "--limit", "3", "--json"]);
    expect(done, done.stderr).toMatchObject({ status: 0 });
    const entries = done.stdout.trim().split("\n");
    expect(entries.map((line) => JSON.parse(line).seq)).toEqual([1, 2, 3]);
    const { items, publicKey } = await json(["audit", "checkpoints"]);
    expect(Array.isArray(items)).toBe(true);
    expect(Buffer.from(publicKey, "base64")).toHaveLength(32);
  });
});

describe("backups", () => {
  it("are made, verified, and restored elsewhere with nothing but the passphrase", async () => {
    const file = join(home.home, "vault.backup");
    const words = join(home.home, "backup-words");
    writeFileSync(words, `${PASSPHRASE}\n`);
    const flags = ["--passphrase-file", words];
    await json(["backup", "create", file, ...flags]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await json(["backup", "verify", file, ...flags])).toMatchObject({ ok: true });
    const wrong = await cli(["backup", "verify", file, "--passphrase-stdin"], { stdin: "wrong" });
    expect(wrong).toMatchObject({ status: 1, stdout: "" });
    expect(await cli(["backup", "restore", file, ...flags])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("CLI_VAULT_EXISTS"),
    });
    const other = { AIVAULT_DIR: join(home.home, "restored") };
    await json(["backup", "restore", file, ...flags], { env: other });
    expect(await json(["json", ...CHAT, ...BODY], { env: other })).toMatchObject({
      response: { status: 200 },
    });
    await json(["stop"], { env: other });
    const again = ["backup", "restore", file, "--overwrite", ...flags];
    expect(await cli(again, { env: other })).toMatchObject({ status: 2 });
    await json([...again, "--yes"], { env: other });
  });
});

describe("the operator passphrase", () => {
  it("keeps code of the same account from acting as operator, until someone logs in", async () => {
    const file = join(home.home, "passphrase");
    writeFileSync(file, `${PASSPHRASE}\n`);
    await json(["operator", "set", "--new-passphrase-file", file]);
    expect(await cli(["token", "list"])).toMatchObject({
      status: 3,
      stdout: "",
      stderr: expect.stringContaining("operator login"),
    });
    expect(await json(["json", ...CHAT, ...BODY])).toMatchObject({ response: { status: 200 } });
    const wrong = await cli(["operator", "login", "--passphrase-stdin"], { stdin: "not it" });
    expect(wrong).toMatchObject({ status: 3, stderr: expect.stringContaining("passphrase_wrong") });
    await json(["operator", "login", "--passphrase-file", file]);
    expect((await cli(["token", "list"])).status).toBe(0);
    await json(["operator", "logout"]);
    expect((await cli(["token", "list"])).status).toBe(3);
  });

  it("G17: is removed by whoever knows it, when that is meant", async () => {
    const file = join(home.home, "passphrase");
    await json(["operator", "login", "--passphrase-file", file]);
    const remove = ["operator", "remove", "--current-passphrase-file", file];
    expect(await cli(remove)).toMatchObject({ status: 2 });
    await json([...remove, "--yes"]);
    expect((await cli(["token", "list"])).status).toBe(0);
  });
});

describe("rotate-master", () => {
  const keyFile = () => {
    const { slots } = JSON.parse(readFileSync(join(home.vaultDirectory, "vault.json"), "utf8")) as {
      slots: { provider: { path: string } }[];
    };
    return slots[0]?.provider.path ?? "";
  };

  it("G17: says what it does, and does it only when that is meant", async () => {
    const before = readFileSync(keyFile());
    expect(await cli(["rotate-master"])).toMatchObject({ status: 2, stdout: "" });
    expect(readFileSync(keyFile())).toEqual(before);
    const rotated = await json(["rotate-master", "--yes"]);
    expect(rotated).toMatchObject({ providerType: "file", rotation: { skipped: 0 } });
    expect(statSync(keyFile()).mode & 0o777).toBe(0o600);
    expect(await json(["json", ...CHAT, ...BODY])).toMatchObject({ response: { status: 200 } });
  });

  it("moves the vault to a passphrase, and it opens with nothing else", async () => {
    const rotate = [
      "rotate-master",
      "--to-provider",
      "passphrase",
      "--new-passphrase-stdin",
      "--yes",
    ];
    expect(await json(rotate, { stdin: PASSPHRASE })).toMatchObject({ providerType: "passphrase" });
    await json(["restart"]);
    expect(await cli(["json", ...CHAT, ...BODY])).toMatchObject({ status: 4 });
    expect((await cli(["unlock", "--passphrase-stdin"], { stdin: "wrong" })).status).not.toBe(0);
    await json(["unlock", "--passphrase-stdin"], { stdin: PASSPHRASE });
    expect(await json(["json", ...CHAT, ...BODY])).toMatchObject({ response: { status: 200 } });
    expect(await cli(["audit", "verify"])).toMatchObject({ status: 0 });
  });
});

describe("a vault whose key comes from a variable", () => {
  it("is opened by the daemon that is started for it, whatever the variable is called", async () => {
    const other = {
      AIVAULT_DIR: join(home.home, "env-vault"),
      MY_VAULT_KEY: randomBytes(32).toString("base64"),
    };
    await json(["init", "--dev", "--provider", "env", "--env-var", "MY_VAULT_KEY"], { env: other });
    expect(await json(["secrets", "list", "--json"], { env: other })).toEqual([]);
    await json(["stop"], { env: other });
  });
});

describe("all that was said and written", () => {
  it("G3: has neither key nor passphrase in it", () => {
    const everything = said.map(({ stdout, stderr }) => stdout + stderr).join("\n");
    for (const secret of [KEY, PASSPHRASE, "canary-a", "canary-b"]) {
      expect(everything).not.toContain(secret);
    }
    // What the tests themselves wrote down, for commands to read.
    const ours = [".env", "backup-words", "passphrase"].map((name) => join(home.home, name));
    const files = readdirSync(home.home, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    expect(files).toEqual(expect.arrayContaining(ours));
    const found = files
      .filter((path) => !ours.includes(path))
      .flatMap((path) =>
        [KEY, PASSPHRASE, "canary-a", "canary-b"].flatMap((secret) =>
          findSecret(secret, readFileSync(path)).map((form) => ({ path, form })),
        ),
      );
    expect(found).toEqual([]);
  });
});
