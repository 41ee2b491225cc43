// `oauth login` from end to end: this program, a real daemon, a real authorisation server, and a person
// in front of a browser.
import { readFileSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  ACME,
  type AuthorizationServer,
  CLIENT_ID,
  CLIENT_SECRET,
  PUBLIC_CLIENT_ID,
  startAuthorizationServer,
} from "./authorization-server.ts";
import { filesBelow, type RealDaemon, realDaemon } from "./real-daemon.ts";
import { type Captured, startAivault } from "./terminal.ts";

let server: AuthorizationServer;
let daemon: RealDaemon;
let directory: string;
let env: Record<string, string>;
const said: Captured[] = [];

beforeAll(async () => {
  server = await startAuthorizationServer();
  daemon = await realDaemon(server.env);
  ({ directory, env } = daemon);
  const definition = join(directory, "acme.json");
  writeFileSync(definition, JSON.stringify(ACME));
  expect(await cli(["provider", "add", definition])).toMatchObject({ status: 0 });
});

afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  await server?.close();
});

beforeEach(async () => {
  await cli(["secrets", "purge", "ACME_OAUTH", "--yes"]);
});

async function cli(argv: readonly string[]): Promise<Captured> {
  const done = await startAivault(argv, { env }).done;
  said.push(done);
  return done;
}

function secretFile(): string {
  const path = join(directory, "client-secret");
  writeFileSync(path, `${CLIENT_SECRET}\n`);
  return path;
}

const login = (...flags: string[]) =>
  startAivault(["oauth", "login", "acme", "--client-id", CLIENT_ID, ...flags], { env });
const confidential = (...flags: string[]) => login("--client-secret-file", secretFile(), ...flags);

const addressOf = async ({ stderr }: ReturnType<typeof login>): Promise<string> => {
  const line = /^aivault: (https:\S+)$/m;
  await expect.poll(() => line.exec(stderr())?.[1], { timeout: 15_000 }).toBeDefined();
  return line.exec(stderr())?.[1] as string;
};

function visit(address: string, headers: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    get(address, { headers }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
    }).on("error", reject);
  });
}

describe("aivault oauth login", () => {
  it("G3: stores what a browser brings back, tries it, and shows no token", async () => {
    const running = confidential();
    const url = new URL(await addressOf(running));
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      response_type: "code",
      client_id: CLIENT_ID,
      prompt: "consent",
      scope: "offline_access openid",
      code_challenge_method: "S256",
      redirect_uri: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/callback$/),
    });
    expect(await visit(await server.consent(url.href))).toBe(200);
    const done = await running.done;
    said.push(done);
    expect(done).toMatchObject({ status: 0 });
    expect(JSON.parse(done.stdout)).toMatchObject({
      provider: "acme",
      isNew: true,
      verified: true,
      secret: { name: "ACME_OAUTH", pinnedProvider: "acme" },
    });
    const call = await cli(["invoke", "acme/me"]);
    expect(JSON.parse(call.stdout)).toEqual({ account: "ada" });
  });

  it("needs neither client nor secret to log in again", async () => {
    const first = confidential();
    await visit(await server.consent(await addressOf(first)));
    expect((await first.done).status).toBe(0);
    const again = startAivault(["oauth", "login", "acme"], { env });
    await visit(await server.consent(await addressOf(again)));
    const done = await again.done;
    said.push(done);
    expect(JSON.parse(done.stdout)).toMatchObject({ isNew: false, verified: true });
  });

  it("logs in a public client", async () => {
    const argv = ["oauth", "login", "acme", "--client-id", PUBLIC_CLIENT_ID, "--public"];
    const running = startAivault(argv, { env });
    await visit(await server.consent(await addressOf(running)));
    expect(JSON.parse((await running.done).stdout)).toMatchObject({ verified: true });
  });

  it("logs in on another device", async () => {
    const running = confidential("--device");
    const line = /at (https:\S+)\naivault: with the code (\S+)/;
    await expect.poll(() => line.exec(running.stderr()), { timeout: 15_000 }).not.toBeNull();
    const [, address = "", code = ""] = line.exec(running.stderr()) ?? [];
    await server.enterCode(address, code);
    const done = await running.done;
    said.push(done);
    expect(done).toMatchObject({ status: 0 });
    expect(JSON.parse(done.stdout)).toMatchObject({ verified: true });
  }, 60_000);

  it("waits past answers that are not this login's, and past strangers' names for us", async () => {
    const running = confidential();
    const address = await addressOf(running);
    const redirect = new URL(address).searchParams.get("redirect_uri") as string;
    expect(await visit(`${redirect}?code=x&state=forged`)).toBe(400);
    expect(await visit(`${redirect}?code=x`)).toBe(400);
    expect(await visit(redirect.replace("/callback", "/other"))).toBe(404);
    const state = new URL(address).searchParams.get("state") as string;
    const rebound = { host: "rebound.example" };
    expect(await visit(`${redirect}?code=x&state=${state}`, rebound)).toBe(421);
    await visit(await server.consent(address));
    expect((await running.done).status).toBe(0);
  });

  it("stores nothing for a code that is not this login's own", async () => {
    const running = confidential();
    const address = new URL(await addressOf(running));
    const redirect = address.searchParams.get("redirect_uri") as string;
    const state = address.searchParams.get("state") as string;
    // A code of an attacker's own login, put under our state: the verifier does not fit it.
    const theirs = new URL(address);
    theirs.searchParams.set("code_challenge", "A".repeat(43));
    const code = new URL(await server.consent(theirs.href)).searchParams.get("code");
    await visit(`${redirect}?code=${code}&state=${state}`);
    const done = await running.done;
    said.push(done);
    expect(done).toMatchObject({ status: 1, stdout: "" });
    expect(done.stderr).toContain("invalid_grant");
    expect((await cli(["secrets", "list", "--json"])).stdout.trim()).toBe("[]");
  });

  it("says so when the person says no, or the client's secret is wrong", async () => {
    const refused = confidential();
    await visit(await server.consent(await addressOf(refused), { refuses: true }));
    expect(await refused.done).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("access_denied"),
    });
    const wrong = join(directory, "wrong");
    writeFileSync(wrong, "not the secret");
    const running = login("--client-secret-file", wrong);
    await visit(await server.consent(await addressOf(running)));
    expect(await running.done).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/invalid_client[\s\S]*hint/),
    });
  });

  it("leaves nothing behind when it is interrupted", async () => {
    const abort = new AbortController();
    const argv = ["oauth", "login", "acme", "--client-id", CLIENT_ID, "--public"];
    const running = startAivault(argv, { env, signal: abort.signal });
    const redirect = new URL(await addressOf(running)).searchParams.get("redirect_uri") as string;
    abort.abort();
    expect(await running.done).toMatchObject({ status: 130 });
    await expect(visit(redirect)).rejects.toThrow();
  });

  it.each<[string, readonly string[], number]>([
    ["a provider that nobody knows", ["nobody"], 1],
    ["a provider without such a login", ["openai"], 1],
    ["no client at all", ["acme"], 2],
    ["an address of another machine", ["acme", "--redirect-uri", "http://evil.example/"], 2],
    ["a secret without a client", ["acme", "--client-secret-file", "x"], 2],
    [
      "a device code where there is none",
      ["spotify", "--client-id", "x", "--public", "--device"],
      1,
    ],
  ])("refuses %s, and says what to do", async (_, argv, status) => {
    const done = await cli(["oauth", "login", ...argv]);
    expect(done).toMatchObject({ status, stdout: "" });
    expect(done.stderr).toMatch(/^aivault: error: /);
    expect(done.stderr).toContain("hint:");
  });

  it("G3: let no token, code or client secret out, into the output or into a file", () => {
    const output = said.map(({ stdout, stderr }) => stdout + stderr).join("\n");
    const files = filesBelow(directory).filter((path) => !/client-secret$/.test(path));
    expect(server.given.length).toBeGreaterThan(6);
    for (const secret of [...server.given, CLIENT_SECRET]) {
      expect(output.includes(secret)).toBe(false);
      for (const path of files) expect(readFileSync(path).includes(secret), path).toBe(false);
    }
  });
});
