// What other processes of the machine can see of ours: environments, argument lists, files in clear.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findSecret } from "./support/find-secret.mjs";
import { AIVAULT, aivault } from "./support/run.mjs";
import { startStandIn } from "./support/start-stand-in.mjs";
import { createTempHome } from "./support/temp-home.mjs";

const key = "sk-proj-processes0123456789abcdefghijklmnopqrstuvwxyz";

// /proc is Linux's; elsewhere `ps` shows the same argument lists, and no environment of ours is filled.
describe.skipIf(process.platform !== "linux")("the processes of aivault", () => {
  const home = createTempHome();
  let standIn: Awaited<ReturnType<typeof startStandIn>>;
  let env: Record<string, string>;

  beforeAll(async () => {
    standIn = await startStandIn({ credentials: { "api.openai.com": { secret: key } } });
    env = { ...home.environment, ...standIn.daemonEnvironment };
    const made = await aivault(["init", "--dev", "--provider", "file"], { env });
    expect(made.status, made.stderr).toBe(0);
    const create = ["secrets", "create", "OPENAI_API_KEY", "--value-stdin"];
    const stored = await aivault(create, { env, stdin: key });
    expect(stored.status, stored.stderr).toBe(0);
  });
  afterAll(async () => {
    await aivault(["stop"], { env });
    await standIn.stop();
    home.remove();
  });

  /** Environment and arguments of every process that knows this test's vault. */
  function ours(): { pid: string; bytes: Buffer }[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
      .flatMap((pid) => {
        try {
          const bytes = Buffer.concat([
            readFileSync(`/proc/${pid}/environ`),
            readFileSync(`/proc/${pid}/cmdline`),
          ]);
          return bytes.includes(home.vaultDirectory) ? [{ pid, bytes }] : [];
        } catch {
          return []; // It has ended.
        }
      });
  }

  it("G1: have neither a secret nor the KEK in an environment or an argument list", async () => {
    const hang = JSON.stringify({ model: "m", messages: [], x_stand_in: "hang" });
    const call = ["invoke", "openai/chat-completions", "--body", hang];
    const child = spawn(process.execPath, [AIVAULT, ...call], { env, stdio: "ignore" });
    try {
      // The daemon, and a command whose call is under way.
      await expect.poll(() => ours().length, { timeout: 20_000 }).toBeGreaterThanOrEqual(2);
      await expect.poll(async () => (await standIn.requests()).length, { timeout: 20_000 }).toBe(1);
      const kek = readFileSync(join(home.vaultDirectory, "kek.key"), "utf8").trim();
      const hex = Buffer.from(kek, "base64").toString("hex");
      for (const { pid, bytes } of ours()) {
        for (const secret of [key, kek, hex]) {
          expect({ pid, forms: findSecret(secret, bytes) }).toEqual({ pid, forms: [] });
        }
      }
    } finally {
      child.kill("SIGKILL");
    }
  });
});
