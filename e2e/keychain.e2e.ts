// The KEK in a real Secret Service: gnome-keyring on a private D-Bus session. Everything between
// `dbus-run-session` and the end of its script shares that session, as on a desktop.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findSecret } from "./support/find-secret.mjs";
import { AIVAULT, run } from "./support/run.mjs";
import { startStandIn } from "./support/start-stand-in.mjs";
import { createTempHome } from "./support/temp-home.mjs";

const tools = ["dbus-run-session", "gnome-keyring-daemon", "secret-tool"];
const missing = tools.filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
if (missing.length > 0) {
  process.stderr.write(`SKIPPED: no real Secret Service here; missing ${missing.join(", ")}\n`);
}
const key = "sk-proj-keychain0123456789abcdefghijklmnopqrstuvwxyz";

describe.skipIf(missing.length > 0)("a vault whose KEK is in the Secret Service", () => {
  const home = createTempHome();
  let standIn: Awaited<ReturnType<typeof startStandIn>>;

  beforeAll(async () => {
    standIn = await startStandIn({ credentials: { "api.openai.com": { secret: key } } });
  });
  afterAll(async () => {
    await standIn.stop();
    home.remove();
  });

  /** Run shell `lines` in one session with an unlocked keyring; the daemon is stopped at its end. */
  function inSession(lines: readonly string[]) {
    const script = join(home.home, "session.sh");
    const unlock = "printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1";
    const aivault = `aivault() { "${process.execPath}" "${AIVAULT}" "$@"; }`;
    const trap = "trap 'aivault stop >/dev/null 2>&1' EXIT";
    writeFileSync(script, ["set -eu", unlock, aivault, trap, ...lines].join("\n"));
    return run("dbus-run-session", ["--", "sh", script], {
      env: { ...home.environment, ...standIn.daemonEnvironment, XDG_RUNTIME_DIR: home.home },
      stdin: key,
      timeoutMs: 60_000,
    });
  }

  it("G1: is opened by one process after another, and its key is in no file of ours", async () => {
    const chat = `aivault json openai/chat-completions --body '{"model":"m","messages":[]}'`;
    const first = await inSession([
      "aivault init --dev --provider secret-service >/dev/null",
      "aivault secrets create OPENAI_API_KEY --value-stdin >/dev/null",
      chat,
      "aivault status --json",
      "aivault stop >/dev/null",
      "echo --- another daemon",
      chat,
      "echo --- secret-tool",
      "secret-tool search --all service aivault 2>&1",
    ]);
    expect(first.status, first.stderr + first.stdout).toBe(0);
    const [one = "", two = "", tool = ""] = first.stdout.split(/--- .*\n/);
    expect(one).toContain('"status": 200');
    expect(one).toContain("secret-service");
    expect(two).toContain('"status": 200');

    // What secret-tool reads is 32 bytes, and no file of the vault has them.
    const kek = /^secret = ([A-Za-z0-9+/=]+)$/m.exec(tool)?.[1] ?? "";
    expect(Buffer.from(kek, "base64")).toHaveLength(32);
    const files = await run("sh", ["-c", `find "${home.vaultDirectory}" -type f -exec cat {} +`]);
    expect(findSecret(kek, files.stdout)).toEqual([]);
  });

  it("G20: is opened by the key of a rotation alone, which replaced the entry there was", async () => {
    const look = "secret-tool search --all service aivault 2>/dev/null | grep '^secret'";
    const turn = await inSession([
      look,
      "aivault rotate-master --yes --json",
      "aivault stop >/dev/null",
      "echo --- another daemon",
      `aivault json openai/chat-completions --body '{"model":"m","messages":[]}'`,
      "echo --- secret-tool",
      look,
    ]);
    expect(turn.status, turn.stderr + turn.stdout).toBe(0);
    const [before = "", after = "", tool = ""] = turn.stdout.split(/--- .*\n/);
    const keys = (text: string) => text.match(/^secret = .+$/gm) ?? [];
    expect(after).toContain('"status": 200');
    expect(keys(tool)).toHaveLength(1);
    expect(keys(before)).toHaveLength(1);
    expect(keys(tool)).not.toEqual(keys(before));
  });

  it("says so when the keychain is not there, and changes nothing", async () => {
    const list = await run(process.execPath, [AIVAULT, "secrets", "list"], {
      env: { ...home.environment, ...standIn.daemonEnvironment },
    });
    expect(list.status).not.toBe(0);
    expect(list.stderr).toContain("aivault: error:");
    expect(list.stderr).not.toMatch(/\n\s+at /);
  });
});
