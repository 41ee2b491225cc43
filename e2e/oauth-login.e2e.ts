// `oauth login` with the built programs: what a person sees at a terminal, and what others on the
// machine could see meanwhile.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  ACME,
  type AuthorizationServer,
  CLIENT_ID,
  CLIENT_SECRET,
  startAuthorizationServer,
} from "../packages/cli/test/authorization-server.ts";
import { hasPty, onTerminal, plain } from "./support/pty.mjs";
import { AIVAULT, aivault } from "./support/run.mjs";
import { createTempHome } from "./support/temp-home.mjs";

const home = createTempHome();
let server: AuthorizationServer;
let env: Record<string, string>;

beforeAll(async () => {
  server = await startAuthorizationServer();
  env = { ...home.environment, ...server.env, NO_COLOR: "1" };
  expect(await aivault(["init", "--dev"], { env })).toMatchObject({ status: 0 });
  const definition = join(home.home, "acme.json");
  writeFileSync(definition, JSON.stringify(ACME));
  const added = await aivault(["provider", "add", definition], { env });
  expect(added.status, added.stderr).toBe(0);
});

afterAll(async () => {
  await aivault(["stop"], { env });
  await server.close();
  home.remove();
});

const address = async (see: () => string): Promise<string> => {
  const line = /(https:\/\/auth\.acme\.test\/\S+)/;
  await expect.poll(() => line.exec(see())?.[1], { timeout: 45_000 }).toBeDefined();
  return line.exec(see())?.[1] as string;
};

/** Arguments and environments of every process that can be read. */
function processes(): string {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => ["cmdline", "environ"].map((what) => `/proc/${pid}/${what}`))
    .map((path) => {
      try {
        return readFileSync(path, "latin1");
      } catch {
        return "";
      }
    })
    .join("\n");
}

describe("aivault oauth login", () => {
  it("G1: puts no client secret and no verifier where others can look", async () => {
    const args = ["oauth", "login", "acme", "--client-id", CLIENT_ID, "--client-secret-stdin"];
    const child = spawn(process.execPath, [AIVAULT, ...args], {
      env: { PATH: process.env["PATH"] ?? "", ...env },
    });
    let shown = "";
    let answer = "";
    child.stderr.on("data", (chunk) => {
      shown += chunk;
    });
    child.stdout.on("data", (chunk) => {
      answer += chunk;
    });
    child.stdin.end(CLIENT_SECRET);
    const url = await address(() => shown);
    // While the verifier is with somebody, and waits.
    const elsewhere = process.platform === "linux" ? processes() : "";
    await fetch(await server.consent(url));
    expect((await once(child, "close"))[0], shown).toBe(0);
    expect(JSON.parse(answer)).toMatchObject({ isNew: true, verified: true });
    expect(server.verifiers).toHaveLength(1);
    for (const given of [...server.given, ...server.verifiers, CLIENT_SECRET]) {
      expect((shown + answer + elsewhere).includes(given)).toBe(false);
    }
  });

  it.skipIf(!hasPty())("takes the address that a browser elsewhere ended at, unseen", async () => {
    const terminal = onTerminal(["oauth", "login", "acme", "--paste"], { env, columns: 4000 });
    await terminal.see(/ends at \(not shown\)/);
    const ended = await server.consent(await address(() => plain(terminal.screen())));
    terminal.type(`${ended}\r`);
    expect(await terminal.ended, terminal.screen()).toBe(0);
    expect(terminal.screen()).not.toContain(new URL(ended).searchParams.get("code"));
    expect(plain(terminal.screen())).toContain("a harmless call worked");
  });

  it.skipIf(!hasPty())(
    "asks before it opens a browser, and goes on without an answer",
    async () => {
      const terminal = onTerminal(["oauth", "login", "acme"], { env, columns: 4000 });
      await terminal.see(/Open it in your browser\?/);
      await fetch(await server.consent(await address(() => plain(terminal.screen()))));
      expect(await terminal.ended, terminal.screen()).toBe(0);
      expect(plain(terminal.screen())).toContain("logged in to acme");
    },
  );
});
