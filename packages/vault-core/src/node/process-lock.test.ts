import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../test/support.ts";
import { currentBootId, isLockLeftover, takeProcessLock } from "./process-lock.ts";

function lockable(): { directory: string; temporary: string } {
  const directory = temporaryDirectory();
  const temporary = join(directory, "tmp");
  mkdirSync(temporary);
  return { directory, temporary };
}

const take = ({ directory, temporary }: ReturnType<typeof lockable>) =>
  takeProcessLock(directory, temporary);
const locks = (directory: string) =>
  readdirSync(directory).filter((name) => name.startsWith("lock."));
const busy = expect.objectContaining({ code: "VAULT_BUSY" });

/** Rewrites the owner of the present lock, as if another process had taken it. */
function pretend(directory: string, change: Record<string, unknown>): void {
  const path = join(directory, locks(directory)[0] as string);
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...change }));
}

function startTimeOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] as string;
}

describe("takeProcessLock", () => {
  it("refuses a second owner, names the first, and yields after release", () => {
    const place = lockable();
    const lock = take(place);
    expect(() => take(place)).toThrow(busy);
    expect(() => take(place)).toThrow(String(process.pid));
    lock.release();
    take(place).release();
    expect(locks(place.directory)).toEqual(["lock.2"]);
    expect(readdirSync(place.temporary)).toEqual([]);
  });

  it.runIf(process.platform === "linux")("passes from a killed process at once", async () => {
    const place = lockable();
    take(place);
    const owner = spawn("sleep", ["60"]);
    const pid = owner.pid as number;
    pretend(place.directory, { pid, startTime: startTimeOf(pid) });
    expect(() => take(place)).toThrow(busy);
    owner.kill("SIGSTOP");
    expect(() => take(place)).toThrow(busy);
    owner.kill("SIGKILL");
    await once(owner, "exit");
    take(place).release();
  });

  it.runIf(process.platform === "linux")(
    "passes from a recycled pid and from an earlier boot",
    () => {
      for (const change of [
        { startTime: "1" },
        { bootId: "00000000-0000-0000-0000-000000000000" },
      ]) {
        const place = lockable();
        take(place);
        pretend(place.directory, change);
        take(place).release();
      }
    },
  );

  it.runIf(process.platform === "linux")("does not judge a pid of another container", () => {
    const place = lockable();
    take(place);
    pretend(place.directory, { pidNamespace: "pid:[1]", pid: 2_000_000_000 });
    expect(() => take(place)).toThrow(busy);
  });

  it("leaves the file of one who waits for the lock, and collects that of one who died", async () => {
    const place = lockable();
    const waiting = spawn("sleep", ["60"]);
    const names = [waiting.pid, 4_194_303].map((pid) => `lock-${pid}-0123456789abcdef.tmp`);
    const leftover = (name: string) => isLockLeftover(place.temporary, name);
    expect(names.map(leftover)).toEqual([false, true]);
    expect(leftover("12-0123456789abcdef.tmp")).toBe(false);
    // Pids come again: who started at another time is another process, and nobody else is ourselves.
    const [reused = ""] = names;
    const owner = { pid: waiting.pid, startTime: "1", bootId: null };
    const onLinux = process.platform === "linux";
    const pidNamespace = onLinux ? readlinkSync("/proc/self/ns/pid") : null;
    writeFileSync(join(place.temporary, reused), JSON.stringify({ ...owner, pidNamespace }));
    expect(leftover(reused)).toBe(true);
    expect(leftover(`lock-${process.pid}-0123456789abcdef.tmp`)).toBe(true);
    waiting.kill("SIGKILL");
    await once(waiting, "exit");
    take(place).release();
  });

  it("gives up a lock that the disk will not record, for this process at least", () => {
    const place = lockable();
    const lock = take(place);
    const path = join(place.directory, "lock.1");
    renameSync(path, `${path}.away`);
    lock.release();
    renameSync(`${path}.away`, path);
    take(place).release();
    expect(locks(place.directory)).toEqual(["lock.2"]);
  });

  it("takes over what no owner can have written, without following links", () => {
    for (const plant of [
      (path: string) => writeFileSync(path, ""),
      (path: string) => writeFileSync(path, "{"),
      (path: string) => symlinkSync("/etc/passwd", path),
      (path: string) => mkdirSync(path),
    ]) {
      const place = lockable();
      plant(join(place.directory, "lock.7"));
      take(place).release();
      expect(locks(place.directory)).toContain("lock.8");
    }
  });

  it.runIf(process.platform === "linux")("knows the running system by a name", () => {
    expect(currentBootId()).toMatch(/^[0-9a-f-]{36}$/);
  });
});
