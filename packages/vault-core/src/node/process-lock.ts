import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { VaultError } from "../errors.ts";
import { readRegular, storeError, systemCode } from "./file-system.ts";

// An exclusive lock that the death of its owner releases, with no moment in which two processes
// may both conclude that they own it.
//
// lock.<n> is linked into place complete, so whoever can read it reads all of it. The highest
// generation counts. A taker finds its owner dead or gone and links generation n + 1: link(2) fails
// if it exists, so one taker wins. Generations only grow, because the highest file is never
// removed, not even on release; so a slow taker that links a generation which has meanwhile come
// and gone sees a higher one afterwards, and yields.
//
// Release overwrites four letters in place, which a full disk still allows. A disk that allows
// nothing leaves the lock to this process, which remembers that it gave it up.

interface LockOwner {
  readonly pid: number;
  /** Start time of the process, so that a recycled pid is another owner; null where unknown. */
  readonly startTime: string | null;
  readonly bootId: string | null;
  /** Pids mean something only within their namespace (containers). */
  readonly pidNamespace: string | null;
  readonly released: boolean;
}

/** A held lock. */
export interface ProcessLock {
  /**
   * Makes sure that the directory of this name is still the one that was locked: it may have been moved
   * away, and another vault put in its place, which has a lock and an owner of its own.
   *
   * @throws {VaultError} `VAULT_STORE_FAILED`.
   */
  requireHeld(): void;
  /** Gives the lock up, and never throws; the death of the process does the same. */
  release(): void;
}

/** Locks this process gave up on disks that would not record it. */
const givenUp = new Set<string>();

const LOCK_FILE = /^lock\.([1-9]\d{0,14})$/;
const ATTEMPTS = 64;

/**
 * Takes the lock of a directory.
 *
 * @param temporary - A directory on the same file system for the file before it is linked.
 * @throws {VaultError} `VAULT_BUSY`, naming the owner's pid.
 */
export function takeProcessLock(directory: string, temporary: string): ProcessLock {
  const owner = currentOwner();
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const highest = highestGeneration(directory);
    if (highest > 0) refuseIfHeld(directory, highest);
    const generation = highest + 1;
    if (!linkLock(directory, temporary, generation, owner)) continue;
    if (highestGeneration(directory) !== generation) {
      removeIfThere(lockPath(directory, generation));
      continue;
    }
    removeOlder(directory, generation);
    return heldLock(directory, generation);
  }
  throw new VaultError(
    "VAULT_BUSY",
    `too many processes are taking the vault in ${directory} at once; try again`,
  );
}

function heldLock(directory: string, generation: number): ProcessLock {
  const path = lockPath(directory, generation);
  const ours = identityOf(path);
  return {
    requireHeld: () => {
      if (ours !== null && identityOf(path) === ours) return;
      throw new VaultError(
        "VAULT_STORE_FAILED",
        `${directory} is not the directory that was opened; what was opened was moved away or removed`,
        { subject: `lock.${generation}` },
      );
    },
    release: () => {
      const present = identityOf(path);
      if (ours === null || present === null || present === ours) releaseLock(path);
    },
  };
}

/** Which file a path names; null when there is none, or it cannot be told. */
function identityOf(path: string): string | null {
  try {
    const { dev, ino } = lstatSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return null;
  }
}

function lockPath(directory: string, generation: number): string {
  return join(directory, `lock.${generation}`);
}

function generations(directory: string): number[] {
  try {
    return readdirSync(directory).flatMap((name) => {
      const match = LOCK_FILE.exec(name);
      return match === null ? [] : [Number(match[1])];
    });
  } catch (error) {
    throw storeError(error, "lock", "look for");
  }
}

function highestGeneration(directory: string): number {
  return Math.max(0, ...generations(directory));
}

function refuseIfHeld(directory: string, generation: number): void {
  const path = lockPath(directory, generation);
  const owner = readOwner(path);
  if (owner === null || owner.released || !isOwnerAlive(owner)) return;
  if (owner.pid === process.pid && givenUp.has(path)) return;
  const elsewhere = owner.pidNamespace === pidNamespace() ? "" : " of another container";
  throw new VaultError(
    "VAULT_BUSY",
    `the vault in ${directory} is in use by process ${owner.pid}${elsewhere}; stop it or talk to it through its socket`,
    { subject: `lock.${generation}` },
  );
}

/** Null for a file that no owner can have written: links appear complete, so it holds nothing. */
function readOwner(path: string): LockOwner | null {
  let bytes: Uint8Array;
  try {
    const file = readRegular(path, "lock");
    if (file === null) return null;
    bytes = file.bytes;
  } catch (error) {
    if (error instanceof VaultError && error.code === "VAULT_TAMPERED") return null;
    throw error;
  }
  try {
    const { pid, startTime, bootId, pidNamespace, released } = JSON.parse(
      new TextDecoder().decode(bytes),
    );
    if (!Number.isSafeInteger(pid) || pid <= 0) return null;
    const text = (value: unknown) => (typeof value === "string" ? value : null);
    return {
      pid,
      startTime: text(startTime),
      bootId: text(bootId),
      pidNamespace: text(pidNamespace),
      released: released === true,
    };
  } catch {
    return null;
  }
}

function isOwnerAlive(owner: LockOwner): boolean {
  const boot = currentBootId();
  if (owner.bootId !== null && boot !== null && owner.bootId !== boot) return false;
  // A pid of another namespace cannot be looked up from here. Doubt means held.
  if (owner.pidNamespace !== pidNamespace()) return true;
  if (!isAlive(owner.pid)) return false;
  const startTime = processStartTime(owner.pid);
  if (startTime === DEAD) return false;
  return owner.startTime === null || startTime === null || owner.startTime === startTime;
}

function linkLock(
  directory: string,
  temporary: string,
  generation: number,
  owner: LockOwner,
): boolean {
  const path = writeTemporary(temporary, owner);
  try {
    linkSync(path, lockPath(directory, generation));
    givenUp.delete(lockPath(directory, generation));
    return true;
  } catch (error) {
    // Taken by another, or the temporary file is gone: the holder of a lock collects those of
    // processes it cannot see, such as one in another container.
    if (systemCode(error) === "EEXIST" || systemCode(error) === "ENOENT") return false;
    throw storeError(error, `lock.${generation}`, "take");
  } finally {
    removeIfThere(path);
  }
}

// Of one length, so that releasing needs no space.
const HELD = '"released":false}';
const RELEASED = '"released":true }';

function releaseLock(path: string): void {
  try {
    const { O_RDWR, O_NOFOLLOW, O_NONBLOCK } = constants;
    const descriptor = openSync(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
    try {
      const text = readFileSync(descriptor, "latin1");
      const position = text.lastIndexOf(HELD);
      if (position >= 0) writeSync(descriptor, RELEASED, position, "latin1");
    } finally {
      closeSync(descriptor);
    }
  } catch {
    givenUp.add(path);
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Whatever is left is collected by a later holder, or is superseded.
  }
}

/** Name of a file that is linked into place as a lock. */
const LOCK_TEMPORARY = /^lock-(\d+)-[0-9a-f]{16}\.tmp$/;

/**
 * Whether a file of the temporary directory was left by a process that died while taking a lock. Its pid
 * may be that of another process by now, in a container even our own.
 */
export function isLockLeftover(temporary: string, name: string): boolean {
  const pid = LOCK_TEMPORARY.exec(name)?.[1];
  if (pid === undefined) return false;
  if (!isAlive(Number(pid))) return true;
  try {
    const owner = readOwner(join(temporary, name));
    // Of a file that is not whole the name alone is known. A lock is taken without a pause, so that
    // one of ours is not being written now.
    return owner === null ? Number(pid) === process.pid : !isOwnerAlive(owner);
  } catch {
    // One that cannot be read is looked at again the next time.
    return false;
  }
}

/** Whether a process has this pid, as far as this process can see. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) !== "ESRCH";
  }
}

function writeTemporary(temporary: string, owner: LockOwner): string {
  const path = join(temporary, `lock-${process.pid}-${randomBytes(8).toString("hex")}.tmp`);
  try {
    writeFileSync(path, `${JSON.stringify(owner)}\n`, { flag: "wx", mode: 0o600 });
  } catch (error) {
    removeIfThere(path);
    throw storeError(error, "lock", "write");
  }
  return path;
}

function removeOlder(directory: string, generation: number): void {
  for (const older of generations(directory)) {
    if (older < generation) removeIfThere(lockPath(directory, older));
  }
}

function currentOwner(): LockOwner {
  const startTime = processStartTime(process.pid);
  return {
    pid: process.pid,
    startTime: startTime === DEAD ? null : startTime,
    bootId: currentBootId(),
    pidNamespace: pidNamespace(),
    released: false,
  };
}

const DEAD = Symbol("dead");

/** When a process started, in the system's own words; DEAD for a zombie; null where unknown. */
function processStartTime(pid: number): string | typeof DEAD | null {
  if (process.platform === "linux") {
    try {
      // Fields after the command name, which may itself contain spaces and parentheses: proc(5).
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return fields[0] === "Z" || fields[0] === "X" ? DEAD : (fields[19] ?? null);
    } catch (error) {
      return systemCode(error) === "ENOENT" || systemCode(error) === "ESRCH" ? DEAD : null;
    }
  }
  if (process.platform === "win32") return null;
  try {
    return execFileSync("/bin/ps", ["-o", "lstart=", "-p", String(pid)], {
      encoding: "utf8",
    }).trim();
  } catch {
    return null;
  }
}

/** Names the running system: changes with every boot. Null where there is no such name. */
export function currentBootId(): string | null {
  try {
    if (process.platform === "linux") {
      return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    }
    if (process.platform === "darwin") {
      const arguments_ = ["-n", "kern.bootsessionuuid"];
      return execFileSync("/usr/sbin/sysctl", arguments_, { encoding: "utf8" }).trim();
    }
  } catch {
    // Without it a log's end is judged more leniently, and a lock by pid and start time alone.
  }
  return null;
}

function pidNamespace(): string | null {
  try {
    return process.platform === "linux" ? readlinkSync("/proc/self/ns/pid") : null;
  } catch {
    return null;
  }
}
