/**
 * The system's own programs and account files, for setup commands only. They run with a search path
 * of the system's directories: as root, the caller's `PATH` decides nothing.
 */
import { spawn } from "node:child_process";
import { existsSync, lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { CliError } from "../errors.ts";
import type { Step } from "./step.ts";

const SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

/** What a program answered; status null when it is not installed or was killed. */
export interface Answer {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run one of the system's programs. */
export function ask(argv: readonly [string, ...string[]]): Promise<Answer> {
  const [program, ...args] = argv;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: "/",
      env: { PATH: SYSTEM_PATH, LC_ALL: "C" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", (error) => resolve({ status: null, stdout, stderr: error.message }));
    child.on("close", (status) => resolve({ status, stdout, stderr }));
  });
}

/**
 * Do a step.
 *
 * @throws {CliError} `CLI_SETUP_FAILED`, with the program's own words.
 */
export async function carryOut(step: Step): Promise<void> {
  switch (step.kind) {
    case "command": {
      const { status, stderr } = await ask(step.argv);
      if (status === 0 || step.mayFail) return;
      const words = stderr.trim().split("\n").slice(-2).join(" / ");
      throw failed(`\`${step.argv.join(" ")}\` failed${words === "" ? "" : `: ${words}`}`);
    }
    case "write":
      return replaceFile(step.path, step.content, step.mode);
    case "remove":
      return rmSync(step.path, { force: true });
  }
}

// Complete or not at all, and never through somebody's link: the name is new, and then moved.
function replaceFile(path: string, content: string, mode: number): void {
  const temporary = `${path}.${process.pid}.new`;
  try {
    if (!existsSync(dirname(path))) throw failed(`there is no directory ${dirname(path)}`);
    writeFileSync(temporary, content, { flag: "wx", mode });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    if (error instanceof CliError) throw error;
    throw failed(`cannot write ${path} (${(error as NodeJS.ErrnoException).code})`, error);
  }
}

/** The content of a file, or null when it is not there or not readable. */
export function contentOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/** An account of this system. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly home: string;
}

/** The account `name`, or null. */
export async function findAccount(name: string, platform: string): Promise<Account | null> {
  if (platform === "darwin") {
    const { status, stdout } = await ask([
      "dscl",
      ".",
      "-read",
      `/Users/${name}`,
      "UniqueID",
      "NFSHomeDirectory",
    ]);
    const uid = /^UniqueID: (\d+)$/m.exec(stdout)?.[1];
    const home = /^NFSHomeDirectory: (.+)$/m.exec(stdout)?.[1];
    return status === 0 && uid !== undefined && home !== undefined
      ? { name, uid: Number(uid), home }
      : null;
  }
  const { status, stdout } = await ask(["getent", "passwd", name]);
  const [found, , uid, , , home] = stdout.trim().split(":");
  return status === 0 && found === name && uid !== undefined && home !== undefined
    ? { name, uid: Number(uid), home }
    : null;
}

/** A group of this system. */
export interface Group {
  readonly gid: number;
  readonly members: readonly string[];
}

/** The group `name`, or null. */
export async function findGroup(name: string, platform: string): Promise<Group | null> {
  if (platform === "darwin") {
    const { status, stdout } = await ask([
      "dscl",
      ".",
      "-read",
      `/Groups/${name}`,
      "PrimaryGroupID",
      "GroupMembership",
    ]);
    const gid = /^PrimaryGroupID: (\d+)$/m.exec(stdout)?.[1];
    const members = /^GroupMembership: (.*)$/m.exec(stdout)?.[1] ?? "";
    return status === 0 && gid !== undefined
      ? { gid: Number(gid), members: members.split(/\s+/).filter((member) => member !== "") }
      : null;
  }
  const { status, stdout } = await ask(["getent", "group", name]);
  const [found, , gid, members = ""] = stdout.trim().split(":");
  return status === 0 && found === name && gid !== undefined
    ? { gid: Number(gid), members: members.split(",").filter((member) => member !== "") }
    : null;
}

/** Every group that the account is in, its own included. */
export async function groupsOf(name: string): Promise<readonly string[]> {
  const { status, stdout } = await ask(["id", "-Gn", name]);
  return status === 0 ? stdout.trim().split(/\s+/) : [];
}

/** Who owns a directory, and who may enter it; null when it is missing or is none. */
export interface DirectoryFacts {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

export function directoryFacts(path: string): DirectoryFacts | null {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isDirectory()) return null;
  return { uid: stat.uid, gid: stat.gid, mode: stat.mode & 0o7777 };
}

/**
 * The first of `path` and the directories above it that one of `accounts` besides root and `trusted`
 * could change: by owning it, or because everybody may write to it. Null when there is none.
 */
export function changeableBy(path: string, trusted: readonly number[]): string | null {
  for (let at = path; ; at = dirname(at)) {
    const stat = lstatSync(at, { throwIfNoEntry: false });
    if (stat !== undefined) {
      const isStrange = stat.uid !== 0 && !trusted.includes(stat.uid);
      // In a sticky directory others cannot replace what is not theirs.
      const isOpen = (stat.mode & 0o002) !== 0 && (stat.mode & 0o1000) === 0;
      if (isStrange || (isOpen && !stat.isSymbolicLink())) return at;
    }
    if (at === dirname(at)) return null;
  }
}

function failed(message: string, cause?: unknown): CliError {
  return new CliError("CLI_SETUP_FAILED", message, null, cause);
}
